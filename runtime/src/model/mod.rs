//! What the runtime knows, as plain data: ids, what a client asked for, and the two records.
//!
//! Nothing here touches the machine. `config` is the CRI request in our own types, decoded once at
//! the edge (`cri/`); `sandbox` and `container` are the records that `store/` keeps: each holds one
//! enum of states, and the only way from one state to the next is a method beside that enum.
#![deny(clippy::disallowed_methods)]

pub mod config;
pub mod container;
pub mod handler;
pub mod id;
pub mod process;
pub mod sandbox;
pub mod selinux;

pub use config::{ContainerConfig, SandboxConfig};
pub use container::{ContainerRecord, ContainerState, ExitStatus};
pub use id::{ContainerId, SandboxId};
pub use sandbox::{SandboxRecord, SandboxState};
