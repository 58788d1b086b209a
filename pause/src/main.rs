//! PID 1 of a pod: holds the pod's namespaces open and reaps what nobody else waits for.
//!
//! Everything that happens after start happens inside a signal handler, so no signal can fall
//! between a look and a sleep:
//!
//! ```text
//! start ── install handlers ── reap once ── wait ──┐
//!                                            ▲     │ any signal
//!                                            └─────┘
//!   SIGINT, SIGTERM   say so on stderr, exit 0
//!   SIGCHLD           wait4 until no child is left to reap
//! ```
//!
//! There is no libc and no std: `start` is the entry point, `syscall` the way into the kernel.

#![no_std]
#![no_main]
// No libc: the optimiser must not turn a loop into a call of strlen or memcpy.
#![no_builtins]

mod signal;
mod start;
mod syscall;

use core::panic::PanicInfo;

use signal::Signal;
use start::Arguments;
use syscall::{STDERR, STDOUT};

const VERSION: &[u8] = concat!("pause ", env!("CARGO_PKG_VERSION"), "\n").as_bytes();
const NOT_INIT: &[u8] = b"Warning: pause should be the first process of its PID namespace\n";

/// Exit code when waiting for signals is impossible.
const WAIT_ENDED: i32 = 42;

/// The whole program; its result is the exit code.
fn run(arguments: Arguments) -> i32 {
    if arguments.skip(1).any(asks_for_version) {
        syscall::write(STDOUT, VERSION);
        return 0;
    }
    if syscall::getpid() != 1 {
        syscall::write(STDERR, NOT_INIT);
    }
    match hold() {
        Ok(never) => match never {},
        Err(code) => code,
    }
}

/// Installs the handlers and waits for as long as the kernel lets us.
fn hold() -> Result<core::convert::Infallible, i32> {
    for (signal, failure) in [
        (Signal::Interrupt, 1),
        (Signal::Terminate, 2),
        (Signal::Child, 3),
    ] {
        signal::handle(signal).map_err(|_| failure)?;
    }
    signal::unblock_all();
    // Children may have been inherited through exec, dead already.
    signal::reap();
    loop {
        syscall::wait_for_signal().map_err(|_| WAIT_ENDED)?;
    }
}

fn asks_for_version(argument: &[u8]) -> bool {
    argument.eq_ignore_ascii_case(b"-v")
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    syscall::exit(WAIT_ENDED)
}
