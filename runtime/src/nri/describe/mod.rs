//! Pods and containers in the words of the interface.
#![deny(clippy::disallowed_methods)]

mod container;
mod pod;
pub(super) mod resources;
mod synchronize;

use std::net::IpAddr;

use oci_spec::runtime::Spec;

pub(super) use container::container;
pub(super) use pod::pod;
pub(super) use synchronize::{LONGEST_REQUEST, requests};

use crate::model::{ContainerRecord, SandboxRecord};

/// A pod, and what its record does not say.
#[derive(Clone, Debug)]
pub struct PodFacts {
    /// Its record.
    pub sandbox: SandboxRecord,
    /// Pid of pause, while it runs.
    pub pause_pid: Option<i32>,
    /// Its addresses, while it has some.
    pub ips: Vec<IpAddr>,
    /// Its own cgroup.
    pub cgroup_path: String,
}

/// A container, and what its record does not say.
#[derive(Clone, Debug)]
pub struct ContainerFacts {
    /// Its record.
    pub record: ContainerRecord,
    /// What it is made from; `None` when that cannot be read any more.
    pub spec: Option<Spec>,
}
