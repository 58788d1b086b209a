//! A log cut into whole lines, each with what stands before it: several logs can then be printed
//! together without a line of one within a line of another.
#![deny(clippy::disallowed_methods)]

/// Lines of one log.
pub(super) struct Lines {
    prefix: Vec<u8>,
    begun: Vec<u8>,
}

impl Lines {
    /// Lines that begin with a prefix.
    pub(super) fn new(prefix: String) -> Self {
        Self {
            prefix: prefix.into_bytes(),
            begun: Vec::new(),
        }
    }

    /// The lines that end in these bytes; what is begun is kept.
    pub(super) fn of(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut whole = Vec::with_capacity(bytes.len());
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.begun.is_empty() {
                self.begun.extend_from_slice(&self.prefix);
            }
            self.begun.extend_from_slice(line);
            if line.ends_with(b"\n") {
                whole.append(&mut self.begun);
            }
        }
        whole
    }

    /// What is begun, when no more comes.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_comes_whole_and_with_its_prefix_wherever_the_pieces_end() {
        let mut lines = Lines::new("[a] ".to_owned());
        let pieces = ["one\ntw", "o\n", "", "\nthree"].map(|piece| lines.of(piece.as_bytes()));
        let expected: [&[u8]; 4] = [b"[a] one\n", b"[a] two\n", b"", b"[a] \n"];
        assert_eq!(pieces, expected);
        assert_eq!(lines.rest(), b"[a] three");
        assert_eq!(lines.rest(), b"");
    }
}
