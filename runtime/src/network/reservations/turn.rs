//! Whose turn it was: the address of a family that was given last, in a file of its own.
//!
//! The file is overwritten in place, padded to the longest address of its family. One that was cut
//! short, or says nothing, begins anew.

use std::fs::{File, OpenOptions};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// The longest address of each family: 255.255.255.255, and eight groups of four digits.
const WIDTHS: [usize; 2] = [15, 39];

/// One family's.
#[derive(Debug)]
pub(super) struct Turn {
    file: File,
    last: Option<IpAddr>,
}

impl Turn {
    /// Reads the file, making it if it is missing.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = open_file(path)?;
        let last = WIDTHS.iter().rev().find_map(|width| read(&file, *width));
        Ok(Self { file, last })
    }

    /// The address that was given last.
    pub(super) fn last(&self) -> Option<IpAddr> {
        self.last
    }

    /// Notes that `address` is given.
    pub(super) fn take(&mut self, address: IpAddr) -> io::Result<()> {
        let width = WIDTHS[usize::from(address.is_ipv6())];
        let text = address.to_string();
        self.file
            .write_all_at(format!("{text:<width$}\n").as_bytes(), 0)?;
        self.last = Some(address);
        Ok(())
    }
}

fn read(file: &File, width: usize) -> Option<IpAddr> {
    let mut line = vec![0; width];
    file.read_exact_at(&mut line, 0).ok()?;
    std::str::from_utf8(&line).ok()?.trim_end().parse().ok()
}

/// A file of the network's own, made if it is missing.
pub(super) fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600);
    options.open(path)
}
