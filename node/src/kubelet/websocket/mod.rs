//! A WebSocket to the kubelet, whose messages each belong to one of several channels.
//!
//! The first byte of a message is its channel. Both ends are on one machine, behind a socket that is
//! root's: the handshake's key and the masks of frames, which protect proxies on the way, are fixed.

mod frame;

use std::io;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use frame::{Frame, Opcode, frame};

/// Any 16 bytes, as base64.
pub(super) const KEY: &str = "cG9kbGluZyBzcGVha3MhIQ==";

/// What ends a channel of protocol v5.
const CLOSE: u8 = 255;

/// The sending half.
pub(crate) struct Sender(WriteHalf<TokioIo<Upgraded>>);

/// The receiving half.
pub(crate) struct Receiver {
    stream: ReadHalf<TokioIo<Upgraded>>,
    buffer: Vec<u8>,
    message: Vec<u8>,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// Bytes of a channel.
    Data(u8, Vec<u8>),
    /// The other side wants to hear this back.
    Ping(Vec<u8>),
}

/// Both halves over a connection that was upgraded.
pub(super) fn halves(upgraded: Upgraded) -> (Sender, Receiver) {
    let (stream, sink) = tokio::io::split(TokioIo::new(upgraded));
    let receiver = Receiver {
        stream,
        buffer: Vec::new(),
        message: Vec::new(),
    };
    (Sender(sink), receiver)
}

impl Sender {
    /// Sends bytes on a channel.
    pub(crate) async fn send(&mut self, channel: u8, bytes: &[u8]) -> io::Result<()> {
        let payload = [&[channel], bytes].concat();
        self.0.write_all(&frame(Opcode::Binary, &payload)).await?;
        self.0.flush().await
    }

    /// Says that no more comes on a channel.
    pub(crate) async fn finish(&mut self, channel: u8) -> io::Result<()> {
        self.send(CLOSE, &[channel]).await
    }

    /// Answers a ping.
    pub(crate) async fn pong(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(&frame(Opcode::Pong, bytes)).await?;
        self.0.flush().await
    }
}

impl Receiver {
    /// The next message; `None` once the other side has closed. May be cancelled: what has come of a
    /// message is kept.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Message>> {
        loop {
            while let Some(Frame {
                opcode,
                is_last,
                payload,
                length,
            }) = Frame::first(&self.buffer)?
            {
                self.buffer.drain(..length);
                match opcode {
                    Opcode::Close => return Ok(None),
                    Opcode::Ping => return Ok(Some(Message::Ping(payload))),
                    Opcode::Pong => {}
                    Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                        self.message.extend(payload);
                        if is_last {
                            let mut message = std::mem::take(&mut self.message);
                            if message.is_empty() {
                                continue;
                            }
                            let channel = message.remove(0);
                            return Ok(Some(Message::Data(channel, message)));
                        }
                    }
                }
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }
}
