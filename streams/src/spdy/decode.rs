//! Bytes to frames, as they come.

use bytes::{Buf, Bytes, BytesMut};

use super::encode::INITIAL_WINDOW_SETTING;
use super::headers::InflatedHeaders;
use super::{CONTROL_LIMIT, Frame, Rest, VERSION, kind};

/// How many bytes come before what a frame carries.
const HEAD: usize = 8;

/// Why bytes are not SPDY/3.1. The connection cannot be used any more.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Another version.
    #[error("SPDY version {0}, not 3")]
    Version(u16),
    /// Longer than anything that would be sent in good faith.
    #[error("a control frame of {0} bytes")]
    TooLong(usize),
    /// A control frame whose length does not fit its type.
    #[error("a control frame of type {kind} and {length} bytes")]
    Length {
        /// The type.
        kind: u16,
        /// The length.
        length: usize,
    },
    /// Stream zero, or data upon it.
    #[error("stream zero")]
    StreamZero,
    /// The zlib stream is broken.
    #[error("header blocks are not one zlib stream with the dictionary of SPDY/3")]
    Compression,
    /// The inflated block is not what it should be.
    #[error("a header block is malformed or too long")]
    HeaderBlock,
}

/// Takes bytes in, gives frames out.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    state: State,
    headers: InflatedHeaders,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Between frames.
    Head,
    /// Within a control frame; its length has been checked.
    Control { kind: u16, flags: u8, length: usize },
    /// Within a data frame.
    Data { id: u32, left: usize, rest: Rest },
    /// Within a frame of a type that is none of ours.
    Skip { left: usize },
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
            state: State::Head,
            headers: InflatedHeaders::new(),
        }
    }

    /// Where received bytes are appended. Holds little once `pull` has said `None`: at most one
    /// control frame.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next frame; `None` when more bytes are needed.
    pub fn pull(&mut self) -> Result<Option<Frame>, DecodeError> {
        loop {
            match self.state {
                State::Head => match self.head()? {
                    Some(state) => self.state = state,
                    None => return Ok(None),
                },
                State::Skip { left } => {
                    let count = left.min(self.buffer.len());
                    self.buffer.advance(count);
                    self.state = match left - count {
                        0 => State::Head,
                        left => return Ok(self.pending(State::Skip { left })),
                    };
                }
                State::Data { id, left, rest } => return Ok(self.data(id, left, rest)),
                State::Control {
                    kind,
                    flags,
                    length,
                } => {
                    if self.buffer.len() < length {
                        return Ok(None);
                    }
                    let payload = self.buffer.split_to(length).freeze();
                    self.state = State::Head;
                    return self.control(kind, flags, payload).map(Some);
                }
            }
        }
    }

    fn pending(&mut self, state: State) -> Option<Frame> {
        self.state = state;
        None
    }

    fn head(&mut self) -> Result<Option<State>, DecodeError> {
        if self.buffer.len() < HEAD {
            return Ok(None);
        }
        let (first, second) = (self.buffer.get_u32(), self.buffer.get_u32());
        let flags = (second >> 24) as u8;
        let length = (second & 0xff_ffff) as usize;
        if first >> 31 == 0 {
            return match first {
                0 => Err(DecodeError::StreamZero),
                id => Ok(Some(State::Data {
                    id,
                    left: length,
                    rest: Rest::of(flags),
                })),
            };
        }
        let (version, kind) = ((first >> 16) as u16 & 0x7fff, first as u16);
        if version != VERSION {
            return Err(DecodeError::Version(version));
        }
        if !(kind::SYN_STREAM..=kind::WINDOW_UPDATE).contains(&kind) || kind == 5 {
            // The specification wants unknown types ignored.
            return Ok(Some(State::Skip { left: length }));
        }
        if length > CONTROL_LIMIT {
            return Err(DecodeError::TooLong(length));
        }
        Ok(Some(State::Control {
            kind,
            flags,
            length,
        }))
    }

    /// Hands out what is there of a data frame; its end only with its last byte.
    fn data(&mut self, id: u32, left: usize, rest: Rest) -> Option<Frame> {
        let bytes = self.buffer.split_to(left.min(self.buffer.len())).freeze();
        match left - bytes.len() {
            0 => {
                self.state = State::Head;
                Some(Frame::Data { id, bytes, rest })
            }
            _ if bytes.is_empty() => None,
            left => {
                self.state = State::Data { id, left, rest };
                let rest = Rest::Open;
                Some(Frame::Data { id, bytes, rest })
            }
        }
    }

    fn control(&mut self, kind: u16, flags: u8, payload: Bytes) -> Result<Frame, DecodeError> {
        let length = payload.len();
        let wrong = DecodeError::Length { kind, length };
        let word = |at: usize| {
            let bytes = payload.get(at * 4..at * 4 + 4)?;
            Some(u32::from_be_bytes(bytes.try_into().ok()?))
        };
        let id = word(0).ok_or(wrong)? & 0x7fff_ffff;
        let wrong = || DecodeError::Length { kind, length };
        let rest = Rest::of(flags);
        let names_stream = !matches!(kind, kind::SETTINGS | kind::PING | kind::GOAWAY);
        if names_stream && id == 0 {
            return Err(DecodeError::StreamZero);
        }
        Ok(match kind {
            kind::SYN_STREAM => Frame::SynStream {
                id,
                headers: self.block(payload.get(10..).ok_or_else(wrong)?)?,
                rest,
            },
            kind::SYN_REPLY => {
                self.block(&payload[4..])?;
                Frame::SynReply { id }
            }
            kind::HEADERS => {
                self.block(&payload[4..])?;
                Frame::Headers { id, rest }
            }
            kind::RST_STREAM => Frame::RstStream {
                id,
                status: word(1).ok_or_else(wrong)?,
            },
            kind::PING => Frame::Ping {
                id: word(0).ok_or_else(wrong)?,
            },
            kind::GOAWAY => Frame::GoAway { last: id },
            kind::WINDOW_UPDATE => Frame::WindowUpdate {
                id,
                delta: word(1).ok_or_else(wrong)? & 0x7fff_ffff,
            },
            _ => Frame::Settings {
                initial_window: initial_window(&payload).ok_or_else(wrong)?,
            },
        })
    }

    fn block(&mut self, compressed: &[u8]) -> Result<super::Headers, DecodeError> {
        self.headers.read(compressed)
    }
}

/// The window that settings name, if they do; `None` when the settings are malformed.
fn initial_window(payload: &[u8]) -> Option<Option<u32>> {
    let (count, entries) = payload.split_first_chunk::<4>()?;
    let (entries, []) = entries.as_chunks::<8>() else {
        return None;
    };
    if usize::try_from(u32::from_be_bytes(*count)).ok()? != entries.len() {
        return None;
    }
    let setting = entries.iter().rev().find_map(|entry| {
        let [a, b, c, d, value @ ..] = *entry;
        let id = u32::from_be_bytes([a, b, c, d]) & 0xff_ffff;
        (id == INITIAL_WINDOW_SETTING).then(|| u32::from_be_bytes(value) & 0x7fff_ffff)
    });
    Some(setting)
}
