//! What security modules confine a process by, from its next execve on, and what they know files as.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, XattrFlags, getxattr, openat, setxattr};
use rustix::io::Errno;

/// The extended attribute that SELinux keeps a file's context in.
const ATTRIBUTE: &str = "security.selinux";
/// No context is longer.
const LONGEST: usize = 4096;

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

/// Gives a file or directory, and all that is below it, an SELinux label. Symlinks get it themselves
/// and lead nowhere, whoever swaps what meanwhile.
pub fn label_tree(path: &Path, label: &str) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let top = openat(CWD, path, flags, Mode::empty())?;
    match label_one(&top, label) {
        // A file system that has no labels has none further down.
        Err(Errno::OPNOTSUPP) => return Ok(()),
        result => result?,
    }
    match openat(
        &top,
        ".",
        OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    ) {
        Ok(directory) => label_below(directory, label),
        Err(Errno::NOTDIR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn label_below(directory: OwnedFd, label: &str) -> io::Result<()> {
    let mut open = vec![Dir::new(directory)?];
    while let Some(directory) = open.last_mut() {
        let Some(entry) = directory.next() else {
            open.pop();
            continue;
        };
        let entry = entry?;
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let at = directory.fd()?;
        let found = match openat(at, entry.file_name(), flags, Mode::empty()) {
            Err(Errno::NOENT) => continue,
            found => found?,
        };
        match label_one(&found, label) {
            Err(Errno::OPNOTSUPP | Errno::NOENT) => continue,
            result => result?,
        }
        if matches!(entry.file_type(), FileType::Directory | FileType::Unknown) {
            let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
            match openat(&found, ".", flags, Mode::empty()) {
                Ok(below) => open.push(Dir::new(below)?),
                Err(Errno::NOTDIR | Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// A descriptor that names a file without opening it has no attributes of its own; its link in /proc
/// leads to the file and no further.
fn label_one(file: &OwnedFd, label: &str) -> Result<(), Errno> {
    let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    let mut known = vec![0; LONGEST];
    if let Ok(length) = getxattr(path.as_str(), ATTRIBUTE, &mut known[..]) {
        let known = known[..length]
            .strip_suffix(b"\0")
            .unwrap_or(&known[..length]);
        if known == label.as_bytes() {
            return Ok(());
        }
    }
    setxattr(
        path.as_str(),
        ATTRIBUTE,
        label.as_bytes(),
        XattrFlags::empty(),
    )
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
