//! `fsGroup`: a volume's files belong to the pod's group, which may use them.
//!
//! Containers of other pods may write to the volume meanwhile: every step goes through a descriptor
//! and never follows a link.

use std::ffi::{CStr, CString};
use std::fs::Permissions;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Stat, chownat, fstat, openat};

use crate::model::FsGroupChange;

const READ_AND_WRITE: u32 = 0o660;
const READ: u32 = 0o440;
/// What a directory needs besides: entered, and its group passed on.
const ENTER: u32 = 0o110;
const SET_GROUP: u32 = 0o2000;

/// A group, and what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ownership {
    /// The group's id.
    pub(crate) group: u32,
    /// What it may do.
    pub(crate) access: Access,
}

/// What a group may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Read.
    Read,
    /// Read and write.
    ReadAndWrite,
}

impl Ownership {
    /// Gives the tree to the group, the top last: a top that is right tells that all below it is.
    pub(super) fn apply(self, tree: &Path) -> io::Result<()> {
        self.apply_from(&look(CWD, tree)?)
    }

    /// The same, unless the policy is content with the top and it is right already.
    pub(crate) fn apply_by(self, tree: &Path, policy: FsGroupChange) -> io::Result<()> {
        let top = look(CWD, tree)?;
        if policy == FsGroupChange::OnRootMismatch && self.is_applied(&top.found) {
            return Ok(());
        }
        self.apply_from(&top)
    }

    /// Gives a volume's own directory, and the links in it, to the group.
    pub(super) fn apply_to_links(self, volume: &Path) -> io::Result<()> {
        let top = look(CWD, volume)?;
        for name in names(&top)? {
            let entry = look(top.fd.as_fd(), name.as_c_str())?;
            if entry.kind() == FileType::Symlink {
                self.apply_to(&entry)?;
            }
        }
        self.apply_to(&top)
    }

    fn apply_from(self, top: &Entry) -> io::Result<()> {
        if top.kind() == FileType::Directory {
            for name in names(top)? {
                match look(top.fd.as_fd(), name.as_c_str()) {
                    Ok(entry) => self.apply_from(&entry)?,
                    // Somebody removed it meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        self.apply_to(top)
    }

    fn apply_to(self, entry: &Entry) -> io::Result<()> {
        let group = Some(Gid::from_raw(self.group));
        chownat(&entry.fd, c"", None, group, AtFlags::EMPTY_PATH)?;
        if entry.kind() == FileType::Symlink {
            return Ok(());
        }
        // Changing the owner may have taken bits away.
        let mode = entry.found.st_mode & 0o7777 | self.bits(&entry.found);
        let itself = format!("/proc/self/fd/{}", entry.fd.as_raw_fd());
        std::fs::set_permissions(itself, Permissions::from_mode(mode))
    }

    fn is_applied(self, top: &Stat) -> bool {
        let bits = self.bits(top);
        let is_directory = FileType::from_raw_mode(top.st_mode) == FileType::Directory;
        is_directory && top.st_gid == self.group && top.st_mode & bits == bits
    }

    fn bits(self, found: &Stat) -> u32 {
        let access = match self.access {
            Access::Read => READ,
            Access::ReadAndWrite => READ_AND_WRITE,
        };
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory => access | ENTER | SET_GROUP,
            _ => access,
        }
    }
}

/// Something in a tree, by a descriptor that only names it.
struct Entry {
    fd: OwnedFd,
    found: Stat,
}

impl Entry {
    fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.found.st_mode)
    }
}

fn look(at: BorrowedFd<'_>, name: impl rustix::path::Arg) -> io::Result<Entry> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = openat(at, name, flags, Mode::empty())?;
    let found = fstat(&fd)?;
    Ok(Entry { fd, found })
}

fn names(directory: &Entry) -> io::Result<Vec<CString>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = openat(&directory.fd, c".", flags, Mode::empty())?;
    let is_entry = |name: &CStr| name != c"." && name != c"..";
    let mut names = Vec::new();
    for entry in Dir::read_from(opened)? {
        let entry = entry?;
        if is_entry(entry.file_name()) {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use tempfile::TempDir;

    use super::*;

    const WRITERS: Ownership = Ownership {
        group: 4242,
        access: Access::ReadAndWrite,
    };

    fn of(path: &Path) -> (u32, u32) {
        let found = fs::symlink_metadata(path).unwrap();
        (found.gid(), found.mode() & 0o7777)
    }

    fn make(path: &Path, mode: u32) {
        fs::write(path, "").unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn is_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    #[test]
    fn a_tree_becomes_the_groups_and_links_are_not_followed() {
        if !is_root() {
            return;
        }
        let outside = TempDir::new().unwrap();
        make(&outside.path().join("f"), 0o600);
        let tree = TempDir::new().unwrap();
        let tree = tree.path();
        fs::create_dir(tree.join("d")).unwrap();
        make(&tree.join("d/f"), 0o600);
        symlink(outside.path().join("f"), tree.join("out")).unwrap();
        WRITERS.apply(tree).unwrap();
        assert_eq!(of(&tree.join("d/f")), (4242, 0o660));
        assert_eq!(of(&tree.join("d")).0, 4242);
        assert_eq!(of(&tree.join("d")).1 & 0o2770, 0o2770);
        assert_eq!(of(&tree.join("out")).0, 4242);
        assert_ne!(of(&outside.path().join("f")).0, 4242);
        assert_eq!(of(&outside.path().join("f")).1, 0o600);
    }

    #[test]
    fn a_tree_whose_top_is_right_is_left_alone_when_the_policy_says_so() {
        if !is_root() {
            return;
        }
        let tree = TempDir::new().unwrap();
        let tree = tree.path();
        WRITERS.apply(tree).unwrap();
        make(&tree.join("late"), 0o600);
        WRITERS
            .apply_by(tree, FsGroupChange::OnRootMismatch)
            .unwrap();
        assert_eq!(of(&tree.join("late")).1, 0o600);
        WRITERS.apply_by(tree, FsGroupChange::Always).unwrap();
        assert_eq!(of(&tree.join("late")).1, 0o660);
    }
}
