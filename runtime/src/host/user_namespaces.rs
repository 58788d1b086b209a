//! Whether pods can have user namespaces here, found out by trying.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use crate::model::config::UserNamespace;
use crate::sys::mount_tree::MountTree;
use crate::sys::user_namespace;

/// Any ids will do.
const PROBE: UserNamespace = UserNamespace {
    uid: 100_000,
    gid: 100_000,
    length: 65_536,
};

/// Makes a user namespace and has the files of `dir`, where images lie, shown with its ids; the
/// reason when the kernel or the file system cannot. Nothing is mounted. Blocks.
pub fn can_have_user_namespaces(dir: &Path) -> io::Result<()> {
    let namespace = user_namespace::create(&PROBE)?;
    MountTree::of(dir)?.map_ids(namespace.as_fd())
}
