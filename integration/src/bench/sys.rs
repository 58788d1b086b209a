//! Processes by clone3 and execve: the unsafe part of the floor.

use std::convert::Infallible;
use std::ffi::CStr;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use rustix::process::{
    Signal, WaitId, WaitIdOptions, pidfd_send_signal, set_parent_process_death_signal, waitid,
};
use rustix::thread::UnshareFlags;

/// New namespaces for a child: `CLONE_NEW*`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Namespaces(pub libc::c_int);

/// A child process, known by its pidfd; killed when it is dropped, and when its parent dies.
#[derive(Debug)]
pub struct Child(OwnedFd);

impl Child {
    /// Starts a child that does `work` and becomes another program; returns once it has.
    ///
    /// The calling process must have one thread: the child is a copy of it and takes no locks that
    /// others might hold.
    pub fn start(
        namespaces: Namespaces,
        work: impl FnOnce() -> io::Result<Infallible>,
    ) -> io::Result<Self> {
        let (answer, ask) = io::pipe()?;
        match clone(namespaces)? {
            Cloned::Child => {
                let Err(error) = die_with_parent().and_then(|()| work());
                let errno = error.raw_os_error().unwrap_or(libc::EIO);
                let _ = (&ask).write_all(&errno.to_ne_bytes());
                exit(127)
            }
            Cloned::Parent(child) => {
                drop(ask);
                executed(answer).map(|()| child)
            }
        }
    }

    /// Its pidfd.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Kills it and waits until it is gone.
    pub fn kill(&self) -> io::Result<()> {
        pidfd_send_signal(&self.0, Signal::KILL)?;
        self.wait().map(drop)
    }

    /// Waits until it ends; `None` is a death by signal.
    pub fn wait(&self) -> io::Result<Option<i32>> {
        let status = waitid(WaitId::PidFd(self.0.as_fd()), WaitIdOptions::EXITED)?;
        Ok(status.and_then(|status| status.exit_status()))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // One that has been waited for cannot be signalled any more.
        if pidfd_send_signal(&self.0, Signal::KILL).is_ok() {
            let _ = self.wait();
        }
    }
}

/// Becomes the static program at `path`, without arguments and environment; returns only to say why
/// not.
pub fn execute(path: &CStr) -> io::Error {
    let arguments = [path.as_ptr(), ptr::null()];
    let environment = [ptr::null()];
    // SAFETY: the path ends in NUL and both arrays in a null pointer; all outlive the call.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Ends the process without running anything of its parent's.
pub fn exit(code: i32) -> ! {
    // SAFETY: ends the calling process; nothing of it is used afterwards.
    unsafe { libc::_exit(code) }
}

fn die_with_parent() -> io::Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

enum Cloned {
    Child,
    Parent(Child),
}

fn clone(namespaces: Namespaces) -> io::Result<Cloned> {
    let mut pidfd: libc::c_int = -1;
    // SAFETY: clone_args is a struct of integers, for which zero means absent.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = (libc::CLONE_PIDFD | namespaces.0) as u64;
    arguments.pidfd = ptr::from_mut(&mut pidfd) as u64;
    arguments.exit_signal = libc::SIGCHLD as u64;
    let size = size_of::<libc::clone_args>();
    // SAFETY: without CLONE_VM the child has its own copy of all memory, as after fork, and the
    // kernel writes only to `pidfd`, which lives until the call returns.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, ptr::from_mut(&mut arguments), size) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Cloned::Child),
        // SAFETY: the kernel has just made this descriptor for us, and nobody else owns it.
        _ => Ok(Cloned::Parent(Child(unsafe {
            OwnedFd::from_raw_fd(pidfd)
        }))),
    }
}

/// The pipe closes when the child executes its program; before, it carries an error number.
fn executed(mut answer: PipeReader) -> io::Result<()> {
    let mut errno = [0; 4];
    match answer.read(&mut errno)? {
        0 => Ok(()),
        _ => Err(io::Error::from_raw_os_error(i32::from_ne_bytes(errno))),
    }
}

/// Moves the calling process into new mount and network namespaces.
pub fn leave_namespaces() -> io::Result<()> {
    // SAFETY: neither namespace has to do with memory or with open descriptors.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::NEWNET) }?;
    Ok(())
}
