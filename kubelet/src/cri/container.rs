//! Containers: what is asked for and what the runtime has.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{ImageReference, Namespaces};
use crate::model::{
    AppArmorProfile, Capabilities, ContainerId, ContainerState, SandboxId, SeccompProfile,
    SelinuxOptions, SupplementalGroupsPolicy, Told,
};

/// What a container is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerConfig {
    /// Which container of the pod it is, and which try.
    pub metadata: ContainerMetadata,
    /// The image, which is present.
    pub image: ImageReference,
    /// Replaces the image's entrypoint unless empty.
    pub command: Vec<String>,
    /// Replaces the image's arguments unless empty.
    pub args: Vec<String>,
    /// Replaces the image's working directory unless empty.
    pub working_dir: String,
    /// Environment, in order.
    pub env: Vec<EnvVar>,
    /// Mounts, in order.
    pub mounts: Vec<Mount>,
    /// Devices of the host.
    pub devices: Vec<Device>,
    /// Devices by their CDI names.
    pub cdi_devices: Vec<String>,
    /// Labels, by which the container is found again.
    pub labels: BTreeMap<String, String>,
    /// Annotations that bring the kubelet's own facts back after a restart.
    pub annotations: BTreeMap<String, String>,
    /// Log file below the sandbox's log directory.
    pub log_path: String,
    /// Whether standard input can be attached.
    pub stdin: bool,
    /// Whether standard input closes after the first attach.
    pub stdin_once: bool,
    /// Whether the process gets a terminal.
    pub tty: bool,
    /// Limits and weights.
    pub resources: Resources,
    /// Identity and confinement.
    pub security: ContainerSecurity,
}

/// What tells one try of a container from all others of its pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerMetadata {
    /// Container name.
    pub name: String,
    /// How many containers of this name the pod had before.
    pub attempt: u32,
}

/// One environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvVar {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// One device of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Where in the container.
    pub container_path: String,
    /// What of the host.
    pub host_path: String,
    /// `r`, `w` and `m`.
    pub permissions: String,
}

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where in the container.
    pub container_path: String,
    /// What of the host.
    pub host_path: String,
    /// Whether it is read-only.
    pub read_only: bool,
    /// Whether what is mounted below it is read-only, too.
    pub recursive_read_only: bool,
    /// Whether the files get the pod's SELinux label.
    pub selinux_relabel: bool,
    /// Which way later mounts below it are seen.
    pub propagation: MountPropagation,
    /// The image whose files it shows instead of the host's, which is present.
    pub image: Option<ImageMount>,
}

/// The files of an image as a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageMount {
    /// Which image.
    pub image: ImageReference,
    /// What of it; empty is all.
    pub sub_path: String,
}

/// Which way later mounts are seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MountPropagation {
    /// Neither.
    #[default]
    Private,
    /// From the host in the container.
    HostToContainer,
    /// Both ways.
    Bidirectional,
}

/// Limits and weights of a container's cgroup; zero means not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Length of a CPU period in microseconds.
    pub cpu_period: i64,
    /// CPU time per period in microseconds.
    pub cpu_quota: i64,
    /// Relative weight.
    pub cpu_shares: i64,
    /// Bytes of memory.
    pub memory_limit: i64,
    /// Bytes of memory and swap together.
    pub memory_swap_limit: i64,
    /// OOM score adjustment.
    pub oom_score_adj: i64,
    /// The CPUs that may be used, as a list; all when empty.
    pub cpuset_cpus: String,
    /// The nodes whose memory may be used, as a list; all when empty.
    pub cpuset_mems: String,
    /// Bytes of huge pages, by size.
    pub huge_pages: BTreeMap<String, u64>,
    /// Further files of a unified hierarchy, by name.
    pub unified: BTreeMap<String, String>,
}

/// What a whole pod may use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodResources {
    /// What it takes beside its containers.
    pub overhead: Resources,
    /// All its containers together.
    pub containers: Resources,
}

/// Identity and confinement of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerSecurity {
    /// Whether nearly all confinement is off.
    pub privileged: bool,
    /// Capabilities added to and dropped from the default set.
    pub capabilities: Capabilities,
    /// Namespaces.
    pub namespaces: Namespaces,
    /// Numeric user.
    pub run_as_user: Option<i64>,
    /// Numeric group.
    pub run_as_group: Option<i64>,
    /// User by name, when there is no number.
    pub run_as_username: String,
    /// Further groups.
    pub supplemental_groups: Vec<i64>,
    /// Whether the image's groups are added, too.
    pub supplemental_groups_policy: SupplementalGroupsPolicy,
    /// Whether the root filesystem is read-only.
    pub read_only_root: bool,
    /// Whether `execve` can never raise privileges.
    pub no_new_privs: bool,
    /// Paths hidden in the container.
    pub masked_paths: Vec<String>,
    /// Paths read-only in the container.
    pub read_only_paths: Vec<String>,
    /// Seccomp profile.
    pub seccomp: Option<SeccompProfile>,
    /// AppArmor profile.
    pub app_armor: Option<AppArmorProfile>,
    /// SELinux label.
    pub selinux: Option<SelinuxOptions>,
}

/// A container as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its id.
    pub id: ContainerId,
    /// Its sandbox.
    pub sandbox: SandboxId,
    /// Which container of the pod it is, and which try.
    pub metadata: ContainerMetadata,
    /// What it does now.
    pub phase: ContainerPhase,
    /// When it was made.
    pub created_at: Timestamp,
    /// Labels as given.
    pub labels: BTreeMap<String, String>,
    /// The image's id, or what the runtime calls it instead.
    pub image_id: String,
}

/// What a container does, without details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerPhase {
    /// Made, never started.
    Created,
    /// Runs.
    Running,
    /// Ended.
    Exited,
    /// The runtime does not know.
    Unknown,
}

impl ContainerPhase {
    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Exited => "exited",
            Self::Unknown => "unknown",
        }
    }
}

/// A container with what only its status tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerStatus {
    /// Its id.
    pub id: ContainerId,
    /// Which container of the pod it is, and which try.
    pub metadata: ContainerMetadata,
    /// What it does now.
    pub state: ContainerState,
    /// When it was made.
    pub created_at: Timestamp,
    /// The image as it was asked for.
    pub image: String,
    /// The image's id or digest.
    pub image_id: String,
    /// Labels as given.
    pub labels: BTreeMap<String, String>,
    /// Annotations as given.
    pub annotations: BTreeMap<String, String>,
    /// Its log file.
    pub log_path: String,
    /// The images that it has mounted, by every name that the runtime gives them.
    pub mounted_images: Vec<String>,
    /// What is for people.
    pub told: Told,
}

/// What a command in a container came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecOutput {
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// Its exit code.
    pub exit_code: i32,
}
