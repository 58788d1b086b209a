//! Writing to stdout, whose reader may have gone away.

use std::io::{self, Write};
use std::process::ExitCode;

use super::Outcome;

/// Prints text and succeeds.
pub(super) fn print(text: &str) -> Outcome {
    write(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Writes bytes through to stdout. A closed pipe ends the command quietly, as `yes | head` ends.
pub(super) fn write(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => result,
    }
}
