//! WebSocket frames (RFC 6455) as bytes, for a server: no IO, no clock.
//!
//! Messages are handed out in pieces as they come, so their length needs no limit.

mod handshake;
#[cfg(test)]
mod tests;

use bytes::{Buf, BufMut, Bytes, BytesMut};

pub use handshake::accept;

/// The longest payload of a control frame.
const CONTROL_LIMIT: usize = 125;

mod opcode {
    pub(super) const CONTINUATION: u8 = 0;
    pub(super) const TEXT: u8 = 1;
    pub(super) const BINARY: u8 = 2;
    pub(super) const CLOSE: u8 = 8;
    pub(super) const PING: u8 = 9;
    pub(super) const PONG: u8 = 10;
}

/// Why bytes are not what a client may send. The connection cannot be used any more.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A bit is set that belongs to an extension; none was agreed upon.
    #[error("a reserved bit is set")]
    Reserved,
    /// An opcode without a meaning.
    #[error("opcode {0}")]
    Opcode(u8),
    /// Clients must mask what they send.
    #[error("a frame is not masked")]
    Unmasked,
    /// A control frame that is too long or in pieces.
    #[error("a control frame is too long or fragmented")]
    Control,
    /// A new message within another, or the continuation of none.
    #[error("fragments are out of order")]
    Fragment,
    /// A length with its highest bit set.
    #[error("a length that cannot be")]
    Length,
}

/// Where a piece stands in its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A message begins with it.
    First,
    /// A message goes on with it.
    Later,
}

/// What a client has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A piece of a message.
    Data {
        /// Where it stands.
        place: Place,
        /// The bytes; may be none.
        bytes: Bytes,
    },
    /// Is to be sent back as a pong.
    Ping(Bytes),
    /// An answer to a ping.
    Pong,
    /// The client leaves.
    Close,
}

/// Takes bytes in, gives what they mean out.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    /// The data frame that has begun.
    frame: Option<DataFrame>,
    /// Whether the last data frame was not the last of its message.
    is_in_message: bool,
}

#[derive(Clone, Copy, Debug)]
struct DataFrame {
    place: Place,
    left: u64,
    mask: [u8; 4],
}

/// What comes before a payload.
struct Head {
    first: u8,
    length: u64,
    mask: [u8; 4],
    /// Of itself.
    size: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// At the beginning of a connection.
    pub fn new() -> Self {
        Self {
            buffer: BytesMut::new(),
            frame: None,
            is_in_message: false,
        }
    }

    /// Where received bytes are appended.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// What comes next; `None` when more bytes are needed.
    pub fn pull(&mut self) -> Result<Option<Received>, DecodeError> {
        if let Some(frame) = self.frame {
            return Ok(self.piece(frame));
        }
        let Some(head) = head(&self.buffer)? else {
            return Ok(None);
        };
        let is_final = head.first & 0x80 != 0;
        let opcode = head.first & 0x0f;
        if opcode < opcode::CLOSE {
            let place = match (opcode, self.is_in_message) {
                (opcode::CONTINUATION, true) => Place::Later,
                (opcode::TEXT | opcode::BINARY, false) => Place::First,
                (opcode::CONTINUATION | opcode::TEXT | opcode::BINARY, _) => {
                    return Err(DecodeError::Fragment);
                }
                (other, _) => return Err(DecodeError::Opcode(other)),
            };
            self.is_in_message = !is_final;
            self.buffer.advance(head.size);
            return Ok(self.piece(DataFrame {
                place,
                left: head.length,
                mask: head.mask,
            }));
        }
        let length = usize::try_from(head.length).unwrap_or(usize::MAX);
        if !is_final || length > CONTROL_LIMIT {
            return Err(DecodeError::Control);
        }
        if self.buffer.len() < head.size + length {
            return Ok(None);
        }
        self.buffer.advance(head.size);
        let mut payload = self.buffer.split_to(length);
        unmask(&mut payload, head.mask);
        match opcode {
            opcode::CLOSE => Ok(Some(Received::Close)),
            opcode::PING => Ok(Some(Received::Ping(payload.freeze()))),
            opcode::PONG => Ok(Some(Received::Pong)),
            other => Err(DecodeError::Opcode(other)),
        }
    }

    /// Hands out what is there of a data frame.
    fn piece(&mut self, frame: DataFrame) -> Option<Received> {
        let DataFrame {
            place,
            left,
            mut mask,
        } = frame;
        let there = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(self.buffer.len());
        if there == 0 && left > 0 {
            self.frame = Some(frame);
            return None;
        }
        let mut bytes = self.buffer.split_to(there);
        unmask(&mut bytes, mask);
        mask.rotate_left(there % 4);
        self.frame = match left - there as u64 {
            0 => None,
            left => Some(DataFrame {
                place: Place::Later,
                left,
                mask,
            }),
        };
        let bytes = bytes.freeze();
        Some(Received::Data { place, bytes })
    }
}

fn head(mut buffer: &[u8]) -> Result<Option<Head>, DecodeError> {
    let whole = buffer.len();
    let (Ok(first), Ok(second)) = (buffer.try_get_u8(), buffer.try_get_u8()) else {
        return Ok(None);
    };
    if first & 0x70 != 0 {
        return Err(DecodeError::Reserved);
    }
    if second & 0x80 == 0 {
        return Err(DecodeError::Unmasked);
    }
    let length = match second & 0x7f {
        126 => buffer.try_get_u16().map(u64::from),
        127 => buffer.try_get_u64(),
        short => Ok(u64::from(short)),
    };
    let (Ok(length), Ok(mask)) = (length, buffer.try_get_u32()) else {
        return Ok(None);
    };
    if length >> 63 != 0 {
        return Err(DecodeError::Length);
    }
    Ok(Some(Head {
        first,
        length,
        mask: mask.to_be_bytes(),
        size: whole - buffer.len(),
    }))
}

fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    let mask = mask.iter().cycle();
    bytes
        .iter_mut()
        .zip(mask)
        .for_each(|(byte, mask)| *byte ^= mask);
}

/// Appends a binary message made of `prefix` and `bytes`.
pub fn put_message(prefix: &[u8], bytes: &[u8], out: &mut BytesMut) {
    put_head(opcode::BINARY, prefix.len() + bytes.len(), out);
    out.put_slice(prefix);
    out.put_slice(bytes);
}

/// Appends the answer to a ping.
pub fn put_pong(payload: &[u8], out: &mut BytesMut) {
    put_head(opcode::PONG, payload.len(), out);
    out.put_slice(payload);
}

/// Appends a good-bye with a status code: 1000 is the normal one, 1002 tells of a broken protocol.
pub fn put_close(code: u16, out: &mut BytesMut) {
    put_head(opcode::CLOSE, 2, out);
    out.put_u16(code);
}

fn put_head(opcode: u8, length: usize, out: &mut BytesMut) {
    out.put_u8(0x80 | opcode);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => out.put_u8(short),
        (_, Ok(medium)) => {
            out.put_u8(126);
            out.put_u16(medium);
        }
        _ => {
            out.put_u8(127);
            out.put_u64(length as u64);
        }
    }
}
