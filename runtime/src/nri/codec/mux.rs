//! Frames of the multiplexer.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{CodecError, LONGEST_DATA};

/// Connection and length.
pub(super) const HEADER: usize = 8;
/// A whole ttrpc message, which is the most that a writer puts into one frame.
const LONGEST_PAYLOAD: usize = super::ttrpc::HEADER + LONGEST_DATA;

/// A piece of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Which connection.
    pub(super) connection: u32,
    /// Its next bytes.
    pub(super) payload: Bytes,
}

/// Takes bytes in and gives frames.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    buffer: BytesMut,
}

impl Decoder {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    pub(super) fn next(&mut self) -> Result<Option<Frame>, CodecError> {
        let Some(mut header) = self.buffer.get(..HEADER) else {
            return Ok(None);
        };
        let (connection, length) = (header.get_u32(), header.get_u32());
        let whole = match usize::try_from(length) {
            Ok(length) if length <= LONGEST_PAYLOAD => HEADER + length,
            _ => return Err(CodecError::Frame(length)),
        };
        if self.buffer.len() < whole {
            return Ok(None);
        }
        let payload = self.buffer.split_to(whole).freeze().split_off(HEADER);
        Ok(Some(Frame {
            connection,
            payload,
        }))
    }
}

/// Adds a frame to `out`.
pub(super) fn encode(connection: u32, payload: &[u8], out: &mut BytesMut) {
    out.put_u32(connection);
    out.put_u32(u32::try_from(payload.len()).expect("a message is at most 4 MiB long"));
    out.put_slice(payload);
}
