//! From a pod to what its sandbox is made from: pure.

#![deny(clippy::disallowed_methods)]

use std::path::Path;

use crate::cri::{self, IdRange, NamespaceMode, PortMapping, SandboxConfig, SandboxMetadata};
use crate::labels;
use crate::model::{Container, NetworkMode, PidMode, Pod, PodSpec, SeccompProfile, StringMap};
use crate::resource::{Bandwidth, pod_resources};

/// What is known of a pod's place on the node.
pub(crate) struct Place<'a> {
    /// How many sandboxes the pod had before.
    pub attempt: u32,
    /// What the kernel shows as the pod's name.
    pub hostname: String,
    /// The pod's log directory.
    pub log_directory: &'a Path,
    /// The way the runtime runs it; empty for its own choice.
    pub runtime_handler: String,
    /// The pod's cgroup.
    pub cgroup_parent: String,
    /// The host's ids that the pod's users are, if it has users of its own.
    pub users: Option<IdRange>,
    /// What becomes of limits of CPU time.
    pub bandwidth: Bandwidth,
    /// The pod's resolver.
    pub dns: cri::DnsConfig,
}

/// What the pod's sandbox is made from.
pub(crate) fn sandbox_config(pod: &Pod, place: Place<'_>) -> SandboxConfig {
    let spec = &pod.spec;
    SandboxConfig {
        metadata: SandboxMetadata {
            name: pod.name.name.to_string(),
            namespace: pod.name.namespace.to_string(),
            uid: pod.uid.to_string(),
            attempt: place.attempt,
        },
        hostname: match spec.namespaces.network {
            NetworkMode::Pod => place.hostname,
            NetworkMode::Host => String::new(),
        },
        log_directory: place.log_directory.display().to_string(),
        dns: Some(place.dns),
        port_mappings: port_mappings(spec),
        labels: with_identity(pod),
        annotations: pod.annotations.clone(),
        runtime_handler: place.runtime_handler,
        cgroup_parent: place.cgroup_parent,
        namespaces: namespaces(spec, place.users),
        run_as_user: spec.security.identity.run_as_user,
        run_as_group: spec.security.identity.run_as_group,
        supplemental_groups: supplemental_groups(spec),
        supplemental_groups_policy: spec.security.supplemental_groups_policy,
        selinux: spec.security.selinux.clone(),
        privileged: spec
            .all_containers()
            .any(|container| container.security.privileged),
        // The sandbox's own process needs nothing that the default profile forbids.
        seccomp: Some(SeccompProfile::RuntimeDefault),
        sysctls: sysctls(spec),
        resources: Some(pod_resources(spec, place.bandwidth)),
    }
}

/// The namespaces of the pod's containers; one that looks into another names it as its target.
pub(crate) fn namespaces(spec: &PodSpec, users: Option<IdRange>) -> cri::Namespaces {
    let node_if = |is_host| {
        if is_host {
            NamespaceMode::Node
        } else {
            NamespaceMode::Pod
        }
    };
    cri::Namespaces {
        network: node_if(spec.namespaces.network == NetworkMode::Host),
        pid: match spec.namespaces.pid {
            PidMode::Container => NamespaceMode::Container,
            PidMode::Pod => NamespaceMode::Pod,
            PidMode::Host => NamespaceMode::Node,
        },
        ipc: node_if(spec.namespaces.host_ipc),
        user: users,
    }
}

/// The pod's further groups, the one that owns its volumes among them.
pub(crate) fn supplemental_groups(spec: &PodSpec) -> Vec<i64> {
    let security = &spec.security;
    security
        .supplemental_groups
        .iter()
        .copied()
        .chain(security.fs_group)
        .collect()
}

/// Host ports; a pod of the host's network listens there itself.
fn port_mappings(spec: &PodSpec) -> Vec<PortMapping> {
    match spec.namespaces.network {
        NetworkMode::Host => Vec::new(),
        NetworkMode::Pod => {
            let containers = spec.containers.iter().chain(spec.sidecars());
            containers.flat_map(host_ports).collect()
        }
    }
}

fn host_ports(container: &Container) -> impl Iterator<Item = PortMapping> + '_ {
    container.ports.iter().filter_map(|port| {
        Some(PortMapping {
            protocol: port.protocol,
            container_port: port.container_port,
            host_port: port.host_port?,
            host_ip: port.host_ip,
        })
    })
}

fn with_identity(pod: &Pod) -> StringMap {
    let mut all = pod.labels.clone();
    all.extend(identity(pod));
    all
}

/// The labels by which a pod's sandboxes and containers are found again.
pub(crate) fn identity(pod: &Pod) -> StringMap {
    [
        (labels::POD_NAME, pod.name.name.to_string()),
        (labels::POD_NAMESPACE, pod.name.namespace.to_string()),
        (labels::POD_UID, pod.uid.to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

fn sysctls(spec: &PodSpec) -> StringMap {
    let pairs = spec.security.sysctls.iter();
    pairs
        .map(|sysctl| (sysctl.name.clone(), sysctl.value.clone()))
        .collect()
}
