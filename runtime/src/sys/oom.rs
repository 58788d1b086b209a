//! `oom_score_adj`, clamped to what the process may set.

use std::fs;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{Mode, OFlags, openat};

/// Sets this process's `oom_score_adj` through `proc`, a directory of the host's procfs.
///
/// Lowering it below what the process was born with needs CAP_SYS_RESOURCE. Without, the value
/// stays as low as it is. Returns whether the wanted value was set.
pub fn set_score(proc: BorrowedFd<'_>, wanted: i32) -> io::Result<bool> {
    write_score(proc, "self", wanted)
}

/// The same for another process.
pub fn set_score_of(proc: BorrowedFd<'_>, pid: i32, wanted: i32) -> io::Result<bool> {
    write_score(proc, &pid.to_string(), wanted)
}

fn write_score(proc: BorrowedFd<'_>, process: &str, wanted: i32) -> io::Result<bool> {
    let wanted = wanted.clamp(-1000, 1000);
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    let name = format!("{process}/oom_score_adj");
    let file = openat(proc, name, flags, Mode::empty())?;
    match rustix::io::write(&file, wanted.to_string().as_bytes()) {
        Ok(_) => Ok(true),
        Err(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// The `oom_score_adj` of another process.
pub fn score_of(pid: i32) -> io::Result<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/oom_score_adj"))?;
    text.trim()
        .parse()
        .map_err(|_| io::ErrorKind::InvalidData.into())
}
