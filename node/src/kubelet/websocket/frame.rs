//! Frames of RFC 6455, as a client writes and reads them: pure.
#![deny(clippy::disallowed_methods)]

use std::io;

/// The largest payload that is taken; runtimes send pieces of some 32 KiB.
const LARGEST: u64 = 64 << 20;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    const ALL: [(Self, u8); 6] = [
        (Self::Continuation, 0),
        (Self::Text, 1),
        (Self::Binary, 2),
        (Self::Close, 8),
        (Self::Ping, 9),
        (Self::Pong, 10),
    ];

    fn number(self) -> u8 {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|(opcode, _)| *opcode == self);
        found.expect("every opcode has a number").1
    }

    fn of(number: u8) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|(_, one)| *one == number)
            .map(|(opcode, _)| opcode)
    }
}

/// One frame that came.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) opcode: Opcode,
    /// Whether the message ends with it.
    pub(super) is_last: bool,
    pub(super) payload: Vec<u8>,
    /// How many bytes of the buffer it is.
    pub(super) length: usize,
}

impl Frame {
    /// The frame at the start of what has come, once it is whole.
    pub(super) fn first(bytes: &[u8]) -> io::Result<Option<Self>> {
        let wrong = |what: &'static str| io::Error::new(io::ErrorKind::InvalidData, what);
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        let opcode =
            Opcode::of(first & 0x0f).ok_or_else(|| wrong("an unknown WebSocket opcode"))?;
        if second & 0x80 != 0 {
            return Err(wrong("a WebSocket server must not mask its frames"));
        }
        let (size, head) = match second & 0x7f {
            126 => match rest.first_chunk::<2>() {
                Some(size) => (u64::from(u16::from_be_bytes(*size)), 4),
                None => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(size) => (u64::from_be_bytes(*size), 10),
                None => return Ok(None),
            },
            short => (u64::from(short), 2),
        };
        if size > LARGEST {
            return Err(wrong("a WebSocket frame is too large"));
        }
        let length = head + usize::try_from(size).expect("64 MiB are addressable");
        Ok(bytes.get(head..length).map(|payload| Self {
            opcode,
            is_last: first & 0x80 != 0,
            payload: payload.to_vec(),
            length,
        }))
    }
}

/// A whole message in one frame, with a mask that changes nothing.
pub(super) fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    const MASKED: u8 = 0x80;
    let mut bytes = vec![0x80 | opcode.number()];
    match payload.len() {
        length @ 0..126 => bytes.push(MASKED | u8::try_from(length).expect("it is below 126")),
        length => match u16::try_from(length) {
            Ok(length) => {
                bytes.push(MASKED | 126);
                bytes.extend(length.to_be_bytes());
            }
            Err(_) => {
                bytes.push(MASKED | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        },
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a server would write it.
    fn unmasked(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
        let mut bytes = frame(opcode, payload);
        bytes[1] &= 0x7f;
        let mask = bytes.len() - payload.len() - 4;
        bytes.drain(mask..mask + 4);
        bytes
    }

    #[test]
    fn frames_of_every_length_are_read_once_they_are_whole() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![7; length];
            let bytes = unmasked(Opcode::Binary, &payload);
            let frame = Frame::first(&bytes).unwrap().expect("it is whole");
            assert_eq!((frame.length, frame.payload.len()), (bytes.len(), length));
            assert!(frame.is_last);
            for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
                assert_eq!(Frame::first(&bytes[..cut]).unwrap(), None, "{length} {cut}");
            }
        }
    }

    #[test]
    fn what_no_server_may_send_is_an_error() {
        for bytes in [
            [0x83, 0].as_slice(),
            &[0x82, 0x80],
            &[0x82, 127, 1, 0, 0, 0, 0, 0, 0, 0],
        ] {
            assert!(Frame::first(bytes).is_err(), "{bytes:?}");
        }
    }
}
