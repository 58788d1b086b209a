//! WebSocket, the protocol that newer clients stream over, in three layouts: channels by a first byte,
//! channels that can be closed, and SPDY in a tunnel.
//!
//! podling-streams knows bytes, `session` a connection, `tunnel` makes a byte stream of one.

mod session;
mod tunnel;

pub(super) use session::{Layout, open};
pub(super) use tunnel::bridge;
