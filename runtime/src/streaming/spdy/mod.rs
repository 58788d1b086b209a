//! SPDY/3.1, the protocol that kubectl and crictl stream over.
//!
//! `codec` knows bytes, `session` a connection. No crate that is kept up speaks it.

mod codec;
mod session;

pub(super) use session::{Opened, open};
