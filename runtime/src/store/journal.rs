//! A file of JSON lines of which the last whole one counts.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Appends `value` as one line with one write.
///
/// The line begins with a newline too, so that it stands alone even after a torn one.
pub(super) fn append<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let mut line = vec![b'\n'];
    serde_json::to_writer(&mut line, value)?;
    line.push(b'\n');
    open(path)?.write_all(&line)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

/// The value of the last whole line; `None` when there is none, or no file.
pub(super) fn last<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let mut lines = bytes.split(|byte| *byte == b'\n').rev();
    Ok(lines.find_map(|line| serde_json::from_slice(line).ok()))
}
