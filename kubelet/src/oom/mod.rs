//! Tells when the kernel has killed a process because the machine's memory was full.
//!
//! ```text
//! /dev/kmsg ─► Parser (pure) ─► event SystemOOM of the node
//! ```
//!
//! A process that was killed for the limit of its container is no matter of the node: its container's
//! status says OOMKilled.

mod parse;
mod watcher;

pub use watcher::OomWatcher;
