//! The process that owns a pod: pause, containers, execs, logs, exit records.
//!
//! The daemon holds a `MonitorClient`; everything from `start` on runs in podling-monitor, which
//! has one thread and no async runtime, because it forks.
//!
//! ```text
//! daemon: client ──protocol over wire──► server ──► requests ──► launcher ──► podling-launch
//!                                          │            └──────► exec ──► confine
//!                                          ├──► outputs ──► log
//!                                          └──► endings, execs ──► exits
//! ```

pub mod client;
pub mod protocol;
pub mod start;
pub mod wire;

mod confine;
mod container;
mod endings;
mod error;
mod exec;
mod execs;
mod exits;
pub(crate) mod launcher;
mod log;
mod outputs;
mod pause;
mod pause_filter;
mod requests;
mod server;

pub use client::{Events, Exec, MonitorClient, Stdio3, is_alive};
pub use error::{ExecError, LaunchError, MonitorError};
pub use exits::read_exit;
