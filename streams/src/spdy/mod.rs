//! SPDY/3.1 frames as bytes: no IO, no clock.
//!
//! ```text
//! control  |1| version 15 | type 16 |   data  |0| stream id 31   |
//!          | flags 8 | length 24    |         | flags 8 | length 24 |
//!          | what the type says ... |         | bytes ...           |
//! ```
//!
//! A hostile peer gets an error, never a panic, and never more memory than the limits below.

mod decode;
mod dictionary;
mod encode;
mod headers;
#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use decode::{DecodeError, Decoder};
pub use encode::encode;
pub use headers::{DeflatedHeaders, Headers};

/// The version in every control frame; 3.1 says 3 on the wire.
const VERSION: u16 = 3;
/// The longest control frame that is taken. What streams are opened with is some 100 bytes.
const CONTROL_LIMIT: usize = 16 << 10;
/// Window of a stream in either direction until something else is said.
pub const INITIAL_WINDOW: u32 = 64 << 10;
/// The flag of a frame that is the sender's last on its stream.
const FLAG_FIN: u8 = 1;

/// Types of control frames.
mod kind {
    pub(super) const SYN_STREAM: u16 = 1;
    pub(super) const SYN_REPLY: u16 = 2;
    pub(super) const RST_STREAM: u16 = 3;
    pub(super) const SETTINGS: u16 = 4;
    pub(super) const PING: u16 = 6;
    pub(super) const GOAWAY: u16 = 7;
    pub(super) const HEADERS: u16 = 8;
    pub(super) const WINDOW_UPDATE: u16 = 9;
}

/// Whether more comes on a stream in the direction of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// More may come.
    Open,
    /// This was the last.
    Ended,
}

impl Rest {
    fn of(flags: u8) -> Self {
        match flags & FLAG_FIN {
            0 => Self::Open,
            _ => Self::Ended,
        }
    }

    fn flags(self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Ended => FLAG_FIN,
        }
    }
}

/// Why a stream is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetStatus {
    /// The peer broke the protocol.
    ProtocolError = 1,
    /// The stream never was.
    InvalidStream = 2,
    /// The stream is not wanted.
    RefusedStream = 3,
    /// Its opener does not need it any more.
    Cancel = 5,
    /// More credit was given than a window can hold.
    FlowControlError = 7,
}

/// One frame, or a piece of a data frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Opens a stream.
    SynStream {
        /// The new stream.
        id: u32,
        /// What it is for; names are in lower case.
        headers: Headers,
        /// Whether its opener will send anything.
        rest: Rest,
    },
    /// Accepts a stream.
    SynReply {
        /// Which.
        id: u32,
    },
    /// Ends a stream in both directions.
    RstStream {
        /// Which.
        id: u32,
        /// Why, as a number on the wire.
        status: u32,
    },
    /// Settings, of which the window is all that matters.
    Settings {
        /// The window that the sender grants to each stream.
        initial_window: Option<u32>,
    },
    /// Is to be sent back.
    Ping {
        /// Odd from a client.
        id: u32,
    },
    /// No stream is opened after this.
    GoAway {
        /// The last stream that was accepted.
        last: u32,
    },
    /// More headers of a stream.
    Headers {
        /// Which.
        id: u32,
        /// Whether anything follows.
        rest: Rest,
    },
    /// Lets a stream send more.
    WindowUpdate {
        /// Which.
        id: u32,
        /// How much more.
        delta: u32,
    },
    /// Bytes on a stream. A frame that is received may come in several pieces.
    Data {
        /// Which.
        id: u32,
        /// The bytes.
        bytes: Bytes,
        /// Whether more follows.
        rest: Rest,
    },
}
