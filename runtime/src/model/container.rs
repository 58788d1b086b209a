//! The record of one container: what was asked, and how far it has come.
//!
//! ```text
//! Reserved ──► Created ──► Starting ──► Running ──► Exited
//!     └───────────┴───────────┴────────────┴─────────►┘
//! ```
//!
//! `Starting` is recorded before the monitor is asked to launch: after a crash the monitor, which
//! survives, says whether the container runs, has ended, or never began.

use serde::{Deserialize, Serialize};

use super::config::ContainerConfig;
use super::id::{ContainerId, SandboxId};

/// One container, as the store keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerRecord {
    /// Its id.
    pub id: ContainerId,
    /// The sandbox it belongs to.
    pub sandbox_id: SandboxId,
    /// The request it was made from.
    pub config: ContainerConfig,
    /// Id of the image it runs (`sha256:…`).
    pub image_id: String,
    /// A digest reference of that image, or its id when it has none.
    pub image_ref: String,
    /// Signal that asks it to stop: the request's, else the image's, else SIGTERM.
    pub stop_signal: i32,
    /// Who it runs as.
    pub user: User,
    /// The images that its mounts show.
    #[serde(default)]
    pub image_volumes: Vec<ImageVolume>,
    /// Nanoseconds since the epoch.
    pub created_at: i64,
    /// How far it has come.
    pub state: ContainerState,
}

/// An image that a mount of a container shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageVolume {
    /// The mount, by its place in the container as the client wrote it.
    pub container_path: String,
    /// Id of the image (`sha256:…`).
    pub image_id: String,
}

/// Who a container runs as, once the image had its say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary group ids.
    pub groups: Vec<u32>,
}

/// How far a container has come. Times are nanoseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContainerState {
    /// Its name is taken; its directories may exist.
    Reserved,
    /// Its directories and its spec exist.
    Created,
    /// The monitor is asked to launch it.
    Starting,
    /// It runs.
    Running {
        /// When it was started.
        started_at: i64,
        /// Pid of its first process on the host.
        pid: i32,
    },
    /// It has ended, or never began.
    Exited {
        /// When it was started; 0 when it never was.
        started_at: i64,
        /// When it ended.
        finished_at: i64,
        /// How it ended.
        exit: ExitStatus,
    },
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitStatus {
    /// The process ended with this code; 128 + n when signal n killed it.
    Code {
        /// 0 to 255.
        code: i32,
        /// Whether the kernel's OOM killer ended it.
        oom_killed: bool,
    },
    /// It could not be started.
    StartFailed {
        /// 126, 127 or 128, as shells and runc say it.
        code: i32,
        /// Why.
        message: String,
    },
    /// Nobody saw how it ended.
    Unknown {
        /// Why nobody did.
        message: String,
    },
}

impl ContainerRecord {
    /// Pid of the first process while it runs.
    pub fn running_pid(&self) -> Option<i32> {
        match self.state {
            ContainerState::Running { pid, .. } => Some(pid),
            _ => None,
        }
    }
}
