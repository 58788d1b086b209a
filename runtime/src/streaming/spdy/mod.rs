//! SPDY/3.1, the protocol that kubectl and crictl stream over.
//!
//! podling-streams knows bytes, `session` a connection.

mod session;

pub(super) use session::{Opened, open};
