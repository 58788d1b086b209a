//! What a runtime says over SPDY, as messages of a WebSocket for the client: pure.
#![deny(clippy::disallowed_methods)]

use bytes::BytesMut;
use podling_streams::spdy::{DecodeError, Decoder, DeflatedHeaders, Frame, Rest, encode};
use podling_streams::websocket::{put_close, put_message};

use super::{Channels, Ear, Said, channel};

/// All has been said.
const NORMAL: u16 = 1000;

/// A runtime.
pub(super) enum Runtime {
    /// A process with streams.
    Process {
        decoder: Decoder,
        headers: DeflatedHeaders,
        /// Those on which something may come.
        open: Vec<(u8, u32)>,
    },
    /// SPDY in a tunnel.
    Tunnel(BytesMut),
}

impl Runtime {
    pub(super) fn new(channels: Option<Channels>) -> Self {
        let Some(Channels(all)) = channels else {
            return Self::Tunnel(BytesMut::new());
        };
        let is_read = |channel: u8| ![channel::STDIN, channel::RESIZE].contains(&channel);
        Self::Process {
            decoder: Decoder::new(),
            headers: DeflatedHeaders::default(),
            open: all
                .into_iter()
                .filter(|(channel, _)| is_read(*channel))
                .collect(),
        }
    }
}

impl Ear for Runtime {
    type Nonsense = DecodeError;

    fn buffer(&mut self) -> &mut BytesMut {
        match self {
            Self::Process { decoder, .. } => decoder.buffer(),
            Self::Tunnel(buffer) => buffer,
        }
    }

    fn hear(&mut self) -> Result<Said, DecodeError> {
        let mut said = Said::default();
        match self {
            Self::Tunnel(buffer) => put_message(&[], &buffer.split(), &mut said.to_client),
            Self::Process {
                decoder,
                headers,
                open,
            } => {
                while let Some(frame) = decoder.pull()? {
                    understand(frame, open, headers, &mut said);
                }
                said.is_over = open.is_empty();
            }
        }
        Ok(said)
    }
}

fn understand(
    frame: Frame,
    open: &mut Vec<(u8, u32)>,
    headers: &mut DeflatedHeaders,
    said: &mut Said,
) {
    let mut end = |ended: u32| open.retain(|(_, id)| *id != ended);
    match frame {
        Frame::Data { id, bytes, rest } => {
            let channel = open.iter().find(|(_, known)| *known == id);
            if let (Some((channel, _)), false) = (channel, bytes.is_empty()) {
                put_message(&[*channel], &bytes, &mut said.to_client);
            }
            if rest == Rest::Ended {
                open.retain(|(_, known)| *known != id);
            }
        }
        Frame::RstStream { id, .. }
        | Frame::Headers {
            id,
            rest: Rest::Ended,
        } => end(id),
        Frame::Ping { id } => encode(&Frame::Ping { id }, headers, &mut said.to_runtime),
        // Nothing is sent that a window would have to be kept for, and no stream is taken.
        Frame::Headers { .. }
        | Frame::SynReply { .. }
        | Frame::SynStream { .. }
        | Frame::Settings { .. }
        | Frame::WindowUpdate { .. }
        | Frame::GoAway { .. } => {}
    }
}

/// The last word to a client.
pub(super) fn good_bye() -> Said {
    let mut said = Said::default();
    put_close(NORMAL, &mut said.to_client);
    said
}
