//! What part of a log is asked for: pure.

#![deny(clippy::disallowed_methods)]

use jiff::Timestamp;

use super::line::{Line, Stream};

/// What part of a log is asked for, and in which form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogOptions {
    /// Waits for what is still to come.
    pub follow: bool,
    /// Puts the time before each line.
    pub timestamps: bool,
    /// Begins so many lines before the end.
    pub tail_lines: Option<u64>,
    /// Leaves out what was said earlier.
    pub since: Option<Timestamp>,
    /// Ends after so many bytes.
    pub limit_bytes: Option<u64>,
    /// Leaves out the other stream.
    pub stream: StreamChoice,
}

/// Which streams are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum StreamChoice {
    /// Both.
    #[default]
    All,
    /// One.
    Only(Stream),
}

impl LogOptions {
    /// Adds the line to `out` if it is asked for.
    pub(crate) fn push(&self, line: &[u8], out: &mut Vec<u8>) {
        let Some(line) = super::line::parse(line) else {
            return;
        };
        if !self.wants(&line) {
            return;
        }
        if self.timestamps {
            out.extend_from_slice(line.time.as_bytes());
            out.push(b' ');
        }
        out.extend_from_slice(line.content);
        if line.is_whole {
            out.push(b'\n');
        }
    }

    fn wants(&self, line: &Line<'_>) -> bool {
        let stream = match self.stream {
            StreamChoice::All => true,
            StreamChoice::Only(stream) => line.stream == stream,
        };
        // A time that cannot be read leaves nothing out.
        let is_late = self.since.is_none_or(|since| {
            line.time
                .parse()
                .map_or(true, |time: Timestamp| time >= since)
        });
        stream && is_late
    }
}
