//! The streaming server: Exec, Attach and PortForward behind the URLs that the CRI hands out.
//!
//! ```text
//! RPC ─► Call ─► tokens ─► URL              (checked before: lifecycle)
//! URL ─► server ─► upgrade ─► spdy | websocket ─► streams ─► remote_command | port_forward
//!                                                                   │
//!                                                              Sessions (role; lifecycle)
//! ```
//!
//! Pure: `tokens`, `upgrade`, `window`, and the codecs, which are a crate of their own. What a client
//! can make wait is bounded at every arrow, and whoever is slow waits only for himself.

mod connection;
mod port_forward;
mod remote_command;
mod serve;
mod server;
mod sessions;
mod spdy;
mod stream;
mod tokens;
mod upgrade;
mod websocket;
mod window;

pub use connection::Limits;
pub use server::{ListenError, Server, Urls};
pub use sessions::{
    AttachCall, Call, Duplex, ExecCall, PortForwardCall, Ports, Process, SessionError, Sessions,
    Sink, Source, TerminalSize, Wanted,
};
pub use tokens::TooManyInFlight;
