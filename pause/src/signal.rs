//! Signals: which ones mean something to pause, and what it does when they come.

use core::arch::naked_asm;
use core::ptr;

use crate::syscall::{self, Errno, SIGNAL_SET_SIZE, STDERR};

/// A signal that pause handles; the value is the kernel's number.
#[derive(Clone, Copy)]
pub(crate) enum Signal {
    Interrupt = 2,
    Terminate = 15,
    Child = 17,
}

const SA_NOCLDSTOP: usize = 0x1;
const SA_RESTORER: usize = 0x0400_0000;
const SA_RESTART: usize = 0x1000_0000;

const SIG_SETMASK: usize = 2;
const WNOHANG: usize = 1;

/// `struct sigaction` as the kernel reads it (libc's differs).
#[repr(C)]
struct Action {
    handler: extern "C" fn(i32),
    flags: usize,
    restorer: unsafe extern "C" fn(),
    mask: u64,
}

/// Where a handler returns to: ends the signal frame. The kernel has no default for it on x86_64.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn sigreturn() {
    naked_asm!("mov eax, 15", "syscall")
}

/// Where a handler returns to: ends the signal frame.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
unsafe extern "C" fn sigreturn() {
    naked_asm!("mov x8, #139", "svc #0")
}

/// Installs the handler of `signal`; while it runs every other signal waits.
pub(crate) fn handle(signal: Signal) -> Result<(), Errno> {
    let action = Action {
        handler: match signal {
            Signal::Interrupt => on_interrupt,
            Signal::Terminate => on_terminate,
            Signal::Child => on_child,
        },
        flags: SA_RESTORER | SA_RESTART | SA_NOCLDSTOP,
        restorer: sigreturn,
        mask: u64::MAX,
    };
    let number = signal as usize;
    // SAFETY: `action` has the kernel's layout and the handlers touch no memory of their own.
    unsafe {
        syscall::rt_sigaction(number, ptr::from_ref(&action) as usize)?;
    }
    Ok(())
}

/// Lets every signal in: a parent that blocked some has passed its mask on through exec.
pub(crate) fn unblock_all() {
    let none: u64 = 0;
    // SAFETY: the kernel reads SIGNAL_SET_SIZE bytes of `none` and writes nothing.
    // A failure leaves the mask as it was; nothing better can be done about it here.
    let _ = unsafe {
        syscall::rt_sigprocmask(SIG_SETMASK, ptr::from_ref(&none) as usize, SIGNAL_SET_SIZE)
    };
}

/// Waits for every child that has ended; one SIGCHLD may stand for many of them.
pub(crate) fn reap() {
    while matches!(syscall::wait_any(WNOHANG), Ok(pid) if pid > 0) {}
}

extern "C" fn on_interrupt(_: i32) {
    shut_down(b"Shutting down, got signal: Interrupt\n")
}

extern "C" fn on_terminate(_: i32) {
    shut_down(b"Shutting down, got signal: Terminated\n")
}

extern "C" fn on_child(_: i32) {
    reap();
}

fn shut_down(message: &[u8]) -> ! {
    syscall::write(STDERR, message);
    syscall::exit(0)
}
