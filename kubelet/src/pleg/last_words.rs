//! The last words of a container: its termination message, or the end of its log.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::logs::line::parse;

/// No more of the end of the file is taken.
const LONGEST_MESSAGE: u64 = 4096;
/// No more of the log is taken.
const LONGEST_LOG_END: usize = 2048;
/// No more lines of the log are taken.
const MOST_LINES: usize = 80;

/// The end of what the container wrote to its termination message file; empty when it wrote nothing.
pub(super) fn message(file: &Path) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&tail(file, LONGEST_MESSAGE)?).into_owned())
}

/// The end of the container's log.
pub(super) fn log_end(file: &Path) -> io::Result<String> {
    // Time, stream and tag of each line come on top of what it says.
    let wanted = LONGEST_LOG_END + MOST_LINES * 64;
    Ok(end_of(&tail(file, wanted as u64)?))
}

/// The last bytes of a file; none of one that is not there.
fn tail(file: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut open = match File::open(file) {
        Ok(open) => open,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let length = open.metadata()?.len();
    open.seek(SeekFrom::Start(length.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    open.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
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

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    fn written(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, text).unwrap();
        (folder, file)
    }

    fn log(lines: impl Iterator<Item = String>) -> String {
        let mut log = String::new();
        for line in lines {
            writeln!(log, "2026-01-01T00:00:00.000000000Z stdout F {line}").unwrap();
        }
        log
    }

    #[test]
    fn the_end_of_a_message_that_is_too_long_is_taken() {
        let (_folder, file) = written(&format!("{}end", "x".repeat(5000)));
        let said = message(&file).unwrap();
        assert_eq!(said.len(), 4096);
        assert!(said.ends_with("xend"), "{said}");
        assert_eq!(message(&file.with_extension("none")).unwrap(), "");
    }

    #[test]
    fn of_a_log_the_last_eighty_lines_and_of_them_two_kibibytes_are_taken() {
        let short = log((0..100).map(|number| format!("line {number}")));
        let (_folder, file) = written(&short);
        let said = log_end(&file).unwrap();
        assert_eq!(said.lines().count(), 80);
        assert!(said.starts_with("line 20\n") && said.ends_with("line 99\n"));

        let long = log((0..100).map(|number| format!("{number:0>100}")));
        let (_folder, file) = written(&long);
        let said = log_end(&file).unwrap();
        assert_eq!(said.len(), 2048);
        assert!(said.ends_with("99\n"), "{said}");
        assert_eq!(log_end(&file.with_extension("none")).unwrap(), "");
    }

    #[test]
    fn parts_of_a_long_line_are_one_line() {
        let text = "2026-01-01T00:00:00Z stderr P half \n2026-01-01T00:00:00Z stderr F a line\n";
        let (_folder, file) = written(text);
        assert_eq!(log_end(&file).unwrap(), "half a line\n");
    }
}
