//! Directories that an archive uses without naming them.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;

use super::attributes;
use crate::image::walk::Walk;
use crate::sys::beneath::{Kind, Root, kind, link_target, subdirectory};

/// The directory that was asked for.
pub(super) struct Made {
    /// It.
    pub(super) directory: OwnedFd,
    /// What had to be made: inode and path, no link in it.
    pub(super) created: Vec<(u64, PathBuf)>,
}

/// Makes `path` below `root`, following links of the layer as a process inside would, also those
/// that lead to a directory which only a lower layer has.
pub(super) fn make(root: &Root, path: &Path) -> io::Result<Made> {
    let mut walk = Walk::new(path);
    let mut created = Vec::new();
    while let Some(name) = walk.next() {
        let parent = root.real_directory(walk.at())?;
        match kind(&parent, &name)? {
            Some(Kind::Directory) => walk.enter(name),
            None => {
                let inode = make_directory(&parent, &name)?;
                walk.enter(name);
                created.push((inode, walk.at().to_owned()));
            }
            Some(Kind::Whiteout) => {
                rustix::fs::unlinkat(&parent, &name, AtFlags::empty())?;
                make_directory(&parent, &name)?;
                attributes::make_opaque(subdirectory(&parent, &name)?)?;
                walk.enter(name);
            }
            Some(Kind::Symlink) => walk.follow(&link_target(&parent, &name)?)?,
            Some(Kind::File | Kind::Other) => return Err(Errno::NOTDIR.into()),
        }
    }
    Ok(Made {
        directory: root.real_directory(walk.at())?,
        created,
    })
}

fn make_directory(parent: &OwnedFd, name: &OsStr) -> io::Result<u64> {
    rustix::fs::mkdirat(parent, name, Mode::RWXU)?;
    let directory = subdirectory(parent, name)?;
    rustix::fs::fchmod(&directory, Mode::from_raw_mode(0o755))?;
    attributes::inode(directory)
}
