//! The standard streams of a process that is about to execute another program.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::fs::{Mode, OFlags};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

/// `/dev/null`, for reading and writing.
pub fn null() -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(
        "/dev/null",
        OFlags::RDWR | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}

/// Makes three descriptors 0, 1 and 2.
///
/// They must not be one of 0, 1, 2 themselves unless in their own place.
pub fn install(streams: [BorrowedFd<'_>; 3]) -> io::Result<()> {
    dup2_stdin(streams[0])?;
    dup2_stdout(streams[1])?;
    dup2_stderr(streams[2])?;
    Ok(())
}

/// Moves a descriptor above 2, so that the standard streams can be replaced.
pub fn out_of_the_way(fd: impl AsFd) -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(fd, 3)?)
}

/// Makes every descriptor above 2 close when the next program is executed.
pub fn close_others_on_exec() -> io::Result<()> {
    // SAFETY: this only sets flags of descriptors; none is closed under its owner.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Makes `fd` the descriptor `number`, kept across exec, and every other one above 2 close then.
pub fn inherit_as(fd: OwnedFd, number: RawFd) -> io::Result<()> {
    close_others_on_exec()?;
    // SAFETY: what `number` named before is replaced; this process owns no descriptor under that
    // number any more, for it executes another program next.
    let result = unsafe { libc::dup2(fd.as_raw_fd(), number) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    if fd.as_raw_fd() == number {
        rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::empty())?;
        std::mem::forget(fd);
    }
    Ok(())
}

/// Takes the descriptor `number` that the parent has left to this process.
///
/// To be called once for a number, before anything else is opened.
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl on a number that may not be open only answers EBADF.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, the parent has left it, and nothing else in this process owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
