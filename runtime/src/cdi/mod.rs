//! The Container Device Interface: devices by qualified name, described by files of their vendors.
//!
//! ```text
//! CRI field, annotations ─► names ─┐
//! /etc/cdi, /var/run/cdi ─► read ─► Registry ─► Edits ─► environment, nodes, mounts, groups
//! ```
//!
//! All but `read` is pure. Hooks are refused by name, and so is what the runtime has no place for: a
//! device that is given by half would fail in ways that nobody can read.

mod document;
mod edits;
mod name;
mod read;
mod registry;

pub use document::Node;
pub use edits::{BindMount, EditError, Edits};
pub use name::{NameError, requested};
pub use read::read;
pub use registry::{LookUpError, Registry};
