//! Attributes of directories that a layer uses without naming them.
//!
//! In the merged view the topmost layer's directory counts, so one that was only implied would hide
//! the owner and mode that a lower layer gave it: `/tmp` would lose its sticky bit.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::fstat;

use crate::image::merged::MergedDirectory;
use crate::image::unpack::attributes::{self, Owner};
use crate::image::unpack::pax::Time;
use crate::sys::beneath::Root;

/// Gives the implied directories of `layer` the attributes they have in the layers below, which
/// are given top first.
pub(super) fn inherit(layer: &Path, implicit: &[PathBuf], below: &[PathBuf]) -> io::Result<()> {
    if implicit.is_empty() || below.is_empty() {
        return Ok(());
    }
    let root = Root::open(layer)?;
    let below = MergedDirectory::open(below)?;
    for path in implicit {
        // A later entry may have replaced it.
        let Ok(directory) = root.real_directory(path) else {
            continue;
        };
        if let Some(original) = below.directory(path)? {
            copy_attributes(original.top(), &directory)?;
        }
    }
    Ok(())
}

fn copy_attributes(from: impl AsFd, to: impl AsFd) -> io::Result<()> {
    let stat = fstat(from)?;
    let owner = Owner {
        uid: stat.st_uid,
        gid: stat.st_gid,
    };
    attributes::apply(&to, owner, stat.st_mode & 0o7777, &[])?;
    let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    attributes::set_times(
        &to,
        Time {
            seconds: stat.st_mtime,
            nanoseconds,
        },
    )
}
