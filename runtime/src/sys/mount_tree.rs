//! Trees of mounts that are in no namespace until they are attached.
//!
//! A tree is cloned from what the caller sees, changed while nobody can look at it, and attached
//! where the caller is by then, which may be another mount namespace. What the clone was shared
//! with it stays shared with.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, StatxFlags, openat2, statx};
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

/// A tree of mounts that is in no namespace.
#[derive(Debug)]
pub struct MountTree(OwnedFd);

/// How mount events travel between a tree and what it was cloned from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Travel {
    /// Neither way.
    Private,
    /// Into the tree.
    Inward,
}

impl MountTree {
    /// What is at `path`, with everything mounted below it.
    pub fn of(path: &Path) -> io::Result<Self> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_RECURSIVE;
        Ok(Self(open_tree(rustix::fs::CWD, path, flags)?))
    }

    /// What is at `path` for a process whose root is the directory `root`; no link leads out of it.
    pub fn beneath(root: &Path, path: &Path) -> io::Result<Self> {
        let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(root, directory, Mode::empty())?;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let found = openat2(&root, path, flags, Mode::empty(), resolve)?;
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH;
        Ok(Self(open_tree(&found, "", flags)?))
    }

    /// Whether its root is a directory.
    pub fn is_directory(&self) -> io::Result<bool> {
        let stat = statx(&self.0, "", AtFlags::EMPTY_PATH, StatxFlags::TYPE)?;
        let kind = FileType::from_raw_mode(u32::from(stat.stx_mode));
        Ok(kind == FileType::Directory)
    }

    /// Shows the files of its topmost mount with the ids that `user_namespace` gives theirs.
    pub fn map_ids(&self, user_namespace: BorrowedFd<'_>) -> io::Result<()> {
        let attributes = libc::mount_attr {
            attr_set: libc::MOUNT_ATTR_IDMAP,
            attr_clr: 0,
            propagation: 0,
            userns_fd: user_namespace.as_raw_fd() as u64,
        };
        self.set(&attributes, libc::AT_EMPTY_PATH)
    }

    /// Makes all of it read-only.
    pub fn make_read_only(&self) -> io::Result<()> {
        let attributes = libc::mount_attr {
            attr_set: libc::MOUNT_ATTR_RDONLY,
            attr_clr: 0,
            propagation: 0,
            userns_fd: 0,
        };
        self.set(&attributes, libc::AT_EMPTY_PATH)
    }

    /// Sets how mount events travel, for all of it.
    pub fn set_travel(&self, travel: Travel) -> io::Result<()> {
        let attributes = libc::mount_attr {
            attr_set: 0,
            attr_clr: 0,
            propagation: match travel {
                Travel::Private => libc::MS_PRIVATE,
                Travel::Inward => libc::MS_SLAVE,
            },
            userns_fd: 0,
        };
        self.set(&attributes, libc::AT_EMPTY_PATH | libc::AT_RECURSIVE)
    }

    /// Attaches it over `target`, in the mount namespace that the caller is in.
    pub fn attach(self, target: &Path) -> io::Result<()> {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        Ok(move_mount(&self.0, "", rustix::fs::CWD, target, flags)?)
    }

    fn set(&self, attributes: &libc::mount_attr, flags: i32) -> io::Result<()> {
        // SAFETY: the path is empty (AT_EMPTY_PATH); `attributes` has the size that is passed.
        let result = unsafe {
            libc::syscall(
                libc::SYS_mount_setattr,
                self.0.as_raw_fd(),
                c"".as_ptr(),
                flags,
                std::ptr::from_ref(attributes),
                size_of::<libc::mount_attr>(),
            )
        };
        match result {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl AsFd for MountTree {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for MountTree {
    /// What a new mount is named by before it is attached.
    fn from(mount: OwnedFd) -> Self {
        Self(mount)
    }
}

impl From<MountTree> for OwnedFd {
    fn from(tree: MountTree) -> Self {
        tree.0
    }
}
