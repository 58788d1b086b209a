//! The seccomp filter of pause: what its own program calls, and nothing else.
//!
//! A profile of the node would allow hundreds of calls to a program that makes eight. So the filter
//! is fixed, a few instructions that need no compiler, and pause is killed if it does anything else.
#![deny(clippy::disallowed_methods)]

/// Places of number and architecture in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

const ALLOW: u32 = 0x7fff_0000;
const KILL_PROCESS: u32 = 0x8000_0000;

/// AUDIT_ARCH_* of this machine.
const NATIVE: u32 = if cfg!(target_arch = "aarch64") {
    0xc000_00b7
} else {
    0xc000_003e
};

/// Executing pause, and then what pause/src/syscall.rs lists, with the return from a signal.
const CALLS: [libc::c_long; 10] = [
    libc::SYS_execveat,
    libc::SYS_write,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_getpid,
    libc::SYS_wait4,
    libc::SYS_ppoll,
    libc::SYS_exit_group,
];

/// The filter, as `struct sock_filter`s.
pub(super) fn filter() -> Vec<u8> {
    let mut program = vec![
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_IF_EQUAL, 1, 0, NATIVE),
        (RETURN, 0, 0, KILL_PROCESS),
        (LOAD, 0, 0, NUMBER),
    ];
    for call in CALLS {
        program.push((JUMP_IF_EQUAL, 0, 1, call as u32));
        program.push((RETURN, 0, 0, ALLOW));
    }
    program.push((RETURN, 0, 0, KILL_PROCESS));
    let bytes = |(code, jump_true, jump_false, operand): (u16, u8, u8, u32)| {
        let mut bytes = code.to_ne_bytes().to_vec();
        bytes.extend([jump_true, jump_false]);
        bytes.extend(operand.to_ne_bytes());
        bytes
    };
    program.into_iter().flat_map(bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_jump_stays_within_the_filter_and_the_last_word_is_no() {
        let filter = filter();
        let instructions: Vec<&[u8]> = filter.chunks_exact(8).collect();
        assert_eq!(instructions.len() * 8, filter.len());
        for (place, instruction) in instructions.iter().enumerate() {
            let farthest = instruction[2].max(instruction[3]);
            assert!(place + 1 + usize::from(farthest) <= instructions.len());
        }
        let last = instructions.last().expect("instructions");
        assert_eq!(last[4..], KILL_PROCESS.to_ne_bytes());
    }
}
