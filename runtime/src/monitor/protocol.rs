//! What the daemon and a monitor say to each other.
//!
//! One request per connection on `<run dir>/monitor.sock`, answered by one reply; three kinds stay
//! open: `Exec` (a second reply comes when the process has ended, and closing the connection before
//! kills it), `Attach` (a second reply says why it ended, and closing the connection before ends it)
//! and `Subscribe` (a reply for every event). Bodies are JSON.
#![deny(clippy::disallowed_methods)]

mod session;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::config::UserNamespace;
use crate::model::container::ExitStatus;
use crate::model::handler::OciRuntime;
use crate::model::{ContainerId, SandboxId};
use crate::snapshot::{ImageTree, Overlay};

pub use session::{AttachCall, Detached, ExecCall, ExecFailure, ExecRequest, Stream};

/// What a monitor is started with: the pod's namespaces and the process that holds them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxSpec {
    /// The sandbox.
    pub id: SandboxId,
    /// The pause program.
    pub pause: PathBuf,
    /// The podling-launch program.
    pub launch: PathBuf,
    /// Hostname of the pod; ignored on the host's network, where the host's name shows.
    pub hostname: String,
    /// Network namespace. The UTS namespace goes with it, as the hostname does.
    pub network: PodNamespace,
    /// IPC namespace.
    pub ipc: PodNamespace,
    /// Pid namespace of pause, which containers may share.
    pub pid: PodNamespace,
    /// Sysctls of the pod's own namespaces, path below `/proc/sys` to value; checked by the daemon.
    pub sysctls: BTreeMap<String, String>,
    /// Who pause runs as.
    pub user: PauseUser,
    /// Cgroup directories that pause joins: one of every v1 hierarchy, or the single v2 one.
    pub cgroup_dirs: Vec<PathBuf>,
    /// Wanted `oom_score_adj` of pause; what may not be set is clamped.
    pub oom_score_adj: i32,
    /// Size of the pod's /dev/shm in bytes.
    pub shm_size: u64,
    /// Which system calls pause may make.
    #[serde(default)]
    pub filter: PauseFilter,
    /// The ids of the user namespace that owns all the others; `None` is the host's.
    #[serde(default)]
    pub user_namespace: Option<UserNamespace>,
    /// SELinux labels; `None` without SELinux.
    #[serde(default)]
    pub labels: Option<PauseLabels>,
}

/// SELinux labels of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseLabels {
    /// What pause changes to.
    pub process: String,
    /// What its program and the pod's shared memory are.
    pub mount: String,
}

impl PauseLabels {
    /// What is added to the options of a mount.
    pub fn mount_option(&self) -> String {
        format!(",context=\"{}\"", self.mount)
    }
}

/// Which system calls pause may make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PauseFilter {
    /// All.
    #[default]
    None,
    /// Those that it makes.
    Own,
}

/// Whose namespace the pod uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PodNamespace {
    /// One of its own.
    New,
    /// The host's.
    Host,
}

/// Uid, gid and groups of pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseUser {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// The sandbox is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseStarted {
    /// Pid of pause on the host; `/proc/<pid>/ns/*` are the pod's namespaces.
    pub pid: i32,
}

/// One request of a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// What runs, and what has ended.
    State,
    /// Create and start a container.
    Launch(LaunchRequest),
    /// Send a signal to a container's first process.
    Signal {
        /// Which container.
        container_id: ContainerId,
        /// Signal number.
        signal: i32,
    },
    /// SIGKILL everything that runs in a container.
    Kill {
        /// Which container.
        container_id: ContainerId,
    },
    /// Open a container's log file anew (after it was rotated).
    ReopenLog {
        /// Which container.
        container_id: ContainerId,
    },
    /// Forget an ended container and its exit record.
    Forget {
        /// Which container.
        container_id: ContainerId,
    },
    /// Run one more process in a container; its descriptors come with the message.
    Exec(ExecCall),
    /// Connect to a container's streams; where output goes comes with the message.
    Attach(AttachCall),
    /// Keep the connection open and send every event.
    Subscribe,
    /// Kill everything, write the records, exit.
    Shutdown,
}

/// One answer of a monitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The sandbox is up (on the socket the monitor was started with).
    Started(PauseStarted),
    /// Answer to `State`.
    State(MonitorState),
    /// Answer to `Launch`.
    Launched(Launched),
    /// `Launch` failed; nothing of the container is left.
    LaunchFailed(LaunchFailure),
    /// The process of an `Exec` runs. With a terminal, its master comes with the message.
    ExecStarted {
        /// Its pid on the host.
        pid: i32,
    },
    /// The process of an `Exec` could not be started.
    ExecFailed(ExecFailure),
    /// The process of an `Exec` has ended.
    ExecExited {
        /// Its code; 128 + n when signal n killed it.
        code: i32,
    },
    /// Connected to a container's streams. One descriptor comes with the message if either is true:
    /// the terminal's master, else the pipe that leads to stdin.
    Attached {
        /// Whether the container has a terminal.
        terminal: bool,
        /// Whether the client may write to stdin.
        stdin: bool,
    },
    /// The end of an `Attach`.
    Detached(Detached),
    /// An event, to a subscriber.
    Event(MonitorEvent),
    /// Done, nothing to say.
    Done,
    /// No such container here, or not one that the request fits.
    NoContainer {
        /// The whole sentence.
        message: String,
    },
    /// The request failed.
    Failed {
        /// The whole sentence.
        message: String,
    },
}

/// Everything a monitor knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonitorState {
    /// Pid of pause while it runs.
    pub pause: Option<i32>,
    /// Every container that was launched here and not forgotten.
    pub containers: Vec<ContainerReport>,
}

/// One container of a monitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerReport {
    /// Which one.
    pub id: ContainerId,
    /// How far it is.
    pub status: ContainerStatus,
}

/// How far a container is, as its monitor knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContainerStatus {
    /// podling-launch is at work on it.
    Launching,
    /// It runs.
    Running {
        /// Pid of its first process on the host.
        pid: i32,
        /// Nanoseconds since the epoch.
        started_at: i64,
    },
    /// It has ended.
    Exited(ExitRecord),
}

/// How a container ended; also what `exits/<container id>.json` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// Which container.
    pub container_id: ContainerId,
    /// Pid its first process had on the host.
    pub pid: i32,
    /// Nanoseconds since the epoch.
    pub started_at: i64,
    /// Nanoseconds since the epoch.
    pub finished_at: i64,
    /// Exit code; 128 + n when signal n killed it.
    pub code: i32,
    /// Whether the OOM killer struck in its cgroup.
    pub oom_killed: bool,
    /// Log lines that could not be written, for want of space most likely.
    #[serde(default)]
    pub log_lines_lost: u64,
}

impl ExitRecord {
    /// The same in the words of a container's record.
    pub fn exit_status(&self) -> ExitStatus {
        ExitStatus::Code {
            code: self.code,
            oom_killed: self.oom_killed,
        }
    }
}

/// What happened, told to subscribers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MonitorEvent {
    /// A container has ended; its record is on disk and its log complete.
    ContainerExited(ExitRecord),
    /// Pause has ended: the sandbox is gone.
    PauseExited,
}

/// Create and start one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchRequest {
    /// The container.
    pub container_id: ContainerId,
    /// Directory with `config.json`; `seccomp.bpf` is written there.
    pub bundle: PathBuf,
    /// Its root file system.
    pub overlay: Overlay,
    /// Directories that must exist in it: made beneath it, never followed out of it.
    pub directories: Vec<String>,
    /// Cgroup directories that it joins: one of every v1 hierarchy, or the single v2 one.
    pub cgroup_dirs: Vec<PathBuf>,
    /// The CRI log file; without one, output is read and dropped.
    pub log_path: Option<PathBuf>,
    /// Whether it gets a terminal.
    pub tty: bool,
    /// Whether its stdin stays open (otherwise it is /dev/null).
    pub stdin: bool,
    /// Whether stdin closes when the first attached client leaves.
    pub stdin_once: bool,
    /// A directory on the file system of the bundles where compiled seccomp profiles are kept;
    /// without one, every launch compiles.
    #[serde(default)]
    pub seccomp_cache: Option<PathBuf>,
    /// The directory that only the pod's monitor sees with the pod's shared memory on it.
    #[serde(default)]
    pub shm_dir: Option<PathBuf>,
    /// Mounts of the spec whose source is an image, not a host path.
    #[serde(default)]
    pub image_volumes: Vec<ImageTree>,
    /// User and group of the host that own what is made in the root file system.
    #[serde(default)]
    pub owner: (u32, u32),
    /// The OCI runtime that makes it, if that is not podling-launch itself.
    #[serde(default)]
    pub oci: Option<OciLaunch>,
}

impl LaunchRequest {
    /// The cgroup directories that podling-launch works in.
    pub fn working_cgroup(&self) -> &[PathBuf] {
        match &self.oci {
            Some(oci) => &oci.cgroup_dirs,
            None => &self.cgroup_dirs,
        }
    }
}

/// A container is made by an OCI runtime of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OciLaunch {
    /// Which one.
    pub runtime: OciRuntime,
    /// Where it keeps what it must know of the pod's containers.
    pub state: PathBuf,
    /// Cgroup directories that podling-launch and the runtime work in, because the runtime wants the
    /// container's empty; the monitor makes them.
    #[serde(default)]
    pub cgroup_dirs: Vec<PathBuf>,
}

/// A container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launched {
    /// Pid of its first process on the host.
    pub pid: i32,
    /// Nanoseconds since the epoch.
    pub started_at: i64,
}

/// Why a container could not be launched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct LaunchFailure {
    /// What was being done.
    pub stage: LaunchStage,
    /// What went wrong, for people.
    pub message: String,
    /// 127: no such program; 126: cannot be executed; 128: anything else.
    pub code: i32,
}

/// The steps of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LaunchStage {
    /// The request itself, or the monitor's part before podling-launch runs.
    Request,
    /// Reading and checking the OCI spec.
    Spec,
    /// Joining the cgroups.
    Cgroup,
    /// Mounting the root file system.
    Rootfs,
    /// Compiling the seccomp profile.
    Seccomp,
    /// Namespaces, mounts and privileges, done by libcontainer.
    Create,
    /// Checking that masked and read-only paths are what they should be.
    Verify,
    /// Executing the program.
    Exec,
}
