//! Carries plans out: what `plan` decided happens here, in the order it decided.
//!
//! ```text
//! PodActions ──► PodExecutor ──┬─ teardown      kill, stop, remove
//!                              ├─ sandbox       cgroup, volumes, sandbox
//!                              └─ start         image, configuration, create, start
//! ```
//!
//! What a pod's objects are made from is decided by pure files: `sandbox_config`,
//! `container_config`, `environment`, `hosts`, `dns`.

mod backoff;
mod container_config;
mod dns;
mod env_file;
mod environment;
mod executor;
mod expand;
mod hosts;
mod images;
mod look_up;
mod network;
mod node;
mod report;
mod sandbox;
mod sandbox_config;
mod start;
mod teardown;
#[cfg(test)]
mod tests;

pub use executor::{Parts, PodExecutor};
pub use node::{Allocatable, Node};
