//! Carries plans out: what `plan` decided happens here, in the order it decided.
//!
//! ```text
//! PodActions ──► PodExecutor ──┬─ teardown      kill, stop, remove
//!                              ├─ volumes       objects, files, mounts on the node, those of drivers
//!                              ├─ sandbox       cgroup, sandbox
//!                              ├─ start         image, configuration, create, start
//!                              └─ hooks         after a start, before an end
//! ```
//!
//! What a pod's objects are made from is decided by pure files: `sandbox_config`,
//! `admit`, `container_config`, `environment`, `payload`, `hostname`, `hosts`,
//! `dns`, `described`.

mod admit;
mod backoff;
mod container_config;
mod csi;
mod described;
mod dns;
mod env_file;
mod environment;
mod executor;
mod expand;
mod granted;
mod grow;
mod hooks;
mod hostname;
mod hosts;
mod images;
mod look_up;
mod mounts;
mod network;
mod node;
mod order;
mod payload;
mod pulls;
mod report;
mod resize;
mod sandbox;
mod sandbox_config;
mod start;
mod teardown;
#[cfg(test)]
mod tests;
mod trust;
mod users;
mod volumes;

pub(crate) use dns::resolver_excess;
pub use executor::{Parts, PodExecutor, ServiceVariables};
pub(crate) use expand::expand;
pub use images::ImageParts;
pub use node::{Allocatable, Node, PodSettings};
pub use pulls::PullSettings;
pub use users::IdPool;
