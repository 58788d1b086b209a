//! The process that owns a pod: pause, containers, execs, logs, exit records.
//!
//! The daemon holds a `MonitorClient`; everything from `start` on runs in podling-monitor, which
//! has one thread and no async runtime, because it forks.
//!
//! ```text
//! daemon: client ──protocol over wire──► server ──► requests ──► launches ──► podling-launch
//!                                          │            ├──────► execs ──► exec ──► confine
//!                                          │            └──────► attachments
//!                                          ├──► outputs ──► log, attachments
//!                                          └──► endings, execs ──► exits
//! ```

pub mod client;
pub mod protocol;
pub mod start;
pub mod wire;

mod attachments;
mod confine;
mod container;
mod endings;
mod error;
mod exec;
mod exec_ends;
mod execs;
mod exits;
mod launch_group;
pub(crate) mod launcher;
mod launches;
mod log;
mod outputs;
mod pause;
mod pause_filter;
mod requests;
mod server;
mod source;

pub use client::{
    AttachStreams, Attachment, Events, Exec, MonitorClient, Prepared, Stdio3, is_alive,
};
pub use error::{ExecError, LaunchError, MonitorError};
pub use exits::read_exit;
