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
    /// The group that owns volumes, also added to every process.
    pub fs_group: Option<i64>,
    /// When a volume's files are given to that group.
    pub fs_group_change: FsGroupChange,
    /// Which system calls are allowed.
    pub seccomp: Option<SeccompProfile>,
    /// Kernel parameters of the pod's namespaces.
    pub sysctls: Vec<Sysctl>,
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
    /// Which system calls are allowed.
    pub seccomp: Option<SeccompProfile>,
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

/// One kernel parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctl {
    /// Its dotted name.
    pub name: String,
    /// Its value.
    pub value: String,
}
