//! What a program needs to start: the loader and the libraries that its ELF headers name.

use std::ops::Range;

const MAGIC: &[u8] = b"\x7fELF\x02\x01";

const PT_LOAD: u64 = 1;
const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;

const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;

/// The loader and libraries of a program or library.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Path of the loader; libraries and static programs have none.
    pub loader: Option<String>,
    /// Names of the libraries.
    pub libraries: Vec<String>,
}

/// Reads a 64-bit little-endian ELF file; `None` when it is something else or broken.
pub fn needs(file: &[u8]) -> Option<Needs> {
    if !file.starts_with(MAGIC) {
        return None;
    }
    let segments = segments(file)?;
    let loader = match segments.iter().find(|segment| segment.kind == PT_INTERP) {
        Some(segment) => Some(text(file, segment.file.start)?),
        None => None,
    };
    let libraries = match segments.iter().find(|segment| segment.kind == PT_DYNAMIC) {
        Some(segment) => libraries(file, &segments, file.get(segment.file.clone())?)?,
        None => Vec::new(),
    };
    Some(Needs { loader, libraries })
}

struct Segment {
    kind: u64,
    file: Range<usize>,
    address: u64,
}

fn segments(file: &[u8]) -> Option<Vec<Segment>> {
    let table = number(file, 0x20, 8)? as usize;
    let size = number(file, 0x36, 2)? as usize;
    let count = number(file, 0x38, 2)? as usize;
    let segment = |index: usize| {
        let header = file.get(table.checked_add(index * size)?..)?;
        let start = number(header, 0x08, 8)? as usize;
        let length = number(header, 0x20, 8)? as usize;
        Some(Segment {
            kind: number(header, 0, 4)?,
            file: start..start.checked_add(length)?,
            address: number(header, 0x10, 8)?,
        })
    };
    (0..count).map(segment).collect()
}

fn libraries(file: &[u8], segments: &[Segment], dynamic: &[u8]) -> Option<Vec<String>> {
    let (mut names, mut strings) = (Vec::new(), None);
    for at in (0..dynamic.len()).step_by(16) {
        let value = number(dynamic, at + 8, 8)?;
        match number(dynamic, at, 8)? {
            DT_NULL => break,
            DT_NEEDED => names.push(value as usize),
            DT_STRTAB => strings = Some(offset_of(segments, value)?),
            _ => {}
        }
    }
    names
        .into_iter()
        .map(|name| text(file, strings?.checked_add(name)?))
        .collect()
}

/// Where in the file the byte at a virtual address is.
fn offset_of(segments: &[Segment], address: u64) -> Option<usize> {
    segments
        .iter()
        .filter(|segment| segment.kind == PT_LOAD)
        .find_map(|segment| {
            let inside = address.checked_sub(segment.address)? as usize;
            (inside < segment.file.len()).then(|| segment.file.start + inside)
        })
}

fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(size)?)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)),
    )
}

/// The NUL-terminated string at an offset.
fn text(file: &[u8], at: usize) -> Option<String> {
    let bytes = file.get(at..)?;
    let end = bytes.iter().position(|byte| *byte == 0)?;
    String::from_utf8(bytes[..end].to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_names_its_loader_and_libraries() {
        let program = std::fs::read("/usr/bin/dpkg-deb").unwrap();
        let needs = needs(&program).unwrap();
        assert!(needs.loader.unwrap().contains("ld-linux"));
        assert!(needs.libraries.contains(&"libc.so.6".to_owned()));
    }

    #[test]
    fn this_static_test_needs_nothing() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(needs(&program), Some(Needs::default()));
    }

    #[test]
    fn broken_files_are_refused() {
        let program = std::fs::read("/usr/bin/dpkg-deb").unwrap();
        assert_eq!(needs(&program[..100]), None);
        assert_eq!(needs(b"#!/bin/sh\n"), None);
        assert_eq!(needs(&[MAGIC, &[0xff; 64]].concat()), None);
    }
}
