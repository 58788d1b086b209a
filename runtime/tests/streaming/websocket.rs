//! A WebSocket client, written from RFC 6455.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::http;

pub(crate) struct WebSocket {
    pub(crate) socket: TcpStream,
}

/// What a server has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Binary(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16),
}

impl WebSocket {
    pub(crate) async fn connect(url: &str, protocol: &str) -> Self {
        let headers = format!(
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {protocol}\r\n"
        );
        let (socket, answer) = http::request("GET", url, &headers).await;
        assert_eq!(answer.status, 101, "{}", answer.text);
        let text = answer.text.to_lowercase();
        assert!(text.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="));
        assert!(text.contains(&format!(
            "sec-websocket-protocol: {}",
            protocol.to_lowercase()
        )));
        Self { socket }
    }

    /// Sends a message on a channel.
    pub(crate) async fn send(&mut self, channel: u8, bytes: &[u8]) {
        self.frame(0x82, &[&[channel], bytes].concat()).await;
    }

    /// Sends one masked frame.
    pub(crate) async fn frame(&mut self, first: u8, payload: &[u8]) {
        let mask = [0x11, 0x22, 0x33, 0x44];
        let mut frame = vec![first];
        match u16::try_from(payload.len()) {
            Ok(short @ 0..=125) => frame.push(0x80 | short as u8),
            Ok(medium) => {
                frame.push(0x80 | 126);
                frame.extend(medium.to_be_bytes());
            }
            Err(_) => {
                frame.push(0x80 | 127);
                frame.extend((payload.len() as u64).to_be_bytes());
            }
        }
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
        // A server that has left is seen when reading.
        let _ = self.socket.write_all(&frame).await;
    }

    /// The next message; `None` at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        let mut head = [0; 2];
        self.socket.read_exact(&mut head).await.ok()?;
        let length = match head[1] {
            126 => self.socket.read_u16().await.ok()?.into(),
            127 => self.socket.read_u64().await.ok()?,
            short => {
                assert!(short < 126, "a server does not mask");
                short.into()
            }
        };
        let mut payload = vec![0; length as usize];
        self.socket.read_exact(&mut payload).await.ok()?;
        Some(match head[0] {
            0x82 => Message::Binary(payload),
            0x8a => Message::Pong(payload),
            0x88 => Message::Close(u16::from_be_bytes([payload[0], payload[1]])),
            other => panic!("a frame that begins with {other:#x}"),
        })
    }

    /// The next message, which is on `channel`.
    pub(crate) async fn expect(&mut self, channel: u8, expected: &[u8]) {
        let mut got = Vec::new();
        while got.len() < expected.len() || expected.is_empty() {
            match self.next().await {
                Some(Message::Binary(message)) if message[0] == channel => {
                    got.extend(&message[1..]);
                }
                other => panic!("{other:?}"),
            }
            if expected.is_empty() {
                break;
            }
        }
        assert_eq!(
            String::from_utf8_lossy(&got),
            String::from_utf8_lossy(expected)
        );
    }
}
