//! What the life of a sandbox tells a network about the pod that is to be attached. Pure.
#![deny(clippy::disallowed_methods)]

use crate::model::config::{DnsConfig, PodMetadata, PortMapping, StringMap};
use crate::model::{SandboxConfig, SandboxId};

/// One pod, as networks see it.
#[derive(Clone, Debug)]
pub struct AttachRequest {
    /// Its sandbox.
    pub id: SandboxId,
    /// Pid of its pause on the host.
    pub pause_pid: i32,
    /// What is asked for.
    pub wishes: Wishes,
}

/// What a pod wants of its network.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// The pod's names.
    pub metadata: PodMetadata,
    /// Host ports that lead to it.
    pub port_mappings: Vec<PortMapping>,
    /// Its resolver.
    pub dns: Option<DnsConfig>,
    /// Its annotations.
    pub annotations: StringMap,
    /// Cgroup below which it runs; empty when the client names none.
    pub cgroup_parent: String,
}

impl Wishes {
    /// Those of a sandbox that is not on the host's network.
    pub fn of(config: &SandboxConfig) -> Self {
        let leads_somewhere = |mapping: &&PortMapping| mapping.host_port != 0;
        let mappings = config.port_mappings.iter().filter(leads_somewhere);
        Self {
            metadata: config.metadata.clone(),
            port_mappings: mappings.cloned().collect(),
            dns: config.dns.clone(),
            annotations: config.annotations.clone(),
            cgroup_parent: config.cgroup_parent.clone(),
        }
    }
}
