//! Pod sandboxes: what is asked for and what the runtime has.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;

use super::PodResources;
use crate::model::{
    Protocol, SandboxId, SandboxState, SeccompProfile, SelinuxOptions, SupplementalGroupsPolicy,
};

/// What a sandbox is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SandboxConfig {
    /// Which pod it is for, and which try.
    pub metadata: SandboxMetadata,
    /// Hostname of the pod; empty for host network pods.
    pub hostname: String,
    /// Directory of the pod's log files.
    pub log_directory: String,
    /// The pod's resolv.conf.
    pub dns: Option<DnsConfig>,
    /// Host ports that lead to the pod.
    pub port_mappings: Vec<PortMapping>,
    /// Labels, by which the pod is found again.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the pod.
    pub annotations: BTreeMap<String, String>,
    /// The way the runtime runs it; empty for its own choice.
    pub runtime_handler: String,
    /// Cgroup of the pod.
    pub cgroup_parent: String,
    /// Which namespaces are the host's.
    pub namespaces: Namespaces,
    /// User and group of the sandbox process, and further groups.
    pub run_as_user: Option<i64>,
    /// Group of the sandbox process.
    pub run_as_group: Option<i64>,
    /// Further groups of every process of the pod.
    pub supplemental_groups: Vec<i64>,
    /// Whether the image's groups are added, too.
    pub supplemental_groups_policy: SupplementalGroupsPolicy,
    /// SELinux label of the pod.
    pub selinux: Option<SelinuxOptions>,
    /// Whether a container of the pod is privileged.
    pub privileged: bool,
    /// Seccomp profile of the sandbox process.
    pub seccomp: Option<SeccompProfile>,
    /// Sysctls of the pod's namespaces.
    pub sysctls: BTreeMap<String, String>,
    /// What the pod may use.
    pub resources: Option<PodResources>,
}

/// What tells one try of a pod from all others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SandboxMetadata {
    /// Pod name.
    pub name: String,
    /// Pod namespace.
    pub namespace: String,
    /// Pod UID.
    pub uid: String,
    /// How many sandboxes the pod had before.
    pub attempt: u32,
}

/// The lines of a resolv.conf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsConfig {
    /// `nameserver` lines.
    pub servers: Vec<String>,
    /// Words of the `search` line.
    pub searches: Vec<String>,
    /// Words of the `options` line.
    pub options: Vec<String>,
}

/// One host port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortMapping {
    /// Transport.
    pub protocol: Protocol,
    /// Port in the pod.
    pub container_port: u16,
    /// Port on the host.
    pub host_port: u16,
    /// Address on the host; `None` is all of them.
    pub host_ip: Option<IpAddr>,
}

/// Whose namespace is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NamespaceMode {
    /// One for the whole pod.
    #[default]
    Pod,
    /// One for each container.
    Container,
    /// The host's.
    Node,
    /// That of another container of the pod.
    Target(String),
}

/// The namespaces a pod may choose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// Network: `Pod` or `Node`.
    pub network: NamespaceMode,
    /// Processes: any mode.
    pub pid: NamespaceMode,
    /// System V and POSIX IPC: `Pod` or `Node`.
    pub ipc: NamespaceMode,
    /// Users and groups: the host's, or these ids of it.
    pub user: Option<IdRange>,
}

/// Ids of the host that a pod's users and groups are, from its 0 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    /// The first of the host's.
    pub first: u32,
    /// How many.
    pub length: u32,
}

/// A sandbox as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// Its id.
    pub id: SandboxId,
    /// Which pod it is for, and which try.
    pub metadata: SandboxMetadata,
    /// Whether it can hold containers.
    pub state: SandboxState,
    /// When it was made.
    pub created_at: Timestamp,
    /// Labels as given.
    pub labels: BTreeMap<String, String>,
    /// Annotations as given.
    pub annotations: BTreeMap<String, String>,
}

/// A sandbox with what only its status tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxStatus {
    /// The sandbox.
    pub sandbox: Sandbox,
    /// Its addresses, the primary one first; none for host network.
    pub ips: Vec<IpAddr>,
    /// Whose network it uses.
    pub network: NamespaceMode,
}
