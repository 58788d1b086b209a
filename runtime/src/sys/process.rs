//! Processes: forking with clone3, pidfds, waiting.
//!
//! Forking copies all memory and only the calling thread. The monitor and podling-launch have one
//! thread, so their children may go on running any code; nothing else calls this.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

pub use rustix::process::Signal;
use rustix::process::{Pid, PidfdFlags, WaitOptions, WaitStatus, pidfd_open, pidfd_send_signal};

/// What a new process gets, besides a copy of its parent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clone3<'a> {
    /// `CLONE_NEW*` flags.
    pub namespaces: u64,
    /// Cgroup (v2) that it is born in.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// Whose child it becomes.
    pub parent: Parent,
}

/// Whose child a new process becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parent {
    /// The caller's.
    #[default]
    Caller,
    /// The caller's parent's.
    Grandparent,
}

/// Where a fork returns.
#[derive(Debug)]
pub enum Forked {
    /// In the new process.
    Child,
    /// In the caller.
    Parent(Child),
}

/// A child process that may not have been waited for.
#[derive(Debug)]
pub struct Child {
    /// Its pid.
    pub pid: i32,
    /// Its pidfd.
    pub pidfd: OwnedFd,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// Its pid.
    pub pid: i32,
    /// Its exit code; 128 + n when signal n killed it.
    pub code: i32,
}

/// `CLONE_INTO_CGROUP`; libc's constant of that name overflows its type.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// The kernel's `struct clone_args`.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Forks. Only for processes of one thread.
pub fn clone3(request: Clone3<'_>) -> io::Result<Forked> {
    let mut pidfd: RawFd = -1;
    let mut args = CloneArgs {
        flags: request.namespaces | libc::CLONE_PIDFD as u64,
        pidfd: &raw mut pidfd as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    if request.parent == Parent::Grandparent {
        args.flags |= libc::CLONE_PARENT as u64;
        args.exit_signal = 0;
    }
    if let Some(cgroup) = request.cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: `args` and `pidfd` outlive the call and have the layout and size that are passed; no
    // memory is shared with the child and no stack is given, so this returns twice like fork.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        pid => Ok(Forked::Parent(Child {
            pid: pid as i32,
            // SAFETY: the kernel has just made this descriptor for us (CLONE_PIDFD).
            pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) },
        })),
    }
}

/// A pidfd of a process that is known not to have been waited for.
pub fn open(pid: i32) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// Sends a signal; a process that has ended is not an error.
pub fn signal(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    let signal = Signal::from_named_raw(signal)
        .or_else(|| {
            let realtime = libc::SIGRTMIN()..=libc::SIGRTMAX();
            // SAFETY: the number is within the range that libc leaves to applications.
            realtime
                .contains(&signal)
                .then(|| unsafe { Signal::from_raw_unchecked(signal) })
        })
        .ok_or(io::ErrorKind::InvalidInput)?;
    match pidfd_send_signal(pidfd, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Kills a process; one that has ended is not an error.
pub fn kill(pidfd: BorrowedFd<'_>) -> io::Result<()> {
    signal(pidfd, libc::SIGKILL)
}

/// Signals the process group that `leader`, which has not been waited for, leads.
pub fn signal_group(leader: i32, signal: Signal) -> io::Result<()> {
    let leader = Pid::from_raw(leader).ok_or(io::ErrorKind::InvalidInput)?;
    match rustix::process::kill_process_group(leader, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Kills the process group that `leader`, which has not been waited for, leads.
pub fn kill_group(leader: i32) -> io::Result<()> {
    let leader = Pid::from_raw(leader).ok_or(io::ErrorKind::InvalidInput)?;
    match rustix::process::kill_process_group(leader, Signal::KILL) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// One ended child, if there is one.
pub fn reap() -> Option<Reaped> {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => return Some(reaped(pid, status)),
            Err(rustix::io::Errno::INTR) => {}
            Ok(None) | Err(_) => return None,
        }
    }
}

/// Waits until a child has ended, however it does.
pub fn wait_for(child: Child) {
    let pid = Pid::from_raw(child.pid);
    while let Err(rustix::io::Errno::INTR) = rustix::process::waitpid(pid, WaitOptions::empty()) {}
    drop(child);
}

/// Ends this process at once, without running any destructor.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` takes any number and does not return.
    unsafe { libc::_exit(code) }
}

fn reaped(pid: Pid, status: WaitStatus) -> Reaped {
    let code = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 255,
    };
    Reaped {
        pid: pid.as_raw_nonzero().get(),
        code,
    }
}
