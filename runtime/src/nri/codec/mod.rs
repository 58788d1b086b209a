//! What goes over a plugin's socket, as bytes: no IO, no clock.
//!
//! ```text
//! socket:      | connection 32 | length 32 | payload ... |          several connections on one socket
//! connection:  | length 32 | stream 32 | kind 8 | flags 8 | data |   ttrpc, cut into any payloads
//! ```
//!
//! The plugin serves connection 1 and calls on connection 2. Everything is big-endian. A hostile
//! plugin gets an error, never a panic, and never more memory than the limits below.
#![deny(clippy::disallowed_methods)]

mod mux;
#[cfg(test)]
mod tests;
mod ttrpc;

use bytes::{Bytes, BytesMut};

pub(super) use ttrpc::{Kind, Message};

/// The connection on which the plugin is the server.
pub(super) const PLUGIN: u32 = 1;
/// The connection on which the runtime is.
pub(super) const RUNTIME: u32 = 2;
/// The longest data of a ttrpc message.
pub(super) const LONGEST_DATA: usize = 4 << 20;

/// What a peer must not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CodecError {
    /// A payload of the multiplexer.
    #[error("a frame of {0} bytes is longer than a message can be")]
    Frame(u32),
    /// A ttrpc message.
    #[error("a message of {0} bytes is longer than 4 MiB")]
    Message(u32),
}

/// A ttrpc message with the connection that it came on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Received {
    /// Which connection.
    pub(super) connection: u32,
    /// What came.
    pub(super) message: Message,
}

/// Takes bytes of a socket in, in pieces of any size, and gives messages.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    frames: mux::Decoder,
    plugin: ttrpc::Decoder,
    runtime: ttrpc::Decoder,
}

impl Decoder {
    /// Takes bytes in.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.frames.feed(bytes);
    }

    /// The next whole message, if there is one. Frames of other connections are passed over, as the
    /// interface has it.
    pub(super) fn next(&mut self) -> Result<Option<Received>, CodecError> {
        loop {
            if let Some(message) = self.plugin.next()? {
                return Ok(Some(received(PLUGIN, message)));
            }
            if let Some(message) = self.runtime.next()? {
                return Ok(Some(received(RUNTIME, message)));
            }
            let Some(frame) = self.frames.next()? else {
                return Ok(None);
            };
            match frame.connection {
                PLUGIN => self.plugin.feed(&frame.payload),
                RUNTIME => self.runtime.feed(&frame.payload),
                _ => {}
            }
        }
    }
}

fn received(connection: u32, message: Message) -> Received {
    Received {
        connection,
        message,
    }
}

/// A message as bytes for the socket; its data must not be longer than [`LONGEST_DATA`].
///
/// The reader that most plugins have takes a frame only into a buffer that holds it whole: at first
/// 4096 bytes, then all that is left of the message. So a message is one such frame and another with
/// the rest.
pub(super) fn encode(connection: u32, message: &Message) -> Bytes {
    const FIRST: usize = 4096;
    let whole = ttrpc::encode(message);
    let (first, rest) = whole.split_at(whole.len().min(FIRST));
    let mut bytes = BytesMut::with_capacity(whole.len() + 2 * mux::HEADER);
    mux::encode(connection, first, &mut bytes);
    if !rest.is_empty() {
        mux::encode(connection, rest, &mut bytes);
    }
    bytes.freeze()
}
