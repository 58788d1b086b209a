//! What security modules confine a process by, from its next execve on.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;

use rustix::fs::{Mode, OFlags, openat};

/// Has the next execve of this process change to an AppArmor profile. `proc` is a directory of the
/// host's procfs: the container's own may be covered by anything (CVE-2025-52881).
pub fn set_apparmor_profile(proc: BorrowedFd<'_>, profile: &str) -> io::Result<()> {
    let attribute = open(proc, "self/attr/apparmor/exec")
        // Where no other module can be stacked, and before Linux 5.8.
        .or_else(|_| open(proc, "self/attr/exec"))?;
    write(attribute, &format!("exec {profile}"))
}

/// Has the next execve of this process change to an SELinux label; `proc` as above.
pub fn set_selinux_label(proc: BorrowedFd<'_>, label: &str) -> io::Result<()> {
    write(open(proc, "self/attr/exec")?, label)
}

fn open(proc: BorrowedFd<'_>, attribute: &str) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    Ok(openat(proc, attribute, flags, Mode::empty())?.into())
}

/// The kernel takes a label whole or not at all, in one write.
fn write(mut attribute: File, value: &str) -> io::Result<()> {
    let written = attribute.write(value.as_bytes())?;
    match written == value.len() {
        true => Ok(()),
        false => Err(io::ErrorKind::WriteZero.into()),
    }
}
