//! Making directories inside a tree that somebody else filled.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, mkdirat, openat2};
use rustix::io::Errno;

/// Makes the directory `path` and its missing parents below `root`, which is the root of every
/// symlink on the way. A directory that exists keeps its mode.
pub fn make_directories(root: impl AsFd, path: &Path) -> io::Result<()> {
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
                open(root.as_fd(), &reached)?
            }
            result => result?,
        };
    }
    Ok(())
}

fn open(root: impl AsFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    openat2(root, path, flags, Mode::empty(), resolve)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn directories_are_made_below_the_root_whatever_links_say() {
        let outside = tempfile::tempdir().expect("a temporary directory");
        let root = tempfile::tempdir().expect("a temporary directory");
        let fd = fs::File::open(root.path()).expect("the root");
        fs::create_dir(root.path().join("real")).expect("a directory");
        symlink("/real", root.path().join("inside")).expect("a symlink");
        symlink(outside.path(), root.path().join("away")).expect("a symlink");
        make_directories(&fd, Path::new("/inside/a/b")).expect("through a link that stays inside");
        assert!(root.path().join("real/a/b").is_dir());
        make_directories(&fd, Path::new("/away/a")).expect_err("a link that leads nowhere inside");
        make_directories(&fd, Path::new("/../../x")).expect("dots above the root");
        assert!(root.path().join("x").is_dir());
        assert_eq!(fs::read_dir(outside.path()).expect("outside").count(), 0);
    }
}
