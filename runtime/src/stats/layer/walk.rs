//! Counting a tree that its container may change meanwhile.
//!
//! Names are only ever looked up in an open directory, one at a time, and links are not followed:
//! whatever is moved about, the walk stays in the tree. At most [`MAX_OPEN`] directories are open;
//! deeper ones are remembered by their names and begun anew from the top.

use std::collections::HashSet;
use std::ffi::CString;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, statat};
use rustix::io::Errno;

/// Directories held open at once.
const MAX_OPEN: usize = 64;

/// What a tree holds. A file of several names counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// Blocks on the disk, in bytes.
    pub(super) bytes: u64,
    /// Files and directories, the top one not.
    pub(super) inodes: u64,
}

/// Counts what is below `top`. `on_entry` is called before each entry and may end the walk, whose
/// answer is `None` then.
pub(super) fn count(
    top: &Path,
    mut on_entry: impl FnMut() -> ControlFlow<()>,
) -> io::Result<Option<Count>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let top = rustix::fs::open(top, flags, Mode::empty())?;
    let mut walk = Walk {
        count: Count::default(),
        linked: HashSet::new(),
        deep: vec![Vec::new()],
    };
    while let Some(names) = walk.deep.pop() {
        let Some(begin) = descend(&top, &names)? else {
            continue;
        };
        if walk.below(begin, &names, &mut on_entry)?.is_break() {
            return Ok(None);
        }
    }
    Ok(Some(walk.count))
}

struct Walk {
    count: Count,
    /// Files of several names that were met, by device and number.
    linked: HashSet<(u64, u64)>,
    /// Directories that are still to be begun, by their names from the top.
    deep: Vec<Vec<CString>>,
}

/// One directory that the walk is in.
struct Level {
    name: CString,
    entries: Dir,
    fd: OwnedFd,
}

impl Walk {
    fn below(
        &mut self,
        begin: OwnedFd,
        names: &[CString],
        on_entry: &mut impl FnMut() -> ControlFlow<()>,
    ) -> io::Result<ControlFlow<()>> {
        let mut levels = vec![Level::of(begin, CString::default())?];
        loop {
            let is_full = levels.len() == MAX_OPEN;
            let Some(level) = levels.last_mut() else {
                return Ok(ControlFlow::Continue(()));
            };
            let Some(entry) = level.entries.read() else {
                levels.pop();
                continue;
            };
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            if on_entry().is_break() {
                return Ok(ControlFlow::Break(()));
            }
            let name = name.to_owned();
            if !self.take(&level.fd, &name)? {
                continue;
            }
            if is_full {
                let inner = levels[1..].iter().map(|level| level.name.clone());
                let path = names.iter().cloned().chain(inner).chain([name]);
                self.deep.push(path.collect());
            } else if let Some(fd) = enter(&level.fd, &name)? {
                levels.push(Level::of(fd, name)?);
            }
        }
    }

    /// Counts one entry; whether it is a directory.
    fn take(&mut self, directory: &OwnedFd, name: &CString) -> io::Result<bool> {
        let stat = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let is_known =
            !is_directory && stat.st_nlink > 1 && !self.linked.insert((stat.st_dev, stat.st_ino));
        if !is_known {
            self.count.inodes += 1;
            self.count.bytes += u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
        }
        Ok(is_directory)
    }
}

impl Level {
    fn of(fd: OwnedFd, name: CString) -> io::Result<Self> {
        Ok(Self {
            name,
            entries: Dir::read_from(&fd)?,
            fd,
        })
    }
}

/// The directory with these names below `top`; `None` when it has gone meanwhile.
fn descend(top: &OwnedFd, names: &[CString]) -> io::Result<Option<OwnedFd>> {
    let mut at = top.try_clone()?;
    for name in names {
        match enter(&at, name)? {
            Some(below) => at = below,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

/// Opens a directory; `None` when it is gone or something else has its name now.
fn enter(directory: impl AsFd, name: &CString) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(directory, name, flags, Mode::empty()) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn whole(top: &Path) -> Count {
        let counted = count(top, || ControlFlow::Continue(()));
        counted.unwrap().expect("nobody ended the walk")
    }

    #[test]
    fn files_and_directories_are_counted_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("upper");
        fs::create_dir_all(top.join("a/b")).unwrap();
        fs::create_dir(dir.path().join("outside")).unwrap();
        fs::write(dir.path().join("outside/file"), [1; 100_000]).unwrap();
        fs::write(top.join("a/file"), [1; 10_000]).unwrap();
        std::os::unix::fs::symlink("../outside", top.join("link")).unwrap();
        let counted = whole(&top);
        assert_eq!(counted.inodes, 4);
        assert!((10_000..60_000).contains(&counted.bytes), "{counted:?}");
    }

    #[test]
    fn a_file_of_two_names_counts_once() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("one"), [1; 10_000]).unwrap();
        let before = whole(dir.path());
        fs::hard_link(dir.path().join("one"), dir.path().join("two")).unwrap();
        assert_eq!(whole(dir.path()), before);
    }

    #[test]
    fn what_lies_deeper_than_the_open_descriptors_is_counted_too() {
        let dir = tempfile::tempdir().unwrap();
        let mut at: OwnedFd = fs::File::open(dir.path()).unwrap().into();
        let depth = MAX_OPEN * 3 + 5;
        for _ in 0..depth {
            rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
            at = enter(&at, &c"d".to_owned()).unwrap().unwrap();
        }
        assert_eq!(whole(dir.path()).inodes, u64::try_from(depth).unwrap());
    }

    #[test]
    fn a_walk_can_be_ended() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let mut left = 2;
        let counted = count(dir.path(), || {
            left -= 1;
            if left == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        assert_eq!(counted.unwrap(), None);
    }
}
