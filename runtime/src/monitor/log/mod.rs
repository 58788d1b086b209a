//! Container logs in CRI format.
//!
//! ```text
//! pipe ──► Lines (pure: bytes → "TIME stream TAG content\n") ──► LogFile (one write per batch)
//! ```

mod file;
mod line;
mod stamp;

pub(super) use file::LogFile;
pub(super) use line::Lines;
pub(super) use stamp::stamp;
