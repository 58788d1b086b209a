//! The system calls that pause makes, and nothing else of the kernel.

use core::arch::asm;

/// File descriptor of standard output.
pub(crate) const STDOUT: usize = 1;
/// File descriptor of standard error.
pub(crate) const STDERR: usize = 2;
/// Bytes of the kernel's signal set.
pub(crate) const SIGNAL_SET_SIZE: usize = size_of::<u64>();

const EINTR: usize = 4;

/// The error number of a failed call.
pub(crate) struct Errno(usize);

#[cfg(target_arch = "x86_64")]
mod number {
    pub(super) const WRITE: usize = 1;
    pub(super) const RT_SIGACTION: usize = 13;
    pub(super) const RT_SIGPROCMASK: usize = 14;
    pub(super) const GETPID: usize = 39;
    pub(super) const WAIT4: usize = 61;
    pub(super) const EXIT_GROUP: usize = 231;
    pub(super) const PPOLL: usize = 271;
}

#[cfg(target_arch = "aarch64")]
mod number {
    pub(super) const WRITE: usize = 64;
    pub(super) const PPOLL: usize = 73;
    pub(super) const EXIT_GROUP: usize = 94;
    pub(super) const RT_SIGACTION: usize = 134;
    pub(super) const RT_SIGPROCMASK: usize = 135;
    pub(super) const GETPID: usize = 172;
    pub(super) const WAIT4: usize = 260;
}

/// Writes once. What does not get through is lost: there is nobody to tell.
pub(crate) fn write(fd: usize, bytes: &[u8]) {
    // SAFETY: the kernel only reads `bytes`.
    let _ = unsafe { call(number::WRITE, [fd, bytes.as_ptr() as usize, bytes.len(), 0]) };
}

/// Ends the process.
pub(crate) fn exit(code: i32) -> ! {
    loop {
        // SAFETY: takes no pointers; does not return unless something denies the call.
        let _ = unsafe { call(number::EXIT_GROUP, [code as usize, 0, 0, 0]) };
    }
}

/// This process as its own PID namespace counts.
pub(crate) fn getpid() -> usize {
    // SAFETY: takes nothing and cannot fail.
    unsafe { call(number::GETPID, [0; 4]) }.unwrap_or_default()
}

/// Reaps one child, whichever: its pid, or 0 when none has ended.
pub(crate) fn wait_any(options: usize) -> Result<usize, Errno> {
    const ANY: usize = usize::MAX;
    // SAFETY: the status and usage pointers are null, so nothing is written.
    unsafe { call(number::WAIT4, [ANY, 0, options, 0]) }
}

/// Sleeps until a handler has run. An error means that sleeping itself is impossible.
pub(crate) fn wait_for_signal() -> Result<(), Errno> {
    // SAFETY: no descriptors, no timeout, no mask: the kernel reads and writes nothing.
    match unsafe { call(number::PPOLL, [0; 4]) } {
        Ok(_) | Err(Errno(EINTR)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// # Safety
/// `action` is the address of a `struct sigaction` whose handler may run at any time.
pub(crate) unsafe fn rt_sigaction(signal: usize, action: usize) -> Result<(), Errno> {
    // SAFETY: the caller vouches for `action`; the old action is not asked for.
    unsafe { call(number::RT_SIGACTION, [signal, action, 0, SIGNAL_SET_SIZE]) }.map(drop)
}

/// # Safety
/// `set` is the address of `size` readable bytes.
pub(crate) unsafe fn rt_sigprocmask(how: usize, set: usize, size: usize) -> Result<(), Errno> {
    // SAFETY: the caller vouches for `set`; the old set is not asked for.
    unsafe { call(number::RT_SIGPROCMASK, [how, set, 0, size]) }.map(drop)
}

/// Makes a system call of up to four arguments (the fifth is zero: ppoll ignores it then).
///
/// # Safety
/// The arguments are what the call of that number expects.
#[cfg(target_arch = "x86_64")]
unsafe fn call(number: usize, arguments: [usize; 4]) -> Result<usize, Errno> {
    let [first, second, third, fourth] = arguments;
    let result: isize;
    // SAFETY: the kernel clobbers rcx and r11 only; the caller vouches for the arguments.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") first,
            in("rsi") second,
            in("rdx") third,
            in("r10") fourth,
            in("r8") 0,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    decode(result)
}

/// Makes a system call of up to four arguments (the fifth is zero: ppoll ignores it then).
///
/// # Safety
/// The arguments are what the call of that number expects.
#[cfg(target_arch = "aarch64")]
unsafe fn call(number: usize, arguments: [usize; 4]) -> Result<usize, Errno> {
    let [first, second, third, fourth] = arguments;
    let result: isize;
    // SAFETY: the kernel preserves every register but x0; the caller vouches for the arguments.
    unsafe {
        asm!(
            "svc #0",
            in("x8") number,
            inlateout("x0") first as isize => result,
            in("x1") second,
            in("x2") third,
            in("x3") fourth,
            in("x4") 0,
            options(nostack),
        );
    }
    decode(result)
}

/// The kernel answers -4095 to -1 for an error.
fn decode(result: isize) -> Result<usize, Errno> {
    match result {
        -4095..=-1 => Err(Errno(result.unsigned_abs())),
        value => Ok(value as usize),
    }
}
