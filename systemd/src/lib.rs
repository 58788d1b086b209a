//! Asks systemd for slices and scopes, where it is the one writer of the upper cgroups, and logind for time
//! before the machine goes down.
//!
//! ```text
//! slice     P: names of slices as paths of cgroups, and back
//! property  P: what is said about a unit
//! wire      P: D-Bus messages as bytes
//! connection   one conversation: who I am, questions, answers, ends of jobs
//! manager      start, change and stop a unit, each repeatable
//! logind       hold the machine's shutdown up, and hear when it begins
//! ```
//!
//! A few calls of D-Bus are all that is needed, seldom, from threads that may block: so there is no
//! library with tasks and threads of its own in the daemon (docs/decisions/0162, 0245).
#![forbid(unsafe_code)]

mod connection;
mod logind;
mod manager;
mod property;
mod slice;
#[cfg(test)]
mod tests;
pub mod wire;

pub use connection::{Breaker, ConnectionError, Door};
pub use logind::{Logind, LogindError, Prospect};
pub use manager::{Started, Systemd, SystemdError};
pub use property::{Property, Value};
pub use slice::{InvalidSlice, is_slice, path_of_slice, slice_below, slice_of_path};
