//! The entry point: from the stack that the kernel hands over to `run`.

use core::arch::naked_asm;
use core::slice;

use crate::syscall;

/// Where the kernel enters: argc is on top of the stack, argv above it, no return address.
///
/// A zero frame pointer ends backtraces; the ABI wants a stack aligned to 16 bytes at a call.
#[cfg(target_arch = "x86_64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!(
        "xor ebp, ebp",
        "mov rdi, rsp",
        "and rsp, -16",
        "call {enter}",
        enter = sym enter,
    )
}

/// Where the kernel enters: argc is on top of the stack, argv above it, no return address.
///
/// A zero frame pointer and link register end backtraces.
#[cfg(target_arch = "aarch64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!(
        "mov x29, xzr",
        "mov x30, xzr",
        "mov x0, sp",
        "and sp, x0, #-16",
        "bl {enter}",
        enter = sym enter,
    )
}

/// # Safety
/// `stack` is the stack pointer that the kernel set at exec.
unsafe extern "C" fn enter(stack: *const *const u8) -> ! {
    // SAFETY: argv starts one word above argc and ends with a null pointer.
    let next = unsafe { stack.add(1) };
    syscall::exit(crate::run(Arguments { next }))
}

/// The arguments of the program, its name first.
pub(crate) struct Arguments {
    next: *const *const u8,
}

impl Iterator for Arguments {
    type Item = &'static [u8];

    fn next(&mut self) -> Option<&'static [u8]> {
        // SAFETY: `next` has not passed the null pointer that ends argv.
        let argument = unsafe { *self.next };
        if argument.is_null() {
            return None;
        }
        // SAFETY: as above, and this one was not the null pointer.
        self.next = unsafe { self.next.add(1) };
        // SAFETY: the kernel wrote a NUL-terminated string that stays for the process's life.
        Some(unsafe { bytes_of(argument) })
    }
}

/// # Safety
/// `string` is NUL-terminated and lives as long as the process.
unsafe fn bytes_of(string: *const u8) -> &'static [u8] {
    let mut length = 0;
    // SAFETY: no byte up to and including the NUL is outside the string.
    while unsafe { *string.add(length) } != 0 {
        length += 1;
    }
    // SAFETY: `length` bytes precede the NUL and nobody writes to them.
    unsafe { slice::from_raw_parts(string, length) }
}
