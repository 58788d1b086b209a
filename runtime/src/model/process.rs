//! A process to be run in a container, with its whole confinement spelled out.
//!
//! The exec path carries this to the monitor, which applies it field by field or refuses; nothing
//! is left to be looked up later.

use serde::{Deserialize, Serialize};

/// The file mode creation mask of a process whose spec sets none.
pub const DEFAULT_UMASK: u32 = 0o022;

/// One process, ready to be executed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSpec {
    /// Program and arguments; the program is searched in the container's PATH.
    pub args: Vec<String>,
    /// Environment as `NAME=value` bytes, in order.
    pub env: Vec<Vec<u8>>,
    /// Working directory inside the container, absolute.
    pub cwd: String,
    /// User id inside the container.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary group ids.
    pub groups: Vec<u32>,
    /// File mode creation mask, when the spec sets one.
    pub umask: Option<u32>,
    /// Capability sets as bit masks, bit n = capability n.
    pub capabilities: CapabilityMasks,
    /// Whether execve may grant nothing.
    pub no_new_privs: bool,
    /// Resource limits.
    pub rlimits: Vec<Rlimit>,
    /// `oom_score_adj` to set, already clamped to what may be set.
    pub oom_score_adj: Option<i32>,
    /// Whether the container has a compiled seccomp filter that must be loaded.
    pub seccomp: bool,
    /// AppArmor profile to change to on exec.
    pub apparmor_profile: Option<String>,
    /// SELinux label to set on exec.
    pub selinux_label: Option<String>,
}

/// The five capability sets as bit masks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapabilityMasks {
    /// What execve may grant at most.
    pub bounding: u64,
    /// What counts.
    pub effective: u64,
    /// What may be made effective.
    pub permitted: u64,
    /// What survives execve of a file with inheritable capabilities.
    pub inheritable: u64,
    /// What survives execve of any file.
    pub ambient: u64,
}

/// One resource limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// `RLIMIT_*` number of this kernel.
    pub resource: i32,
    /// Soft limit.
    pub soft: u64,
    /// Hard limit.
    pub hard: u64,
}
