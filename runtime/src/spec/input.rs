//! Everything the spec of a container is made from.

use std::path::{Path, PathBuf};

use oci_spec::runtime::LinuxDeviceType;

use super::DeviceMount;
use crate::model::config::{ContainerConfig, Mount, UserNamespace};
use crate::model::selinux::{Context, PodLabels};
use crate::model::{ContainerId, SandboxId};

/// All inputs of [`container_spec`](super::container_spec).
#[derive(Clone, Copy, Debug)]
pub struct SpecInput<'a> {
    /// Id of the container.
    pub id: &'a ContainerId,
    /// What the client asked for.
    pub config: &'a ContainerConfig,
    /// The mounts of `config` with the symlinks of their host paths resolved.
    pub mounts: &'a [Mount],
    /// The devices of `config`, looked up on the host; all of the host's when privileged.
    pub devices: &'a [HostDevice],
    /// Mounts that come with devices.
    pub device_mounts: &'a [DeviceMount],
    /// Text of the seccomp profile that `config` names, when it names a file.
    pub seccomp_profile: Option<&'a str>,
    /// What the image's config says.
    pub image: &'a ImageFacts,
    /// The image's accounts.
    pub accounts: &'a Accounts,
    /// The sandbox the container joins.
    pub sandbox: &'a SandboxFacts,
    /// The machine.
    pub host: &'a HostFacts,
    /// Where the container's root file system gets mounted.
    pub rootfs: &'a Path,
    /// The container's cgroup, absolute below the cgroup root.
    pub cgroup_path: &'a str,
}

/// The part of an image's config that decides how its containers run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// Default program.
    pub entrypoint: Vec<String>,
    /// Default arguments, or program when there is no entrypoint.
    pub cmd: Vec<String>,
    /// Default environment, as `NAME=value`.
    pub env: Vec<String>,
    /// Default working directory; empty is `/`.
    pub working_dir: String,
    /// Default user, as `user[:group]`; empty is root.
    pub user: String,
    /// Signal that asks a container to stop; empty is SIGTERM.
    pub stop_signal: String,
    /// Paths that the image declares as volumes.
    pub volumes: Vec<String>,
}

/// The texts of the image's account files; empty when it has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    /// `/etc/passwd`.
    pub passwd: String,
    /// `/etc/group`.
    pub group: String,
}

/// What a container takes from its sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxFacts {
    /// Id of the sandbox.
    pub id: SandboxId,
    /// Pid of pause, whose namespaces are joined.
    pub pause_pid: i32,
    /// Pid of the container whose pid namespace is joined, for `NamespaceMode::Target`.
    pub target_pid: Option<i32>,
    /// Hostname of the pod; empty on the host network, where it is the host's.
    pub hostname: String,
    /// File shown as `/etc/hostname`, unless the client mounts its own.
    pub hostname_file: Option<PathBuf>,
    /// File shown as `/etc/hosts`, unless the client mounts its own.
    pub hosts_file: Option<PathBuf>,
    /// File shown as `/etc/resolv.conf`, unless the client mounts its own.
    pub resolv_conf: Option<PathBuf>,
    /// Directory shown as `/dev/shm`: the pod's tmpfs, or the host's own with host IPC.
    pub shm_dir: PathBuf,
    /// The pod's user namespace; `None` is the host's.
    pub user_namespace: Option<UserNamespace>,
    /// What its processes and files are to SELinux.
    pub selinux: Option<PodLabels>,
}

impl SandboxFacts {
    /// The directory with the pod's own shared memory; `None` with host IPC.
    pub fn own_shm_dir(&self) -> Option<PathBuf> {
        let is_hosts = self.shm_dir == Path::new("/dev/shm");
        (!is_hosts).then(|| self.shm_dir.clone())
    }
}

/// What the machine, and this process on it, can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFacts {
    /// Name of the machine.
    pub hostname: String,
    /// Capability bounding set of this process, bit n = capability n.
    pub bounding: u64,
    /// The lowest `oom_score_adj` this process may set.
    pub oom_score_adj_floor: i32,
    /// How cgroups are mounted.
    pub cgroup_mode: CgroupMode,
    /// Whether cgroups can limit swap.
    pub swap_limit: bool,
    /// Whether the kernel can make a mount read-only with all that is below it.
    pub recursive_read_only: bool,
    /// Whether pods can have user namespaces: the kernel makes them, and shows files with their ids.
    pub user_namespaces: bool,
    /// AppArmor.
    pub apparmor: AppArmor,
    /// SELinux.
    pub selinux: Selinux,
    /// How many files a container's processes may have open.
    pub open_files: OpenFiles,
}

/// Limits of open files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFiles {
    /// What a process has.
    pub soft: u64,
    /// What it may raise that to.
    pub hard: u64,
}

/// What AppArmor can do for containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppArmor {
    /// The kernel does not have it, or it is off.
    Disabled,
    /// It is on.
    Enabled {
        /// The runtime's own profile, when it is loaded.
        default_profile: Option<String>,
    },
}

/// What SELinux can do for containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selinux {
    /// The kernel does not have it, or there is no policy.
    Disabled,
    /// It is on; what its policy has for containers, if it has anything.
    Enabled(Option<Box<SelinuxPolicy>>),
}

/// What a policy has for containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelinuxPolicy {
    /// What processes are.
    pub process: Context,
    /// What files are.
    pub file: Context,
    /// What processes are that nothing confines.
    pub privileged: Context,
}

/// How cgroups are mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupMode {
    /// One hierarchy a controller.
    V1,
    /// The unified hierarchy alone.
    V2,
}

/// A device node of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostDevice {
    /// Where in the container.
    pub container_path: String,
    /// Character or block.
    pub kind: LinuxDeviceType,
    /// Major number.
    pub major: i64,
    /// Minor number.
    pub minor: i64,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Any of `r`, `w`, `m`.
    pub permissions: String,
}
