//! Messages of ttrpc.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{CodecError, LONGEST_DATA};

/// Length, stream, kind and flags.
pub(super) const HEADER: usize = 10;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::nri) enum Kind {
    /// It begins a stream.
    Request,
    /// It ends one.
    Response,
    /// It belongs to a stream with more than a request and a response, of which NRI has none; or to
    /// no version of ttrpc that is known.
    Other(u8),
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::nri) struct Message {
    /// Odd, and chosen by who calls.
    pub(in crate::nri) stream: u32,
    /// What it is.
    pub(in crate::nri) kind: Kind,
    /// What it says.
    pub(in crate::nri) data: Bytes,
}

impl Kind {
    fn of(number: u8) -> Self {
        match number {
            1 => Self::Request,
            2 => Self::Response,
            other => Self::Other(other),
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Request => 1,
            Self::Response => 2,
            Self::Other(other) => other,
        }
    }
}

/// Takes bytes of one connection in and gives messages.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    buffer: BytesMut,
}

impl Decoder {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    pub(super) fn next(&mut self) -> Result<Option<Message>, CodecError> {
        let Some(mut header) = self.buffer.get(..HEADER) else {
            return Ok(None);
        };
        let (length, stream) = (header.get_u32(), header.get_u32());
        // Flags say how a stream goes on after its request, and none of ours does.
        let (kind, _flags) = (Kind::of(header.get_u8()), header.get_u8());
        let whole = match usize::try_from(length) {
            Ok(length) if length <= LONGEST_DATA => HEADER + length,
            _ => return Err(CodecError::Message(length)),
        };
        if self.buffer.len() < whole {
            return Ok(None);
        }
        let data = self.buffer.split_to(whole).freeze().split_off(HEADER);
        Ok(Some(Message { stream, kind, data }))
    }
}

/// A message as bytes.
pub(super) fn encode(message: &Message) -> BytesMut {
    let mut bytes = BytesMut::with_capacity(HEADER + message.data.len());
    bytes.put_u32(u32::try_from(message.data.len()).expect("a message is at most 4 MiB long"));
    bytes.put_u32(message.stream);
    bytes.put_u8(message.kind.number());
    bytes.put_u8(0);
    bytes.put_slice(&message.data);
    bytes
}
