//! The last words of a container: its termination message, or the end of its log.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::logs::line::parse;

/// No more of the file is read.
const LONGEST_MESSAGE: u64 = 4096;
/// No more of the log is taken.
const LONGEST_LOG_END: usize = 2048;
/// No more lines of the log are taken.
const MOST_LINES: usize = 80;

/// What the container wrote to its termination message file; empty when it wrote nothing.
pub(super) fn message(file: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    match File::open(file) {
        Ok(open) => open.take(LONGEST_MESSAGE).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The end of the container's log.
pub(super) fn log_end(file: &Path) -> io::Result<String> {
    let mut open = match File::open(file) {
        Ok(open) => open,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(error),
    };
    // Time, stream and tag of each line come on top of what it says.
    let wanted = (LONGEST_LOG_END + MOST_LINES * 64) as u64;
    let length = open.metadata()?.len();
    open.seek(SeekFrom::Start(length.saturating_sub(wanted)))?;
    let mut bytes = Vec::new();
    open.take(wanted).read_to_end(&mut bytes)?;
    Ok(end_of(&bytes))
}

fn end_of(log: &[u8]) -> String {
    let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
    let mut said = Vec::new();
    for entry in lines[lines.len().saturating_sub(MOST_LINES)..]
        .iter()
        .filter_map(|line| parse(line))
    {
        said.extend_from_slice(entry.content);
        if entry.is_whole {
            said.push(b'\n');
        }
    }
    let start = said.len().saturating_sub(LONGEST_LOG_END);
    String::from_utf8_lossy(&said[start..]).into_owned()
}
