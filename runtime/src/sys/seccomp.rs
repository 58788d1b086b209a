//! Loading a compiled seccomp filter.

use std::io;

/// Bytes of one BPF instruction.
const INSTRUCTION: usize = 8;

/// Loads `filter` (an array of `struct sock_filter`) into this process, for good.
///
/// Needs no_new_privs or CAP_SYS_ADMIN.
pub fn load(filter: &[u8]) -> io::Result<()> {
    let count = u16::try_from(filter.len() / INSTRUCTION).unwrap_or(0);
    if count == 0 || !filter.len().is_multiple_of(INSTRUCTION) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "not a compiled seccomp filter",
        ));
    }
    let instructions: Vec<libc::sock_filter> =
        filter.chunks_exact(INSTRUCTION).map(instruction).collect();
    let program = libc::sock_fprog {
        len: count,
        filter: instructions.as_ptr().cast_mut(),
    };
    // SAFETY: `program` points to `count` instructions, which the kernel only reads and checks.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const program,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn instruction(bytes: &[u8]) -> libc::sock_filter {
    libc::sock_filter {
        code: u16::from_ne_bytes([bytes[0], bytes[1]]),
        jt: bytes[2],
        jf: bytes[3],
        k: u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_whole_instructions_is_refused() {
        for bytes in [&[][..], &[0; 7], &[0; 12]] {
            assert_eq!(load(bytes).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }
}
