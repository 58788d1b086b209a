//! Who a pod and its containers run as, and what they may do.

/// User and group; a container's values go before its pod's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecurityIdentity {
    /// User id; `None` is the image's.
    pub run_as_user: Option<i64>,
    /// Group id; `None` is the image's.
    pub run_as_group: Option<i64>,
    /// Refuses to start as user 0.
    pub run_as_non_root: Option<bool>,
}

impl SecurityIdentity {
    /// This, and where it says nothing, what `general` says.
    pub fn or(self, general: Self) -> Self {
        Self {
            run_as_user: self.run_as_user.or(general.run_as_user),
            run_as_group: self.run_as_group.or(general.run_as_group),
            run_as_non_root: self.run_as_non_root.or(general.run_as_non_root),
        }
    }
}

/// What holds for all containers of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodSecurity {
    /// User and group.
    pub identity: SecurityIdentity,
    /// Groups added to every process.
    pub supplemental_groups: Vec<i64>,
    /// Whether the groups that the image gives its user are added, too.
    pub supplemental_groups_policy: SupplementalGroupsPolicy,
    /// The group that owns volumes, also added to every process.
    pub fs_group: Option<i64>,
    /// When a volume's files are given to that group.
    pub fs_group_change: FsGroupChange,
    /// Which system calls are allowed.
    pub seccomp: Option<SeccompProfile>,
    /// Which files and capabilities are allowed.
    pub app_armor: Option<AppArmorProfile>,
    /// The label of its processes.
    pub selinux: Option<SelinuxOptions>,
    /// Kernel parameters of the pod's namespaces.
    pub sysctls: Vec<Sysctl>,
}

/// Whether the groups that an image gives its user are added to its processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SupplementalGroupsPolicy {
    /// They are.
    #[default]
    Merge,
    /// They are not: only what the pod says counts.
    Strict,
}

/// When the files of a volume are given to the pod's group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FsGroupChange {
    /// Whenever the volume is made ready.
    #[default]
    Always,
    /// When its top does not belong to the group already.
    OnRootMismatch,
}

/// What holds for one container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerSecurity {
    /// User and group.
    pub identity: SecurityIdentity,
    /// Everything is allowed.
    pub privileged: bool,
    /// The root file system is mounted read-only.
    pub read_only_root: bool,
    /// Whether a process may gain more rights than its parent.
    pub allow_privilege_escalation: Option<bool>,
    /// Capabilities beyond or below the runtime's default.
    pub capabilities: Capabilities,
    /// Whether parts of /proc are hidden.
    pub proc_mount: ProcMount,
    /// Which system calls are allowed.
    pub seccomp: Option<SeccompProfile>,
    /// Which files and capabilities are allowed.
    pub app_armor: Option<AppArmorProfile>,
    /// The label of its processes.
    pub selinux: Option<SelinuxOptions>,
}

/// Whether parts of /proc are hidden from a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ProcMount {
    /// What tells or changes too much of the host is.
    #[default]
    Default,
    /// Nothing is.
    Unmasked,
}

/// Capabilities beyond or below the runtime's default, without `CAP_`, or `ALL`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Given.
    pub add: Vec<String>,
    /// Taken.
    pub drop: Vec<String>,
}

/// Which system calls are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeccompProfile {
    /// What the runtime thinks right.
    RuntimeDefault,
    /// All.
    Unconfined,
    /// What a file below the kubelet's seccomp directory says.
    Localhost(String),
}

/// Which files and capabilities are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppArmorProfile {
    /// What the runtime thinks right.
    RuntimeDefault,
    /// All.
    Unconfined,
    /// What the profile of this name says, which the node has loaded.
    Localhost(String),
}

/// The label of a container's processes; what is empty is the runtime's choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelinuxOptions {
    /// The user.
    pub user: String,
    /// The role.
    pub role: String,
    /// The type.
    pub kind: String,
    /// The level.
    pub level: String,
}

/// One kernel parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctl {
    /// Its dotted name.
    pub name: String,
    /// Its value.
    pub value: String,
}
