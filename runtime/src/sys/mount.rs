//! Mounts and namespaces of mounts.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, UnmountFlags,
    fsconfig_create, fsconfig_set_string, fsmount, fsopen, mount, mount_bind, mount_change,
    mount_remount, unmount,
};
use rustix::process::{chdir, fchdir};
use rustix::thread::{
    LinkNameSpaceType, ThreadNameSpaceType, UnshareFlags, move_into_link_name_space,
    move_into_thread_name_spaces,
};

use super::mount_tree::MountTree;

/// nosuid, nodev, noexec: what every file system of ours gets that holds no programs.
pub const PLAIN: MountFlags = MountFlags::NOSUID
    .union(MountFlags::NODEV)
    .union(MountFlags::NOEXEC);

/// Gives this process, which has one thread, a copy of its mounts.
///
/// The copies follow what happens to the originals (slave), never the other way round.
pub fn unshare_mounts() -> io::Result<()> {
    // SAFETY: no thread shares this process's descriptors or memory.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }?;
    let flags = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", flags)?;
    Ok(())
}

/// Cuts the mounts of this process's namespace off from all others.
pub fn cut_off() -> io::Result<()> {
    let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    Ok(mount_change("/", flags)?)
}

/// Gives this process a copy of its mounts, for as long as it keeps them.
pub fn copy_mounts() -> io::Result<()> {
    // SAFETY: no thread shares this process's descriptors or memory.
    Ok(unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }?)
}

/// Enters a mount namespace: its root becomes this process's root and working directory.
pub fn enter(namespace: BorrowedFd<'_>) -> io::Result<()> {
    Ok(move_into_link_name_space(
        namespace,
        Some(LinkNameSpaceType::Mount),
    )?)
}

/// The mount namespace of this process.
pub fn own_namespace() -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(
        "/proc/self/ns/mnt",
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}

/// Enters namespaces of the process behind `pidfd`. A pid namespace counts for children only.
pub fn enter_namespaces(pidfd: BorrowedFd<'_>, which: ThreadNameSpaceType) -> io::Result<()> {
    Ok(move_into_thread_name_spaces(pidfd, which)?)
}

/// Mounts a tmpfs.
pub fn tmpfs(target: &Path, flags: MountFlags, options: &str) -> io::Result<()> {
    let options = CString::new(options).map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok(mount("tmpfs", target, "tmpfs", flags, options.as_c_str())?)
}

/// Shows `source` at `target` too.
pub fn bind(source: &Path, target: &Path) -> io::Result<()> {
    Ok(mount_bind(source, target)?)
}

/// Sets the flags of an existing mount.
pub fn remount_bind(target: &Path, flags: MountFlags) -> io::Result<()> {
    Ok(mount_remount(target, flags | MountFlags::BIND, c"")?)
}

/// Takes a mount and all below it out of this process's tree.
pub fn detach(target: &Path) -> io::Result<()> {
    Ok(unmount(
        target,
        UnmountFlags::DETACH | UnmountFlags::NOFOLLOW,
    )?)
}

/// A program, opened through a read-only mount of its own that is in no namespace.
///
/// A container that gets hold of a process of ours (`/proc/<pid>/exe`) reaches the file through that
/// mount and cannot open it for writing (the class of CVE-2019-5736).
pub fn read_only_program(path: &Path) -> io::Result<OwnedFd> {
    let tree = MountTree::of(path)?;
    tree.make_read_only()?;
    Ok(tree.into())
}

/// A copy of a program on a read-only file system of its own that is in no namespace, where everything
/// has this SELinux label.
pub fn labelled_program(path: &Path, label: &str) -> io::Result<OwnedFd> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, "context", label)?;
    fsconfig_create(&context)?;
    let none = MountAttrFlags::empty();
    let files = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, none)?;
    let create = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o755);
    let copy = rustix::fs::openat(&files, "program", create, mode)?;
    rustix::fs::fchmod(&copy, mode)?;
    io::copy(&mut File::open(path)?, &mut File::from(copy))?;
    let files = MountTree::from(files);
    files.make_read_only()?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(&files, "program", flags, Mode::empty())?)
}

/// Makes `root`, a mount point, this process's root and lets go of everything else.
pub fn pivot_into(root: BorrowedFd<'_>) -> io::Result<()> {
    fchdir(root)?;
    rustix::process::pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    chdir("/")?;
    Ok(())
}

/// An `O_PATH` descriptor of a directory.
pub fn open_dir(dir: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(dir, flags, Mode::empty()).map_err(|errno| {
        let error = io::Error::from(errno);
        io::Error::new(error.kind(), format!("{}: {error}", dir.display()))
    })
}
