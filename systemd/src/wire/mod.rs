//! D-Bus messages as bytes: as much of it as conversations with systemd need.
//!
//! ```text
//! order, kind, flags, version │ length of the body │ serial │ fields: a(yv) │ pad to 8 │ body
//! ```
//!
//! Both ends are on one machine, so its own byte order is spoken, and another one is refused. A peer
//! that writes nonsense gets an error, never a panic, and never more memory than [`LONGEST`].

#![deny(clippy::disallowed_methods)]

mod message;
mod reader;
mod writer;

pub use message::{FIXED, Fields, Kind, Message, size_of};
pub use reader::Reader;
pub use writer::Writer;

/// No message is longer: systemd's are a few hundred bytes.
pub const LONGEST: usize = 16 << 20;

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum WireError {
    /// It ends too early.
    #[error("a D-Bus message ends in the middle")]
    Short,
    /// It is longer than anything that is expected.
    #[error("a D-Bus message of {0} bytes is too long")]
    Long(usize),
    /// It is from a machine of the other byte order, or of another protocol.
    #[error("a D-Bus message of another protocol")]
    Protocol,
    /// A type that is not known here.
    #[error("a D-Bus message has a value of an unexpected type")]
    Type,
    /// A text that is none.
    #[error("a D-Bus message has a text that is not UTF-8")]
    Text,
}
