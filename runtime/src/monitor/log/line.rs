//! From a byte stream to CRI log lines.
#![deny(clippy::disallowed_methods)]

use crate::monitor::protocol::Stream;

/// Longest content of one log line; what is longer is split, as containerd and CRI-O do.
pub(in crate::monitor) const LONGEST: usize = 16 * 1024;

/// The lines of one stream.
#[derive(Debug)]
pub(in crate::monitor) struct Lines {
    stream: &'static str,
    /// The beginning of a line whose end has not come yet; at most `LONGEST` bytes.
    pending: Vec<u8>,
}

impl Lines {
    /// No lines yet.
    pub(in crate::monitor) fn new(stream: Stream) -> Self {
        let stream = match stream {
            Stream::Stderr => "stderr",
            Stream::Stdin | Stream::Stdout => "stdout",
        };
        Self {
            stream,
            pending: Vec::new(),
        }
    }

    /// Appends the log lines that `chunk` completes to `out`.
    pub(in crate::monitor) fn push(&mut self, mut chunk: &[u8], stamp: &str, out: &mut Vec<u8>) {
        while !chunk.is_empty() {
            let room = LONGEST - self.pending.len();
            match chunk.iter().take(room + 1).position(|byte| *byte == b'\n') {
                Some(end) => {
                    self.emit("F", &chunk[..end], stamp, out);
                    chunk = &chunk[end + 1..];
                }
                // One byte more than fits, and none of them ends the line.
                None if chunk.len() > room => {
                    self.emit("P", &chunk[..room], stamp, out);
                    chunk = &chunk[room..];
                }
                None => {
                    self.pending.extend_from_slice(chunk);
                    return;
                }
            }
        }
    }

    /// Appends what is left at the end of the stream: a line that was never ended is partial.
    pub(in crate::monitor) fn finish(&mut self, stamp: &str, out: &mut Vec<u8>) {
        if !self.pending.is_empty() {
            self.emit("P", b"", stamp, out);
        }
    }

    fn emit(&mut self, tag: &str, rest: &[u8], stamp: &str, out: &mut Vec<u8>) {
        for part in [stamp, " ", self.stream, " ", tag, " "] {
            out.extend_from_slice(part.as_bytes());
        }
        out.extend_from_slice(&self.pending);
        out.extend_from_slice(rest);
        out.push(b'\n');
        // Most lines are short: a buffer that one long line made is not kept.
        self.pending = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(chunks: &[&[u8]]) -> String {
        let (mut lines, mut out) = (Lines::new(Stream::Stdout), Vec::new());
        for chunk in chunks {
            lines.push(chunk, "T", &mut out);
        }
        lines.finish("T", &mut out);
        String::from_utf8(out).expect("UTF-8 from UTF-8")
    }

    #[test]
    fn every_line_is_stamped_and_an_unended_one_is_partial() {
        assert_eq!(
            lines(&[b"a\n\nb", b"c\nd"]),
            "T stdout F a\nT stdout F \nT stdout F bc\nT stdout P d\n"
        );
        assert_eq!(lines(&[b"a\n"]), "T stdout F a\n");
        assert_eq!(lines(&[b""]), "");
    }

    #[test]
    fn a_line_is_split_only_when_it_is_longer_than_the_longest() {
        let exact = "x".repeat(LONGEST);
        assert_eq!(
            lines(&[exact.as_bytes(), b"\n"]),
            format!("T stdout F {exact}\n")
        );
        assert_eq!(
            lines(&[exact.as_bytes(), b"y\n"]),
            format!("T stdout P {exact}\nT stdout F y\n")
        );
        let double = "x".repeat(2 * LONGEST) + "\n";
        assert_eq!(
            lines(&[double.as_bytes()]),
            format!("T stdout P {exact}\nT stdout F {exact}\n")
        );
    }

    proptest! {
        #[test]
        fn how_the_stream_is_cut_does_not_matter(
            text in "[a\n]{0,200}", cuts in prop::collection::vec(0usize..200, 0..8)
        ) {
            let mut chunks = vec![text.as_bytes()];
            for cut in cuts {
                let last = chunks.pop().expect("never empty");
                let (head, tail) = last.split_at(cut.min(last.len()));
                chunks.extend([head, tail]);
            }
            prop_assert_eq!(lines(&chunks), lines(&[text.as_bytes()]));
        }
    }
}
