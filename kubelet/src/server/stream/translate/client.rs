//! What a client says over a WebSocket, as SPDY for the runtime: pure.
#![deny(clippy::disallowed_methods)]

use bytes::{Buf, Bytes, BytesMut};
use podling_streams::spdy::{DeflatedHeaders, Frame, Headers, Rest, encode};
use podling_streams::websocket::{DecodeError, Decoder, Place, Received, put_message, put_pong};

use super::{Channels, Ear, Said, channel};

/// The header that says what a stream is for.
const STREAM_TYPE: &str = "streamtype";

/// A client.
pub(super) struct Client {
    decoder: Decoder,
    headers: DeflatedHeaders,
    /// None for SPDY in a tunnel.
    channels: Option<Channels>,
    /// The channel of the message that has begun.
    current: Option<u8>,
}

impl Client {
    pub(super) fn new(channels: Option<Channels>) -> Self {
        Self {
            decoder: Decoder::new(),
            headers: DeflatedHeaders::default(),
            channels,
            current: None,
        }
    }

    /// Opens the streams of a process, and tells the client that there are some: nothing on the first
    /// that it reads.
    pub(super) fn begin(&mut self) -> Said {
        let mut said = Said::default();
        let Some(channels) = self.channels.clone() else {
            return said;
        };
        for (channel, id) in &channels.0 {
            let name = name(*channel).to_owned();
            let open = Frame::SynStream {
                id: *id,
                headers: Headers(vec![(STREAM_TYPE.to_owned(), name)]),
                rest: Rest::Open,
            };
            encode(&open, &mut self.headers, &mut said.to_runtime);
        }
        let readable = [channel::STDOUT, channel::STDERR, channel::ERROR];
        let first = readable
            .into_iter()
            .find(|channel| channels.id(*channel).is_some());
        put_message(first.as_slice(), &[], &mut said.to_client);
        said
    }

    fn data(&mut self, place: Place, mut bytes: Bytes, said: &mut Said) {
        if self.channels.is_none() {
            return said.to_runtime.extend_from_slice(&bytes);
        }
        if place == Place::First {
            self.current = None;
        }
        let channel = match self.current {
            Some(channel) => channel,
            None if bytes.is_empty() => return,
            None => bytes.get_u8(),
        };
        self.current = Some(channel);
        match channel {
            channel::STDIN | channel::RESIZE => self.pass_on(channel, bytes, Rest::Open, said),
            channel::CLOSE => {
                for closed in bytes {
                    self.pass_on(closed, Bytes::new(), Rest::Ended, said);
                }
            }
            // What the runtime writes to is not for clients to write to.
            _ => {}
        }
    }

    fn pass_on(&mut self, channel: u8, bytes: Bytes, rest: Rest, said: &mut Said) {
        let channels = self.channels.as_ref();
        let Some(id) = channels.and_then(|channels| channels.id(channel)) else {
            return;
        };
        if !bytes.is_empty() || rest == Rest::Ended {
            let frame = Frame::Data { id, bytes, rest };
            encode(&frame, &mut self.headers, &mut said.to_runtime);
        }
    }
}

impl Ear for Client {
    type Nonsense = DecodeError;

    fn buffer(&mut self) -> &mut BytesMut {
        self.decoder.buffer()
    }

    fn hear(&mut self) -> Result<Said, DecodeError> {
        let mut said = Said::default();
        while let Some(received) = self.decoder.pull()? {
            match received {
                Received::Data { place, bytes } => self.data(place, bytes, &mut said),
                Received::Ping(payload) => put_pong(&payload, &mut said.to_client),
                Received::Pong => {}
                Received::Close => {
                    said.is_over = true;
                    break;
                }
            }
        }
        Ok(said)
    }
}

/// What a runtime calls a channel.
fn name(channel: u8) -> &'static str {
    match channel {
        channel::STDIN => "stdin",
        channel::STDOUT => "stdout",
        channel::STDERR => "stderr",
        channel::RESIZE => "resize",
        _ => "error",
    }
}
