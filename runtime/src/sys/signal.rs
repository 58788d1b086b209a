//! Signals: read from a descriptor by the monitor, at their defaults in what it starts.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

/// Blocks `signals` and returns a non-blocking descriptor that becomes readable when one comes.
pub fn descriptor(signals: &[i32]) -> io::Result<OwnedFd> {
    let mut set = empty_set();
    for signal in signals {
        // SAFETY: `set` is initialised.
        if unsafe { libc::sigaddset(&raw mut set, *signal) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    set_mask(&set)?;
    // SAFETY: `set` is initialised; -1 asks for a new descriptor.
    let fd = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The signals that wait behind a descriptor made by `descriptor`.
pub fn read(fd: BorrowedFd<'_>) -> Vec<i32> {
    const SIZE: usize = size_of::<libc::signalfd_siginfo>();
    let mut signals = Vec::new();
    let mut info = [0; SIZE];
    while let Ok(SIZE) = rustix::io::read(fd, &mut info) {
        // `ssi_signo`, the first field.
        let number = [info[0], info[1], info[2], info[3]];
        signals.push(i32::from_ne_bytes(number));
    }
    signals
}

/// Unblocks every signal and puts every handler back to its default.
pub fn reset() -> io::Result<()> {
    // `struct sigaction` as the kernel has it, at most four words; all zero is SIG_DFL.
    let default = [0u64; 4];
    for signal in 1..=libc::SIGRTMAX() {
        // Past libc, which keeps two signals to itself: they too may have come ignored.
        // SAFETY: the kernel reads at most `default`, and is not asked for the old action; signals
        // that cannot be set answer EINVAL.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                ptr::null_mut::<u64>(),
                size_of::<u64>(),
            )
        };
    }
    set_mask(&empty_set())
}

fn set_mask(set: &libc::sigset_t) -> io::Result<()> {
    // SAFETY: `set` is initialised, and the old mask is not asked for.
    match unsafe { libc::sigprocmask(libc::SIG_SETMASK, set, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn empty_set() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the whole set.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        set.assume_init()
    }
}
