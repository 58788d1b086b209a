//! The OCI spec of a container, from request, image, sandbox and host facts.
//!
//! ```text
//! args ─┐
//! env ──┤
//! user ─┼─► process ─┐
//! caps ─┤            ├─► container_spec ─► ContainerSpec ─► exec_process ─► ProcessSpec
//! …   ──┘   mounts ──┤
//!           linux  ──┘
//! ```
//!
//! One file answers one question. Nothing here touches the machine: whoever calls has looked up
//! host paths, devices, profiles and account files before.
#![deny(clippy::disallowed_methods)]

mod accounts;
mod apparmor;
mod args;
mod capabilities;
mod compose;
mod default_mounts;
mod device_mounts;
mod devices;
mod env;
mod error;
mod exec;
pub mod files;
#[cfg(test)]
pub(crate) mod fixture;
mod input;
mod linux;
mod mounts;
mod namespaces;
mod oom;
mod path;
mod process;
mod protected_paths;
mod resources;
mod seccomp;
mod selinux;
mod stop_signal;
mod sysctls;
mod user;
mod user_namespace;
mod volumes;
mod working_dir;

use oci_spec::runtime::Spec;

pub use compose::container_spec;
pub use device_mounts::{DeviceMount, add as add_mounts};
pub use devices::{node as device_node, rules as device_rules};
pub use error::{Note, PathFault, SpecError};
pub use exec::{ExecCommand, ExecError, exec_process};
pub use input::{
    Accounts, AppArmor, CgroupMode, HostDevice, HostFacts, ImageFacts, OpenFiles, SandboxFacts,
    Selinux, SelinuxPolicy, SpecInput,
};
pub use resources::limits;
pub use seccomp::check_seccomp_profile;
pub use selinux::{pause_label, pod_labels};
pub use stop_signal::parse_signal;
pub use sysctls::sysctls;

/// A container, described.
#[derive(Clone, Debug)]
pub struct ContainerSpec {
    /// For config.json.
    pub spec: Spec,
    /// Directories that must exist in the root file system before the start: the working directory
    /// and the image's volumes. They are made beneath the root (never followed out of it).
    pub directories: Vec<String>,
    /// Signal that asks the container to stop.
    pub stop_signal: i32,
    /// Departures from the request, to be logged.
    pub notes: Vec<Note>,
}
