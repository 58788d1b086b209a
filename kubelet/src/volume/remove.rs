//! Removes a directory tree that containers could write to.
//!
//! Every step goes through a directory's descriptor and never follows a symbolic link, so a link
//! put there at any moment leads nowhere. Other filesystems are not entered. A tree may be deeper
//! than a process may have open files: what is too deep is first moved up to the top.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;

use super::VolumeError;

/// How many directories are open at most, the top one not counted.
const DEEPEST: usize = 64;

/// Removes the directory and all that is in it; one that is not there is no error.
pub(crate) fn remove_tree(directory: &Path) -> Result<(), VolumeError> {
    let failed = |source: Errno| VolumeError::Remove {
        path: directory.to_owned(),
        source: source.into(),
    };
    let top = match open_directory(CWD, directory) {
        Ok(top) => top,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let mut removal = Removal {
        top: top.as_fd(),
        moved: 0,
    };
    // What was moved up while the tree was emptied is found in the next round.
    loop {
        let moved_before = removal.moved;
        removal.empty(top.as_fd(), 0).map_err(failed)?;
        if removal.moved == moved_before {
            break;
        }
    }
    match unlinkat(CWD, directory, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

struct Removal<'a> {
    top: BorrowedFd<'a>,
    moved: u64,
}

impl Removal<'_> {
    fn empty(&mut self, directory: BorrowedFd<'_>, depth: usize) -> Result<(), Errno> {
        for name in names(directory)? {
            match self.remove(directory, &name, depth) {
                // Something else removed it first.
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn remove(
        &mut self,
        directory: BorrowedFd<'_>,
        name: &CStr,
        depth: usize,
    ) -> Result<(), Errno> {
        match unlinkat(directory, name, AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) => {}
            done => return done,
        }
        if depth >= DEEPEST {
            return self.move_up(directory, name);
        }
        let inside = openat(
            directory,
            name,
            OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY,
            Mode::empty(),
        )?;
        refuse_other_filesystem(self.top, inside.as_fd())?;
        self.empty(inside.as_fd(), depth + 1)?;
        match unlinkat(directory, name, AtFlags::REMOVEDIR) {
            // Only what was moved up and is not gone yet can be left.
            Err(Errno::NOTEMPTY) if self.moved > 0 => Ok(()),
            done => done,
        }
    }

    fn move_up(&mut self, directory: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
        self.moved += 1;
        renameat(directory, name, self.top, format!(".deep-{}", self.moved))
    }
}

fn open_directory(at: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
    openat(at, path, flags, Mode::empty())
}

/// All names at once: removing while reading may skip some.
fn names(directory: BorrowedFd<'_>) -> Result<Vec<CString>, Errno> {
    let is_entry = |name: &CStr| name != c"." && name != c"..";
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if is_entry(entry.file_name()) {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

/// What is mounted here belongs to somebody else.
fn refuse_other_filesystem(top: BorrowedFd<'_>, inside: BorrowedFd<'_>) -> Result<(), Errno> {
    let (top, inside) = (rustix::fs::fstat(top)?, rustix::fs::fstat(inside)?);
    if top.st_dev == inside.st_dev {
        Ok(())
    } else {
        Err(Errno::BUSY)
    }
}
