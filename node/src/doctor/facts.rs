//! What was found on the machine, before anybody judges it.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use podling_runtime::cgroup::CgroupDriver;

/// What came of trying something.
pub(super) type Trial = Result<(), String>;

/// Everything that is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// What the kernel was asked to do.
    pub(super) kernel: Kernel,
    /// Cgroups.
    pub(super) cgroups: Cgroups,
    /// Sysctls by name; those that the kernel does not have are left out.
    pub(super) sysctls: BTreeMap<&'static str, String>,
    /// CNI.
    pub(super) cni: Cni,
    /// This process.
    pub(super) process: Process,
    /// The file system that images lie on.
    pub(super) disk: Disk,
    /// Active security modules, as the kernel lists them; `None` when it does not say.
    pub(super) security_modules: Option<String>,
    /// Whether `apparmor_parser` is installed.
    pub(super) has_apparmor_parser: bool,
    /// Whether SELinux is on with a policy that knows nothing of containers.
    pub(super) lacks_container_labels: bool,
    /// Addresses that podling listens on, and whether they are free or already podling's.
    pub(super) addresses: Vec<(String, Trial)>,
    /// Sockets of other runtimes that answer.
    pub(super) other_runtimes: Vec<PathBuf>,
    /// Whether this node's daemon answers.
    pub(super) is_running: bool,
    /// Seconds since 1970.
    pub(super) now: i64,
    /// What is wrong with the configuration.
    pub(super) configuration: Trial,
    /// Programs of this build that are not beside the command.
    pub(super) missing_programs: Vec<PathBuf>,
}

/// Trials of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kernel {
    /// `6.1.0-18-amd64`.
    pub(super) release: String,
    /// An overlay on the file system of images.
    pub(super) overlay: Trial,
    /// A user namespace, and the files of images shown with its ids.
    pub(super) user_namespaces: Trial,
    /// A filter.
    pub(super) seccomp: Trial,
    /// A pidfd.
    pub(super) pidfd: Trial,
    /// Bridge, veth, nf_tables with NAT.
    pub(super) network: Trial,
    /// Whether connections are tracked.
    pub(super) conntrack: bool,
}

/// Cgroups as they are mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cgroups {
    /// Controllers of the unified hierarchy, if it is the only one.
    pub(super) unified: Option<Vec<String>>,
    /// Controllers of version 1 that are mounted.
    pub(super) legacy: Vec<String>,
    /// A cgroup for pods, made and removed.
    pub(super) made: Trial,
    /// Who is to make the upper ones, as configured.
    pub(super) driver: CgroupDriver,
    /// Whether systemd answers, if it runs the machine.
    pub(super) systemd: Option<Trial>,
}

/// CNI on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cni {
    /// Where configurations are looked for.
    pub(super) conf_dir: PathBuf,
    /// Whether nothing but CNI may be used.
    pub(super) is_required: bool,
    /// Configurations that are there.
    pub(super) configurations: Vec<String>,
    /// Types of plugins that the first of them names, and that are in none of the directories.
    pub(super) missing_plugins: Vec<String>,
}

/// This process, which has what the daemon will have when it is started likewise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    /// Whether it is root.
    pub(super) is_root: bool,
    /// Effective capabilities.
    pub(super) capabilities: u64,
    /// Soft limit of open files.
    pub(super) open_files: u64,
}

/// The file system that images lie on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Disk {
    /// Its directory.
    pub(super) path: PathBuf,
    /// `ext4`, `xfs`, `overlay` and so on.
    pub(super) kind: String,
    /// Bytes free for root, and in all.
    pub(super) free: u64,
    /// See `free`.
    pub(super) size: u64,
    /// Inodes free, and in all; none in all when the file system does not count.
    pub(super) free_inodes: u64,
    /// See `free_inodes`.
    pub(super) inodes: u64,
}
