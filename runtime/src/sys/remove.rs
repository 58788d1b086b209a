//! Recursive removal that follows no symbolic link and crosses no mount.
//!
//! The walk keeps the descriptors of the directories it is in, at most [`MAX_OPEN`] of them; a tree
//! that is deeper is first made shallow by moving its deep part up. Nothing is resolved by a path
//! of more than one component, so what a container put there cannot lead elsewhere.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// Directories held open at once.
const MAX_OPEN: usize = 64;

/// Removes the tree at `path`, which is a directory of our own; one that is gone is no error.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a path to remove",
        ));
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::open(parent, flags, Mode::empty()) {
        Ok(parent) => remove_tree_at(parent, name),
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Removes whatever `name` in `parent` is, with everything below it; nothing there is no error.
pub fn remove_tree_at(parent: impl AsFd, name: &OsStr) -> io::Result<()> {
    let parent = parent.as_fd();
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    let name = CString::new(name.as_bytes())?;
    let Some(top) = Level::open(parent, name)? else {
        return Ok(());
    };
    let mut levels = vec![top];
    while let Some(level) = levels.last_mut() {
        match level.remove_files()? {
            Some(below) if levels.len() < MAX_OPEN => levels.push(below),
            Some(below) => move_up(&levels, &below)?,
            None => {
                let mut done = levels.pop().expect("the loop has a level");
                let above = levels.last().map_or(parent, |level| level.fd.as_fd());
                if !done.remove_from(above)? {
                    done.entries.rewind();
                    levels.push(done);
                }
            }
        }
    }
    Ok(())
}

/// One directory of the walk.
struct Level {
    name: CString,
    fd: OwnedFd,
    entries: Dir,
}

impl Level {
    /// Opens a directory unless it is gone; a mount point is an error.
    fn open(parent: impl AsFd, name: CString) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
        match rustix::fs::openat2(parent, &name, flags, Mode::empty(), resolve) {
            Ok(fd) => Ok(Some(Self {
                name,
                entries: Dir::read_from(&fd)?,
                fd,
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes entries up to the first directory that is not empty, and opens that one.
    fn remove_files(&mut self) -> io::Result<Option<Level>> {
        while let Some(entry) = self.entries.read() {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            if !remove_one(&self.fd, name, entry.file_type())?
                && let Some(below) = Level::open(&self.fd, name.to_owned())?
            {
                return Ok(Some(below));
            }
        }
        Ok(None)
    }

    /// Removes the directory; false when it has entries that the walk did not see.
    fn remove_from(&self, parent: impl AsFd) -> io::Result<bool> {
        match rustix::fs::unlinkat(&parent, &self.name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(true),
            Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Removes a file or an empty directory; false when it is a directory with entries.
fn remove_one(parent: &OwnedFd, name: &CStr, file_type: FileType) -> io::Result<bool> {
    let flags = match file_type {
        FileType::Directory => AtFlags::REMOVEDIR,
        _ => AtFlags::empty(),
    };
    match rustix::fs::unlinkat(parent, name, flags) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST | Errno::ISDIR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Moves a directory that is too deep to the top level, where a later pass meets it.
fn move_up(levels: &[Level], below: &Level) -> io::Result<()> {
    let (top, bottom) = (&levels[0], &levels[levels.len() - 1]);
    for number in 0_u32.. {
        let name = format!(".deep-{number}");
        let flags = rustix::fs::RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(&bottom.fd, &below.name, &top.fd, name.as_str(), flags) {
            Err(Errno::EXIST) => {}
            result => return Ok(result?),
        }
    }
    unreachable!("there are fewer than 2^32 names in a directory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_link_is_removed_and_what_it_points_to_stays() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("outside")).unwrap();
        fs::write(dir.path().join("outside/kept"), "kept").unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("a/b")).unwrap();
        std::os::unix::fs::symlink("../../outside", tree.join("a/link")).unwrap();
        fs::write(tree.join("a/b/file"), "gone").unwrap();
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
        assert_eq!(
            fs::read_to_string(dir.path().join("outside/kept")).unwrap(),
            "kept"
        );
    }

    #[test]
    fn what_is_gone_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        remove_tree(&dir.path().join("nothing")).unwrap();
        remove_tree(&dir.path().join("no/parent")).unwrap();
    }

    #[test]
    fn a_tree_deeper_than_the_open_descriptors_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let mut at: OwnedFd = fs::File::open(dir.path()).unwrap().into();
        for _ in 0..MAX_OPEN * 40 {
            rustix::fs::mkdirat(&at, "tree", Mode::RWXU).unwrap();
            at = crate::sys::beneath::subdirectory(&at, OsStr::new("tree")).unwrap();
        }
        drop(at);
        remove_tree(&dir.path().join("tree")).unwrap();
        assert!(fs::read_dir(dir.path()).unwrap().next().is_none());
    }
}
