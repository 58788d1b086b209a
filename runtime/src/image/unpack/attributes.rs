//! Owners, modes, times and extended attributes of what a layer holds.

use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags, chownat, fchmod, fchown,
    fsetxattr, futimens, mknodat, utimensat,
};
use rustix::io::Errno;

use super::pax::Time;
use super::tar::Entry;

/// How overlayfs marks a directory that hides those of the layers below.
pub(crate) const OPAQUE: &str = "trusted.overlay.opaque";
const CAPABILITY: &[u8] = b"security.capability";

/// User and group of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Owner {
    pub(super) fn of(entry: &Entry) -> Self {
        Self {
            uid: entry.uid,
            gid: entry.gid,
        }
    }

    fn ids(self) -> (Option<Uid>, Option<Gid>) {
        (Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid)))
    }
}

/// Sets owner, mode and attributes of an open file or directory, in the order in which none of
/// them undoes another: a change of owner clears setuid bits and capabilities.
pub(crate) fn apply(
    file: impl AsFd,
    owner: Owner,
    mode: u32,
    xattrs: &[(Vec<u8>, Vec<u8>)],
) -> io::Result<()> {
    let (uid, gid) = owner.ids();
    fchown(&file, uid, gid)?;
    fchmod(&file, Mode::from_raw_mode(mode))?;
    for (name, value) in xattrs.iter().filter(|(name, _)| is_kept(name)) {
        match fsetxattr(&file, OsStr::from_bytes(name), value, XattrFlags::empty()) {
            // Labels for the user's own use; not every file system has them.
            Err(Errno::OPNOTSUPP) if name != CAPABILITY => {}
            result => result?,
        }
    }
    Ok(())
}

/// Sets owner and time of something that is not opened: a link or a device.
pub(crate) fn apply_to_node(
    parent: impl AsFd,
    name: &OsStr,
    owner: Owner,
    time: Time,
) -> io::Result<()> {
    let (uid, gid) = owner.ids();
    chownat(&parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(utimensat(
        &parent,
        name,
        &timestamps(time),
        AtFlags::SYMLINK_NOFOLLOW,
    )?)
}

/// Sets access and modification time of an open file or directory.
pub(crate) fn set_times(file: impl AsFd, time: Time) -> io::Result<()> {
    Ok(futimens(file, &timestamps(time))?)
}

/// The inode number of an open file or directory.
pub(crate) fn inode(file: impl AsFd) -> io::Result<u64> {
    Ok(rustix::fs::fstat(file)?.st_ino)
}

/// Makes a directory hide those of the layers below.
pub(crate) fn make_opaque(directory: impl AsFd) -> io::Result<()> {
    Ok(fsetxattr(directory, OPAQUE, b"y", XattrFlags::empty())?)
}

/// Makes the device by which overlayfs hides a name of the layers below.
pub(crate) fn make_whiteout(parent: impl AsFd, name: &OsStr) -> io::Result<()> {
    Ok(mknodat(
        parent,
        name,
        FileType::CharacterDevice,
        Mode::empty(),
        0,
    )?)
}

/// Which attributes of a layer reach the disk. `trusted.overlay.*` would let a layer redirect
/// names, security labels belong to the host's policy, and ACLs are stored in a form that other
/// kernels may not read.
fn is_kept(name: &[u8]) -> bool {
    name == CAPABILITY || (name.starts_with(b"user.") && !name.starts_with(b"user.overlay."))
}

fn timestamps(time: Time) -> Timestamps {
    let time = Timespec {
        tv_sec: time.seconds,
        tv_nsec: time.nanoseconds.into(),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}
