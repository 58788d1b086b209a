//! A SPDY/3.1 client, written from the specification. It stores header blocks without compressing
//! them, so that it needs nothing but the number of the dictionary.

use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::http::{self, Answer};

/// What a server has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Data {
        id: u32,
        is_last: bool,
        bytes: Vec<u8>,
    },
    Control {
        kind: u16,
        flags: u8,
        words: Vec<u32>,
    },
}

pub(crate) const SYN_REPLY: u16 = 2;
pub(crate) const RST_STREAM: u16 = 3;
pub(crate) const PING: u16 = 6;
pub(crate) const GOAWAY: u16 = 7;
pub(crate) const WINDOW_UPDATE: u16 = 9;

pub(crate) struct Spdy {
    pub(crate) socket: TcpStream,
    has_sent_headers: bool,
}

impl Spdy {
    /// Upgrades a connection to `url`.
    pub(crate) async fn connect(url: &str, version: &str) -> Self {
        match Self::try_connect(url, version).await {
            Ok(client) => client,
            Err(answer) => panic!("{}: {}", answer.status, answer.text),
        }
    }

    pub(crate) async fn try_connect(url: &str, version: &str) -> Result<Self, Answer> {
        let headers = format!(
            "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: {version}\r\n"
        );
        let (socket, answer) = http::request("POST", url, &headers).await;
        match answer.status {
            101 => {
                assert!(
                    answer
                        .text
                        .to_lowercase()
                        .contains(&format!("x-stream-protocol-version: {version}"))
                );
                Ok(Self {
                    socket,
                    has_sent_headers: false,
                })
            }
            _ => Err(answer),
        }
    }

    /// Opens a stream.
    pub(crate) async fn open(&mut self, id: u32, headers: &[(&str, &str)]) {
        let mut block = (headers.len() as u32).to_be_bytes().to_vec();
        for text in headers.iter().flat_map(|(name, value)| [name, value]) {
            block.extend((text.len() as u32).to_be_bytes());
            block.extend(text.as_bytes());
        }
        let mut payload = [id, 0].map(u32::to_be_bytes).concat();
        payload.extend([0, 0]);
        if !self.has_sent_headers {
            self.has_sent_headers = true;
            payload.extend([0x78, 0xbb, 0xe3, 0xc6, 0xa7, 0xc2]);
        }
        for part in [&block[..], &[]] {
            let length = part.len() as u16;
            payload.push(0);
            payload.extend(length.to_le_bytes());
            payload.extend((!length).to_le_bytes());
            payload.extend(part);
        }
        self.control(1, 0, &payload).await;
    }

    /// Opens the streams of a command: error, then the named ones, at 1, 3, 5 and so on.
    pub(crate) async fn open_command(&mut self, names: &[&str]) {
        for (index, name) in ["error"].iter().chain(names).enumerate() {
            self.open(index as u32 * 2 + 1, &[("streamtype", name)])
                .await;
        }
    }

    pub(crate) async fn send(&mut self, id: u32, bytes: &[u8]) {
        self.data(id, 0, bytes).await;
    }

    pub(crate) async fn finish(&mut self, id: u32) {
        self.data(id, 1, &[]).await;
    }

    pub(crate) async fn reset(&mut self, id: u32) {
        let payload = [id, 5].map(u32::to_be_bytes).concat();
        self.control(RST_STREAM, 0, &payload).await;
    }

    pub(crate) async fn grow_window(&mut self, id: u32, delta: u32) {
        let payload = [id, delta].map(u32::to_be_bytes).concat();
        self.control(WINDOW_UPDATE, 0, &payload).await;
    }

    pub(crate) async fn control(&mut self, kind: u16, flags: u8, payload: &[u8]) {
        let mut frame = vec![0x80, 3];
        frame.extend(kind.to_be_bytes());
        frame.push(flags);
        frame.extend(&(payload.len() as u32).to_be_bytes()[1..]);
        frame.extend(payload);
        self.raw(&frame).await;
    }

    async fn data(&mut self, id: u32, flags: u8, bytes: &[u8]) {
        let mut frame = id.to_be_bytes().to_vec();
        frame.push(flags);
        frame.extend(&(bytes.len() as u32).to_be_bytes()[1..]);
        frame.extend(bytes);
        self.raw(&frame).await;
    }

    /// Sends bytes that may be anything. A server that has left is seen when reading.
    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes).await;
    }

    /// The next frame; `None` at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 8];
        self.socket.read_exact(&mut head).await.ok()?;
        let [a, b, c, d, flags, length @ ..] = head;
        let length = u32::from_be_bytes([0, length[0], length[1], length[2]]);
        let mut bytes = vec![0; length as usize];
        self.socket.read_exact(&mut bytes).await.ok()?;
        if a & 0x80 == 0 {
            let id = u32::from_be_bytes([a, b, c, d]);
            return Some(Frame::Data {
                id,
                is_last: flags & 1 == 1,
                bytes,
            });
        }
        assert_eq!([a, b], [0x80, 3], "the version");
        let words = bytes.chunks_exact(4);
        Some(Frame::Control {
            kind: u16::from_be_bytes([c, d]),
            flags,
            words: words
                .map(|word| u32::from_be_bytes(word.try_into().expect("four bytes")))
                .collect(),
        })
    }

    /// The next frame that is not an accepted stream or more window.
    pub(crate) async fn next_said(&mut self) -> Option<Frame> {
        loop {
            match self.next().await? {
                Frame::Control {
                    kind: SYN_REPLY | WINDOW_UPDATE,
                    ..
                } => {}
                frame => return Some(frame),
            }
        }
    }

    /// Exactly these bytes on a stream, in however many frames.
    pub(crate) async fn expect(&mut self, wanted: u32, expected: &[u8]) {
        let mut got = Vec::new();
        while got.len() < expected.len() {
            match self.next_said().await {
                Some(Frame::Data { id, bytes, .. }) if id == wanted => got.extend(bytes),
                other => panic!("{other:?}, after {:?}", String::from_utf8_lossy(&got)),
            }
        }
        assert_eq!(
            String::from_utf8_lossy(&got),
            String::from_utf8_lossy(expected)
        );
    }

    /// Everything that comes until the server says good-bye, by stream; each must have been ended.
    pub(crate) async fn rest(&mut self) -> BTreeMap<u32, String> {
        let mut said: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        let mut ended = Vec::new();
        loop {
            match self.next_said().await {
                Some(Frame::Data { id, is_last, bytes }) => {
                    assert!(!ended.contains(&id), "{id} goes on after its end");
                    said.entry(id).or_default().extend(bytes);
                    if is_last {
                        ended.push(id);
                    }
                }
                Some(Frame::Control { kind: GOAWAY, .. }) => break,
                other => panic!("{other:?}; {said:?}"),
            }
        }
        assert!(
            said.keys().all(|id| ended.contains(id)),
            "{said:?}, {ended:?}"
        );
        let text = |(id, bytes): (u32, Vec<u8>)| (id, String::from_utf8(bytes).expect("text"));
        said.into_iter().map(text).collect()
    }
}
