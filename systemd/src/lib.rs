//! Asks systemd for slices and scopes, where it is the one writer of the upper cgroups.
//!
//! ```text
//! slice     P: names of slices as paths of cgroups, and back
//! property  P: what is said about a unit
//! wire      P: D-Bus messages as bytes
//! connection   one conversation: who I am, questions, answers, ends of jobs
//! manager      start, change and stop a unit, each repeatable
//! ```
//!
//! Five calls of D-Bus are all that is needed, seldom, from threads that may block: so there is no
//! library with tasks and threads of its own in the daemon (docs/decisions/0162).
#![forbid(unsafe_code)]

mod connection;
mod manager;
mod property;
mod slice;
#[cfg(test)]
mod tests;
pub mod wire;

pub use connection::{ConnectionError, Door};
pub use manager::{Started, Systemd, SystemdError};
pub use property::{Property, Value};
pub use slice::{InvalidSlice, is_slice, path_of_slice, slice_below, slice_of_path};
