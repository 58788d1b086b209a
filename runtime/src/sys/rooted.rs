//! Making directories inside a tree that somebody else filled.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Uid, chownat, mkdirat, openat2,
};
use rustix::io::Errno;

/// Makes the directory `path` and its missing parents below `root`, which is the root of every
/// symlink on the way; those made get this owner. A directory that exists keeps its mode and owner.
pub fn make_directories(root: impl AsFd, path: &Path, (uid, gid): (u32, u32)) -> io::Result<()> {
    let mut reached = PathBuf::from("/");
    let mut parent = open(root.as_fd(), &reached)?;
    for component in path.components() {
        let Component::Normal(name) = component else {
            continue;
        };
        reached.push(name);
        parent = match open(root.as_fd(), &reached) {
            Err(Errno::NOENT) => {
                mkdirat(&parent, name, Mode::from_raw_mode(0o755))?;
                let made = open(root.as_fd(), &reached)?;
                let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
                chownat(&made, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
                made
            }
            result => result?,
        };
    }
    Ok(())
}

/// Whether `path`, looked up in the tree at `root` as by a process whose root that is, is a
/// directory.
pub fn is_directory(root: &Path, path: &Path) -> io::Result<bool> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(root, flags, Mode::empty())?;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let found = openat2(
        &root,
        path,
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        resolve,
    )?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode);
    Ok(kind == FileType::Directory)
}

fn open(root: impl AsFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    openat2(root, path, flags, Mode::empty(), resolve)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn directories_are_made_below_the_root_whatever_links_say() {
        let outside = tempfile::tempdir().expect("a temporary directory");
        let root = tempfile::tempdir().expect("a temporary directory");
        let fd = fs::File::open(root.path()).expect("the root");
        fs::create_dir(root.path().join("real")).expect("a directory");
        symlink("/real", root.path().join("inside")).expect("a symlink");
        symlink(outside.path(), root.path().join("away")).expect("a symlink");
        make_directories(&fd, Path::new("/inside/a/b"), (0, 0))
            .expect("through a link that stays inside");
        assert!(root.path().join("real/a/b").is_dir());
        make_directories(&fd, Path::new("/away/a"), (0, 0))
            .expect_err("a link that leads nowhere inside");
        make_directories(&fd, Path::new("/../../x"), (0, 7)).expect("dots above the root");
        let made = fs::metadata(root.path().join("x")).expect("a directory");
        assert_eq!((made.uid(), made.gid()), (0, 7));
        assert_eq!(fs::read_dir(outside.path()).expect("outside").count(), 0);
    }
}
