//! The smallest programs: a static ELF file of one segment, written by hand, so that exec costs what
//! exec costs and nothing of a C library.

/// What a program does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// Waits for signals for ever.
    Pause,
    /// Exits with 0.
    True,
}

const HEADER: usize = 64;
const SEGMENT: usize = 56;
const BASE: u64 = 0x40_0000;

#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;

impl Program {
    /// The bytes of the executable file.
    pub(super) fn elf(self) -> Vec<u8> {
        let code = self.code();
        let size = (HEADER + SEGMENT + code.len()) as u64;
        let mut file = Vec::new();
        // 64 bit, little endian, version 1, System V.
        file.extend([0x7f, b'E', b'L', b'F', 2, 1, 1, 0]);
        file.extend([0; 8]);
        let halves = |file: &mut Vec<u8>, values: &[u16]| {
            values
                .iter()
                .for_each(|value| file.extend(value.to_le_bytes()));
        };
        let words = |file: &mut Vec<u8>, values: &[u32]| {
            values
                .iter()
                .for_each(|value| file.extend(value.to_le_bytes()));
        };
        let longs = |file: &mut Vec<u8>, values: &[u64]| {
            values
                .iter()
                .for_each(|value| file.extend(value.to_le_bytes()));
        };
        // Executable, machine; version; entry, program headers, no section headers; flags; sizes.
        halves(&mut file, &[2, MACHINE]);
        words(&mut file, &[1]);
        longs(
            &mut file,
            &[BASE + (HEADER + SEGMENT) as u64, HEADER as u64, 0],
        );
        words(&mut file, &[0]);
        halves(&mut file, &[HEADER as u16, SEGMENT as u16, 1, 0, 0, 0]);
        // Load, read and execute; offset, addresses, sizes, alignment.
        words(&mut file, &[1, 5]);
        longs(&mut file, &[0, BASE, BASE, size, size, 0x1_0000]);
        file.extend(code);
        file
    }

    #[cfg(target_arch = "x86_64")]
    fn code(self) -> &'static [u8] {
        match self {
            // mov eax, SYS_pause; syscall; jmp to the start
            Program::Pause => &[0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7],
            // mov eax, SYS_exit; xor edi, edi; syscall
            Program::True => &[0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05],
        }
    }

    #[cfg(target_arch = "aarch64")]
    fn code(self) -> &'static [u8] {
        match self {
            // mov x0..x4, 0; mov x8, SYS_ppoll; svc 0; b to the start
            Program::Pause => &[
                0x00, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x80, 0xd2, 0x02, 0x00, 0x80, 0xd2, 0x03, 0x00,
                0x80, 0xd2, 0x04, 0x00, 0x80, 0xd2, 0x28, 0x09, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4,
                0xf9, 0xff, 0xff, 0x17,
            ],
            // mov x0, 0; mov x8, SYS_exit; svc 0
            Program::True => &[
                0x00, 0x00, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4,
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn the_smallest_program_runs_and_succeeds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("true");
        fs::write(&path, Program::True.elf()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        // Another test's fork may hold the file open for writing for a moment (ETXTBSY).
        let status = loop {
            match Command::new(&path).status() {
                Err(error) if error.raw_os_error() == Some(libc::ETXTBSY) => {}
                other => break other.unwrap(),
            }
        };
        assert!(status.success());
    }
}
