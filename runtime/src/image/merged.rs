//! Layers seen as one tree, without mounting them.
//!
//! The daemon mounts nothing, and what it wants to know of an image is a file or two. The rules are
//! those of overlayfs: the topmost layer wins, a whiteout hides, an opaque directory hides
//! everything of its name below. Links are followed within the merged tree only.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::unpack::attributes::OPAQUE;
use super::walk::Walk;
use crate::sys::beneath::{Kind, Root, kind, link_target, regular_file, subdirectory};

/// The directories of one path in several layers, top first.
#[derive(Debug)]
pub(super) struct MergedDirectory(Vec<OwnedFd>);

enum Entry<'a> {
    Directory(MergedDirectory),
    Other(&'a OwnedFd, Kind),
}

impl MergedDirectory {
    /// The root of layers that are given top first.
    pub(super) fn open(layers: &[PathBuf]) -> io::Result<Self> {
        let open = |layer: &PathBuf| Root::open(layer)?.directory(Path::new(""));
        Ok(Self(layers.iter().map(open).collect::<io::Result<_>>()?))
    }

    /// The directory that the merged tree shows.
    pub(super) fn top(&self) -> BorrowedFd<'_> {
        self.0
            .first()
            .expect("a merged directory is in some layer")
            .as_fd()
    }

    /// The directory `path`, no links followed; `None` when it is none.
    pub(super) fn directory(&self, path: &Path) -> io::Result<Option<MergedDirectory>> {
        let mut at = self.share()?;
        for name in path {
            let next = match at.entry(name)? {
                Some(Entry::Directory(next)) => next,
                _ => return Ok(None),
            };
            at = next;
        }
        Ok(Some(at))
    }

    /// The regular file at `path`, following links inside; `None` when there is nothing.
    pub(super) fn file(&self, path: &Path) -> io::Result<Option<File>> {
        let mut walk = Walk::new(path);
        while let Some(name) = walk.next() {
            let Some(parent) = self.directory(walk.at())? else {
                return Ok(None);
            };
            match parent.entry(&name)? {
                None => return Ok(None),
                Some(Entry::Directory(_)) => walk.enter(name),
                Some(Entry::Other(layer, Kind::Symlink)) => {
                    walk.follow(&link_target(layer, &name)?)?;
                }
                Some(Entry::Other(layer, _)) if walk.is_at_end() => {
                    return regular_file(layer, &name).map(Some);
                }
                Some(Entry::Other(..)) => return Ok(None),
            }
        }
        Err(Errno::ISDIR.into())
    }

    /// Whether there is anything at `path`, following links inside.
    pub(super) fn has(&self, path: &Path) -> io::Result<bool> {
        match self.file(path) {
            Ok(file) => Ok(file.is_some()),
            Err(error) if error.raw_os_error() == Some(Errno::ISDIR.raw_os_error()) => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn share(&self) -> io::Result<Self> {
        Ok(Self(
            self.0
                .iter()
                .map(OwnedFd::try_clone)
                .collect::<io::Result<_>>()?,
        ))
    }

    fn entry(&self, name: &OsStr) -> io::Result<Option<Entry<'_>>> {
        let mut directories = Vec::new();
        for layer in &self.0 {
            match kind(layer, name)? {
                None => {}
                Some(Kind::Directory) => {
                    let directory = subdirectory(layer, name)?;
                    let hides = is_opaque(&directory);
                    directories.push(directory);
                    if hides {
                        break;
                    }
                }
                Some(_) if !directories.is_empty() => break,
                Some(Kind::Whiteout) => return Ok(None),
                Some(kind) => return Ok(Some(Entry::Other(layer, kind))),
            }
        }
        let found = !directories.is_empty();
        Ok(found.then_some(Entry::Directory(MergedDirectory(directories))))
    }
}

fn is_opaque(directory: &OwnedFd) -> bool {
    let mut value = [0; 1];
    matches!(rustix::fs::fgetxattr(directory, OPAQUE, &mut value[..]), Ok(1) if value == *b"y")
}
