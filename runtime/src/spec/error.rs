//! Why a container cannot be described, and what was bent to describe it.

use std::fmt;

/// Why no spec can be made from a request.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// Neither image nor request names a program.
    #[error("no command: the image has neither entrypoint nor cmd, and the request gives none")]
    NoCommand,
    /// An argument that execve cannot carry.
    #[error("argument {0:?} holds a NUL byte")]
    ArgumentWithNul(String),
    /// A variable name that is no name.
    #[error("{0:?} is no name of an environment variable")]
    EnvName(String),
    /// A value that neither execve nor a spec can carry.
    #[error("the value of environment variable {0} holds a NUL byte or is not UTF-8")]
    EnvValue(String),
    /// A user that is neither a number in range nor a name.
    #[error("{0:?} is neither a user or group name nor a number from 0 to 2147483647")]
    AccountNumber(String),
    /// A name without a passwd line.
    #[error("user {0:?} is not in the image's /etc/passwd")]
    UnknownUser(String),
    /// A name without a group line.
    #[error("group {0:?} is not in the image's /etc/group")]
    UnknownGroup(String),
    /// A line whose numbers are out of range.
    #[error("the image's accounts give {0:?} a number that is not from 0 to 2147483647")]
    AccountEntry(String),
    /// The CRI contract forbids it.
    #[error("a group is requested without a user")]
    GroupWithoutUser,
    /// The kernel's limit.
    #[error("{0} supplementary groups are more than the 65536 a process can have")]
    TooManyGroups(usize),
    /// No such capability.
    #[error("there is no capability {0:?}")]
    UnknownCapability(String),
    /// A working directory that is relative, leaves itself or leads through descriptors.
    #[error("working directory {0:?}: {1}")]
    WorkingDir(String, PathFault),
    /// A volume of the image that is relative or leaves itself.
    #[error("volume {0:?} of the image: {1}")]
    Volume(String, PathFault),
    /// A mount whose destination is relative or leaves itself.
    #[error("mount at {0:?}: {1}")]
    MountDestination(String, PathFault),
    /// A mount whose source is relative or leaves itself.
    #[error("mount of host path {0:?}: {1}")]
    MountSource(String, PathFault),
    /// Two mounts at one place.
    #[error("two mounts are requested at {0:?}")]
    MountTwice(String),
    /// A mount that hides what confines the container.
    #[error("a mount at {0:?} would hide what the runtime itself mounts there")]
    MountForbidden(String),
    /// What recursive read-only asks for cannot be had.
    #[error("mount at {0:?} cannot be recursively read-only: {1}")]
    RecursiveReadOnly(String, &'static str),
    /// What a mount's propagation asks for cannot be had.
    #[error("mount at {0:?} cannot be bidirectional: {1}")]
    Bidirectional(String, &'static str),
    /// A mount of an image that asks for more than its files.
    #[error("mount of an image at {0:?}: {1}")]
    ImageVolume(String, &'static str),
    /// A mount with other ids than its pod's.
    #[error("mount at {0:?} has id mappings that are not those of the pod's user namespace")]
    OtherMapping(String),
    /// A container with another user namespace than its pod's.
    #[error("the container's user namespace is not the one of its sandbox")]
    OtherUserNamespace,
    /// A user or group that the pod's user namespace lacks.
    #[error("user or group {0} does not exist in the pod's user namespace, which has {1} ids")]
    NotMapped(u32, u32),
    /// `Target` without a running target.
    #[error("the container whose pid namespace is to be joined does not run")]
    NoTarget,
    /// Only the pid namespace can be a container's own.
    #[error("{0} namespace mode {1} is not possible")]
    NamespaceMode(&'static str, &'static str),
    /// An empty reference would mean no confinement (CVE-2023-2431).
    #[error("a localhost {0} profile is requested without saying which")]
    EmptyProfile(&'static str),
    /// The caller has no text for the named profile.
    #[error("seccomp profile {0:?} was not read")]
    SeccompProfileMissing(String),
    /// The named profile is not one.
    #[error("seccomp profile {0:?} cannot be understood")]
    SeccompProfile(String, #[source] serde_json::Error),
    /// A profile is requested that nobody can enforce.
    #[error("AppArmor profile {0:?} is requested, and AppArmor is not enabled on this machine")]
    NoAppArmor(String),
    /// The default profile is requested and could not be loaded.
    #[error(
        "the runtime's default AppArmor profile is requested, and it is not loaded: is apparmor_parser installed?"
    )]
    NoDefaultAppArmor,
    /// A context is requested that nobody can enforce.
    #[error("SELinux options are requested, and SELinux is not enabled on this machine")]
    NoSelinux,
    /// The policy knows nothing of containers.
    #[error(
        "SELinux options are requested, and the policy of this machine has no container_t: is container-selinux installed?"
    )]
    NoSelinuxPolicy,
    /// There are more pods than pairs of categories.
    #[error("every pair of SELinux categories is taken by another pod")]
    NoCategories,
    /// A device path outside /dev, or odd permissions.
    #[error("device {0:?}: {1}")]
    Device(String, &'static str),
    /// A resource that makes no sense.
    #[error("resource {0}: {1:?} is not possible")]
    Resource(&'static str, String),
    /// A sysctl that is not the pod's own, or odd.
    #[error("sysctl {0:?} {1}")]
    Sysctl(String, &'static str),
    /// A signal nobody knows.
    #[error("{0:?} is no signal")]
    Signal(String),
    /// A text that cannot be put into a line of a file.
    #[error("{0} {1:?} cannot be a word of a configuration file")]
    FileWord(&'static str, String),
    /// A path that masks or protects nothing.
    #[error("masked or read-only path {0:?}: {1}")]
    ProtectedPath(String, PathFault),
}

/// What is wrong with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathFault {
    /// It does not begin with `/`.
    Relative,
    /// It holds `..`.
    Traversal,
    /// It holds a NUL byte.
    Nul,
    /// It leads through the open files of a process (CVE-2024-21626).
    Descriptor,
    /// It is the root itself.
    Root,
}

impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Relative => "the path is not absolute",
            Self::Traversal => "the path holds '..'",
            Self::Nul => "the path holds a NUL byte",
            Self::Descriptor => "the path leads through open file descriptors",
            Self::Root => "the path is the root directory",
        })
    }
}

/// Where the spec departs from the request because the machine allows no more. For the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// `oom_score_adj` was raised to what this process may set.
    OomScoreAdjRaised {
        /// As asked.
        asked: i32,
        /// As set.
        set: i32,
    },
    /// A capability was added by the request that this process cannot give.
    CapabilityMissing(String),
    /// Swap cannot be limited on this machine.
    SwapNotLimited,
    /// AppArmor is on, and the runtime's default profile is not loaded.
    NoDefaultAppArmor,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OomScoreAdjRaised { asked, set } => {
                write!(
                    f,
                    "oom_score_adj {asked} raised to {set}, the lowest this process may set"
                )
            }
            Self::CapabilityMissing(name) => {
                write!(
                    f,
                    "capability {name} left out: this process does not have it"
                )
            }
            Self::SwapNotLimited => f.write_str("swap is not limited: the kernel cannot"),
            Self::NoDefaultAppArmor => {
                f.write_str("no AppArmor profile: the runtime's default one is not loaded")
            }
        }
    }
}
