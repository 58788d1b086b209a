//! What a client asked for, in our own types: the CRI v1 requests decoded once at the edge.
//!
//! Field for field after cri-api v0.37; what CRI leaves to strings and magic numbers is an enum or
//! an `Option` here. These types are also what the records on disk hold, so a field may be added
//! with `#[serde(default)]` but never renamed.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::selinux::SelinuxOptions;

/// Labels or annotations, sorted by key.
pub type StringMap = BTreeMap<String, String>;

/// `PodSandboxConfig`: what a pod sandbox is made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SandboxConfig {
    /// Which pod it is for, and which try.
    pub metadata: PodMetadata,
    /// Hostname of the pod; empty for host network pods.
    pub hostname: String,
    /// Directory below which container log files are written; empty means no logs.
    pub log_directory: String,
    /// The pod's resolv.conf; `None` keeps the host's.
    pub dns: Option<DnsConfig>,
    /// Host ports that lead to the pod.
    pub port_mappings: Vec<PortMapping>,
    /// Kept and returned exactly as given.
    pub labels: StringMap,
    /// Kept and returned exactly as given.
    pub annotations: StringMap,
    /// Cgroup below which the sandbox and its containers are put; empty means the runtime's own.
    pub cgroup_parent: String,
    /// Namespaces and identity of the sandbox process.
    pub security: SandboxSecurity,
    /// Namespaced sysctls, name to value.
    pub sysctls: StringMap,
    /// The runtime handler named in the request; empty is the default one.
    pub runtime_handler: String,
    /// What the client has given the pod's own cgroup.
    #[serde(default)]
    pub resources: PodResources,
}

/// What a pod as a whole may use, as its client says: its cgroup is the client's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodResources {
    /// What its containers are given together.
    pub containers: Option<Resources>,
    /// What running the pod takes besides.
    pub overhead: Option<Resources>,
}

/// `PodSandboxMetadata`: (uid, attempt) names a sandbox uniquely.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PodMetadata {
    /// Pod name.
    pub name: String,
    /// Pod UID.
    pub uid: String,
    /// Pod namespace.
    pub namespace: String,
    /// How often this pod's sandbox was made before.
    pub attempt: u32,
}

/// `DNSConfig`: the lines of a resolv.conf.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsConfig {
    /// `nameserver` lines.
    pub servers: Vec<String>,
    /// The words of the `search` line.
    pub searches: Vec<String>,
    /// The words of the `options` line.
    pub options: Vec<String>,
}

/// `PortMapping`: one host port that leads to the pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortMapping {
    /// Transport.
    pub protocol: Protocol,
    /// Port inside the pod.
    pub container_port: u16,
    /// Port on the host.
    pub host_port: u16,
    /// Address on the host; `None` is every address.
    pub host_ip: Option<IpAddr>,
}

/// Transport of a host port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// Its number in an IP header.
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        })
    }
}

/// Whose namespace a process uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NamespaceMode {
    /// One for all containers of the pod.
    #[default]
    Pod,
    /// One for each container.
    Container,
    /// The host's.
    Node,
    /// That of another container of the pod, by id.
    Target(String),
}

/// `NamespaceOption`: network, pid and ipc.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespaces {
    /// `Pod` or `Node`.
    pub network: NamespaceMode,
    /// Any mode.
    pub pid: NamespaceMode,
    /// `Pod` or `Node`.
    pub ipc: NamespaceMode,
    /// User namespace of the pod; `None` is the host's.
    #[serde(default)]
    pub user: Option<UserNamespace>,
}

/// `UserNamespace` of mode POD: one range of ids of the host that the pod's ids, from 0 on, stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserNamespace {
    /// The host's user id that is 0 in the pod.
    pub uid: u32,
    /// The host's group id that is 0 in the pod.
    pub gid: u32,
    /// How many ids there are.
    pub length: u32,
}

impl UserNamespace {
    /// Whether this user or group id exists in the pod.
    pub fn has(&self, id: u32) -> bool {
        id < self.length
    }

    /// The host's user and group id of this pair, if both exist in the pod.
    pub fn on_host(&self, uid: u32, gid: u32) -> Option<(u32, u32)> {
        (self.has(uid) && self.has(gid)).then(|| (self.uid + uid, self.gid + gid))
    }
}

/// `LinuxSandboxSecurityContext`, as far as it is carried out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SandboxSecurity {
    /// Namespaces of the sandbox.
    pub namespaces: Namespaces,
    /// Uid of the sandbox process; `None` is pause's own default.
    pub run_as_user: Option<u32>,
    /// Gid of the sandbox process.
    pub run_as_group: Option<u32>,
    /// Supplemental groups of the sandbox process.
    pub supplemental_groups: Vec<u32>,
    /// Whether a container of the pod may be privileged.
    pub privileged: bool,
    /// Seccomp profile of the sandbox process.
    pub seccomp: SecurityProfile,
    /// What is named of its SELinux context, which is also its containers'.
    #[serde(default)]
    pub selinux: Option<SelinuxOptions>,
}

/// `SecurityProfile` of seccomp or AppArmor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SecurityProfile {
    /// The runtime's own profile.
    RuntimeDefault,
    /// No confinement; also what an absent field means.
    #[default]
    Unconfined,
    /// A profile of the node: a file path for seccomp, a loaded profile's name for AppArmor.
    Localhost(String),
}

/// `ContainerConfig`: what a container is made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainerConfig {
    /// Which container of the pod it is, and which try.
    pub metadata: ContainerMetadata,
    /// The image to use, by id or any name it has.
    pub image: String,
    /// The image as the user wrote it; empty when the client does not say.
    pub user_specified_image: String,
    /// Replaces the image's entrypoint when not empty.
    pub command: Vec<String>,
    /// Replaces the image's cmd when not empty.
    pub args: Vec<String>,
    /// Replaces the image's working directory when not empty.
    pub working_dir: String,
    /// Environment, in order; a value may be any bytes but NUL.
    pub envs: Vec<EnvVar>,
    /// Mounts, in order.
    pub mounts: Vec<Mount>,
    /// Host devices.
    pub devices: Vec<Device>,
    /// Kept and returned exactly as given.
    pub labels: StringMap,
    /// Kept and returned exactly as given.
    pub annotations: StringMap,
    /// Log file below the sandbox's log directory; empty means no log.
    pub log_path: String,
    /// Whether the container has a stdin that clients can attach to.
    pub stdin: bool,
    /// Whether stdin closes when the first attached client leaves.
    pub stdin_once: bool,
    /// Whether it gets a terminal.
    pub tty: bool,
    /// Cgroup limits.
    pub resources: Resources,
    /// Identity and confinement.
    pub security: ContainerSecurity,
    /// Qualified CDI device names.
    pub cdi_devices: Vec<String>,
    /// Signal that asks it to stop, as a number; `None` is the image's, else SIGTERM.
    pub stop_signal: Option<i32>,
}

/// `ContainerMetadata`: (sandbox, name, attempt) names a container uniquely.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContainerMetadata {
    /// Container name within the pod.
    pub name: String,
    /// How often it was made before.
    pub attempt: u32,
}

/// One environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvVar {
    /// Name: not empty, without `=` and NUL.
    pub name: String,
    /// Value (bytes since cri-api 0.37).
    pub value: Vec<u8>,
}

/// `Mount`: a host path shown in the container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Where in the container, absolute.
    pub container_path: String,
    /// What on the host, absolute.
    pub host_path: String,
    /// Read-only.
    pub readonly: bool,
    /// Read-only with everything mounted below it.
    pub recursive_read_only: bool,
    /// Whether its files become the container's to SELinux too.
    #[serde(default)]
    pub selinux_relabel: bool,
    /// How mount events travel.
    pub propagation: Propagation,
    /// The ids that its files are shown with; must be the pod's.
    #[serde(default)]
    pub mapping: Option<UserNamespace>,
    /// The image whose files are shown, instead of a host path.
    #[serde(default)]
    pub image: Option<ImageSource>,
    /// What its files cannot do.
    #[serde(default)]
    pub options: Vec<MountOption>,
}

/// `Mount.image`: the files of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSource {
    /// By id or any name it has.
    pub image: String,
    /// As the user wrote it; empty when the client does not say.
    pub user_specified_image: String,
    /// The file or directory of the image that is shown; empty is its root.
    pub sub_path: String,
}

/// One of `Mount.mount_options`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountOption {
    /// No program can be executed.
    NoExec,
    /// No device can be opened.
    NoDev,
    /// No program gets more than its caller has.
    NoSuid,
}

impl MountOption {
    /// Every option there is.
    pub const ALL: [Self; 3] = [Self::NoExec, Self::NoDev, Self::NoSuid];

    /// Its name, as the contract, the OCI spec and mount(8) have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoExec => "noexec",
            Self::NoDev => "nodev",
            Self::NoSuid => "nosuid",
        }
    }
}

/// `MountPropagation`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Propagation {
    /// Neither way (rprivate).
    #[default]
    Private,
    /// Host mounts appear in the container (rslave).
    HostToContainer,
    /// Both ways (rshared).
    Bidirectional,
}

/// `Device`: a host device shown in the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Where in the container.
    pub container_path: String,
    /// What on the host.
    pub host_path: String,
    /// Any of `r`, `w`, `m`.
    pub permissions: String,
}

/// `LinuxContainerResources`; zero in CRI is `None` here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// CFS period in microseconds.
    pub cpu_period: Option<u64>,
    /// CFS quota in microseconds a period; negative is unlimited.
    pub cpu_quota: Option<i64>,
    /// Relative weight, 2 to 262144, as cgroup v1 counts.
    pub cpu_shares: Option<u64>,
    /// Memory limit in bytes.
    pub memory_limit: Option<i64>,
    /// Memory and swap limit in bytes.
    pub memory_swap_limit: Option<i64>,
    /// -1000 to 1000, as asked; what the process may set decides.
    pub oom_score_adj: i32,
    /// CPUs, as `0-2,7`.
    pub cpuset_cpus: String,
    /// Memory nodes, as `0-1`.
    pub cpuset_mems: String,
    /// Page size (`2MB`) to limit in bytes.
    pub hugepage_limits: BTreeMap<String, u64>,
    /// cgroup v2 file name to value.
    pub unified: StringMap,
}

/// `LinuxContainerSecurityContext`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainerSecurity {
    /// Capabilities over and under the default set.
    pub capabilities: Capabilities,
    /// All capabilities and devices, no masked paths, writable /sys and /proc.
    pub privileged: bool,
    /// Namespaces of the container.
    pub namespaces: Namespaces,
    /// Who it runs as.
    pub user: RunAs,
    /// Root file system read-only.
    pub readonly_rootfs: bool,
    /// Groups besides the primary one.
    pub supplemental_groups: Vec<u32>,
    /// Whether the image's /etc/group counts too.
    pub supplemental_groups_policy: SupplementalGroupsPolicy,
    /// execve can grant nothing.
    pub no_new_privs: bool,
    /// Paths that show as empty.
    pub masked_paths: Vec<String>,
    /// Paths that are read-only.
    pub readonly_paths: Vec<String>,
    /// Seccomp profile.
    pub seccomp: SecurityProfile,
    /// AppArmor profile; `None` when the client says nothing, which is not the same as unconfined.
    pub apparmor: Option<SecurityProfile>,
    /// What is named of its SELinux context; the rest is its pod's.
    #[serde(default)]
    pub selinux: Option<SelinuxOptions>,
}

/// User and group, before the image has its say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunAs {
    /// Numeric user; wins over `username`.
    pub uid: Option<u32>,
    /// User by name, looked up in the image's /etc/passwd.
    pub username: String,
    /// Numeric primary group.
    pub gid: Option<u32>,
}

/// `Capability`: names without `CAP_`, or `ALL`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Added to the default set.
    pub add: Vec<String>,
    /// Taken from it.
    pub drop: Vec<String>,
    /// Ambient too.
    pub add_ambient: Vec<String>,
}

/// `SupplementalGroupsPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SupplementalGroupsPolicy {
    /// The request's groups and those of the image's /etc/group.
    #[default]
    Merge,
    /// Only the request's groups.
    Strict,
}
