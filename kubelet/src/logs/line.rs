//! One line of a CRI log: `2026-01-31T12:00:00.000000001Z stdout F what was said`. Pure.

#![deny(clippy::disallowed_methods)]

/// Which stream a line was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// When it was written, as the runtime wrote it.
    pub time: &'a str,
    /// Where it was written to.
    pub stream: Stream,
    /// Whether the container's line ends here; else the next line goes on.
    pub is_whole: bool,
    /// What was said, without the line's end.
    pub content: &'a [u8],
}

/// Takes a line apart; `None` for one that no runtime wrote.
pub(crate) fn parse(line: &[u8]) -> Option<Line<'_>> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let time = std::str::from_utf8(parts.next()?)
        .ok()
        .filter(|time| !time.is_empty())?;
    let stream = match parts.next()? {
        b"stdout" => Stream::Stdout,
        b"stderr" => Stream::Stderr,
        _ => return None,
    };
    // Tags are separated by colons; the first one tells whether the line is whole.
    let is_whole = match parts.next()?.split(|byte| *byte == b':').next()? {
        b"F" => true,
        b"P" => false,
        _ => return None,
    };
    Some(Line {
        time,
        stream,
        is_whole,
        content: parts.next().unwrap_or_default(),
    })
}
