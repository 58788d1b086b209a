//! WebSocket, the protocol that newer clients stream over, in three layouts: channels by a first byte,
//! channels that can be closed, and SPDY in a tunnel.
//!
//! `codec` knows bytes, `session` a connection, `tunnel` makes a byte stream of one.

mod codec;
mod handshake;
mod session;
#[cfg(test)]
mod tests;
mod tunnel;

pub(super) use handshake::accept;
pub(super) use session::{Layout, open};
pub(super) use tunnel::bridge;
