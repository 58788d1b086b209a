//! Pseudoterminals of a container's own devpts.
//!
//! ```text
//! daemon or monitor ◄── master ══ kernel ══ slave ──► 0, 1, 2 and the controlling terminal
//! ```
//!
//! The container may have put anything at any path, so only a file system counts that is a devpts:
//! nobody can make or mount a file *in* one unseen, and the other side is had from the kernel
//! (TIOCGPTPEER), not by its name.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::openat2;
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, fstatfs, major, minor};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

/// Type of a devpts file system.
const DEVPTS: u64 = 0x1cd1;
/// Device number of every `ptmx`.
const PTMX: (u32, u32) = (5, 2);

/// Both sides of a new terminal.
#[derive(Debug)]
pub struct Terminal {
    /// For whoever reads what is printed and writes what is typed.
    pub master: OwnedFd,
    /// For the process.
    pub slave: OwnedFd,
}

/// Opens a new terminal in the devpts at `/dev/pts` of this process's root, which a container may
/// have filled. The slave belongs to `uid`. Its size is 0 by 0 until somebody sets it.
pub fn open(uid: u32) -> io::Result<Terminal> {
    let directory = devpts()?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    // A devpts in which something was mounted over ptmx is refused by NO_XDEV.
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let master = openat2(&directory, "ptmx", flags, Mode::empty(), resolve)?;
    check_master(master.as_fd())?;
    rustix::pty::unlockpt(&master)?;
    let slave = peer(master.as_fd())?;
    give_to(slave.as_fd(), uid)?;
    Ok(Terminal { master, slave })
}

/// An error unless `master` is the side of a terminal that `open` would return.
pub fn check_master(master: BorrowedFd<'_>) -> io::Result<()> {
    let stat = fstat(master)?;
    let is_device = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
    let device = (major(stat.st_rdev), minor(stat.st_rdev));
    match is_device && device == PTMX && is_devpts(master)? {
        true => Ok(()),
        false => Err(refused("not the master of a terminal")),
    }
}

/// The slave of `master`; does not become anybody's controlling terminal.
pub fn peer(master: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    Ok(rustix::pty::ioctl_tiocgptpeer(master, flags)?)
}

/// Makes `uid` the owner of a slave, so that its processes may open it by its name. The group stays
/// what the devpts gives.
pub fn give_to(slave: BorrowedFd<'_>, uid: u32) -> io::Result<()> {
    let owner = rustix::process::Uid::from_raw(uid);
    Ok(rustix::fs::fchown(slave, Some(owner), None)?)
}

/// Makes `slave` the controlling terminal of this process, which leads a session without one.
pub fn control(slave: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rustix::process::ioctl_tiocsctty(slave)?)
}

/// Sets how large a terminal is, by either side; its processes get SIGWINCH if that changes it.
pub fn resize(terminal: BorrowedFd<'_>, rows: u16, columns: u16) -> io::Result<()> {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    Ok(rustix::termios::tcsetwinsize(terminal, size)?)
}

fn devpts() -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS;
    let directory = openat2(CWD, "/dev/pts", flags, Mode::empty(), resolve)?;
    match is_devpts(directory.as_fd())? {
        true => Ok(directory),
        false => Err(refused("/dev/pts of the container is not a devpts")),
    }
}

fn is_devpts(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(fstatfs(fd)?.f_type as u64 == DEVPTS)
}

fn refused(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_to_one_side_is_read_from_the_other() {
        let Terminal { master, slave } = open(7).expect("a terminal of this machine's devpts");
        assert_eq!(fstat(&slave).expect("its owner").st_uid, 7);
        resize(master.as_fd(), 24, 80).expect("a size");
        let size = rustix::termios::tcgetwinsize(&slave).expect("the size");
        assert_eq!((size.ws_row, size.ws_col), (24, 80));
        rustix::io::write(&slave, b"hello\n").expect("a write");
        let mut buffer = [0; 16];
        let count = rustix::io::read(&master, &mut buffer).expect("a read");
        assert_eq!(&buffer[..count], b"hello\r\n");
    }

    #[test]
    fn only_the_master_of_a_terminal_is_taken_for_one() {
        let Terminal { master, slave } = open(0).expect("a terminal");
        check_master(master.as_fd()).expect("a master");
        check_master(slave.as_fd()).expect_err("a slave");
        let null = std::fs::File::open("/dev/null").expect("/dev/null");
        check_master(null.as_fd()).expect_err("another device");
    }
}
