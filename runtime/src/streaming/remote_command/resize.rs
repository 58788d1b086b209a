//! Sizes of a terminal as clients tell them: one JSON object after the other.
#![deny(clippy::disallowed_methods)]

use serde::Deserialize;

use crate::streaming::sessions::TerminalSize;

/// The longest text that may be waiting for its end.
const LIMIT: usize = 4 << 10;

/// A text that is not a size.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Finds sizes in what is read.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    begun: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wire {
    #[serde(default)]
    width: u16,
    #[serde(default)]
    height: u16,
}

impl Sizes {
    /// The sizes that `bytes` complete.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Vec<TerminalSize>, Malformed> {
        self.begun.extend_from_slice(bytes);
        let mut sizes = Vec::new();
        let mut wires = serde_json::Deserializer::from_slice(&self.begun).into_iter::<Wire>();
        for wire in wires.by_ref() {
            match wire {
                Ok(Wire { width, height }) => sizes.push(TerminalSize { width, height }),
                Err(error) if error.is_eof() => break,
                Err(_) => return Err(Malformed),
            }
        }
        let consumed = wires.byte_offset();
        self.begun.drain(..consumed);
        match self.begun.len() {
            ..=LIMIT => Ok(sizes),
            _ => Err(Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(width: u16, height: u16) -> TerminalSize {
        TerminalSize { width, height }
    }

    #[test]
    fn sizes_come_in_pieces_and_several_at_once() {
        let mut sizes = Sizes::default();
        assert_eq!(sizes.read(b"{\"Width\":80,\"Hei"), Ok(vec![]));
        let rest = b"ght\":24}\n{\"Width\":132,\"Height\":50}{\"Width\":1";
        assert_eq!(sizes.read(rest), Ok(vec![size(80, 24), size(132, 50)]));
        assert_eq!(sizes.read(b",\"Height\":2}\n"), Ok(vec![size(1, 2)]));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        let huge = vec![b' '; LIMIT * 2];
        let endless = [b"{\"Width\":1,\"x\":\"", &huge[..]].concat();
        for text in [
            &b"nonsense"[..],
            b"{\"Width\":-1}",
            b"{\"Width\":70000}",
            &endless,
        ] {
            assert_eq!(Sizes::default().read(text), Err(Malformed), "{text:?}");
        }
    }
}
