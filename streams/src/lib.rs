//! The protocols that kubectl and crictl stream terminals and ports over: SPDY/3.1 and WebSocket.
//!
//! Bytes in, frames out, and back: no IO, no clock. A hostile peer gets an error, never a panic, and
//! never more memory than a bound. Sessions over them belong to whoever serves or translates them.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods)]

pub mod spdy;
pub mod websocket;
