//! Directories that an archive uses without naming them.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;

use super::attributes;
use crate::sys::beneath::{Kind, Root, kind, link_target, subdirectory};

/// As many as the kernel follows in one path.
const MAX_LINKS: usize = 40;

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
    let mut pending = components(path);
    let mut resolved = PathBuf::new();
    let mut created = Vec::new();
    let mut links = 0;
    while let Some(name) = pending.pop_front() {
        if name == ".." {
            resolved.pop();
            continue;
        }
        let parent = root.real_directory(&resolved)?;
        match kind(&parent, &name)? {
            Some(Kind::Directory) => resolved.push(name),
            None => {
                let inode = make_directory(&parent, &name)?;
                resolved.push(name);
                created.push((inode, resolved.clone()));
            }
            Some(Kind::Whiteout) => {
                rustix::fs::unlinkat(&parent, &name, AtFlags::empty())?;
                make_directory(&parent, &name)?;
                attributes::make_opaque(subdirectory(&parent, &name)?)?;
                resolved.push(name);
            }
            Some(Kind::Symlink) => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::LOOP.into());
                }
                let target = link_target(&parent, &name)?;
                if target.is_absolute() {
                    resolved.clear();
                }
                components(&target)
                    .into_iter()
                    .rev()
                    .for_each(|name| pending.push_front(name));
            }
            Some(Kind::File | Kind::Other) => return Err(Errno::NOTDIR.into()),
        }
    }
    Ok(Made {
        directory: root.real_directory(&resolved)?,
        created,
    })
}

fn make_directory(parent: &OwnedFd, name: &OsStr) -> io::Result<u64> {
    rustix::fs::mkdirat(parent, name, Mode::RWXU)?;
    let directory = subdirectory(parent, name)?;
    rustix::fs::fchmod(&directory, Mode::from_raw_mode(0o755))?;
    attributes::inode(directory)
}

fn components(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some(OsString::from("..")),
            _ => None,
        })
        .collect()
}
