//! A pod as the runtime shows it at one moment.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

use super::{
    ContainerHash, ContainerId, ContainerName, Hook, NetworkMode, PodName, PodUid, SandboxId, Size,
};

/// Everything the runtime has of one pod, dead sandboxes and containers included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodObservation {
    /// Whose it is, by the labels on the runtime's objects.
    pub uid: PodUid,
    /// Its name, by the labels on the runtime's objects.
    pub name: PodName,
    /// Its sandboxes, in any order.
    pub sandboxes: Vec<SandboxObservation>,
    /// Its containers, in any order.
    pub containers: Vec<ContainerObservation>,
    /// The next number of containers that only their logs tell of.
    pub logged: BTreeMap<ContainerName, u32>,
    /// The size that the pod as a whole was given last, if it says one and that was written down.
    pub size: Option<Size>,
}

impl PodObservation {
    /// A pod of which the runtime has nothing.
    pub fn nothing(uid: PodUid, name: PodName) -> Self {
        Self {
            uid,
            name,
            sandboxes: Vec::new(),
            containers: Vec::new(),
            logged: BTreeMap::new(),
            size: None,
        }
    }

    /// The sandbox made last.
    pub fn newest_sandbox(&self) -> Option<&SandboxObservation> {
        self.sandboxes
            .iter()
            .max_by_key(|sandbox| (sandbox.attempt, sandbox.created_at))
    }

    /// The container made last of that name.
    pub fn newest(&self, name: &ContainerName) -> Option<&ContainerObservation> {
        self.of_name(name)
            .max_by_key(|container| container.age_key())
    }

    /// The container of that name that exited last.
    pub fn newest_exited(&self, name: &ContainerName) -> Option<&ContainerObservation> {
        let exited = |container: &&ContainerObservation| container.state.exit().is_some();
        self.of_name(name)
            .filter(exited)
            .max_by_key(|container| container.age_key())
    }

    /// The restart count of the next container of that name. A runtime that has forgotten all of
    /// them, for instance with the node's restart, has left their logs.
    pub fn next_restart_count(&self, name: &ContainerName) -> u32 {
        match self.newest(name) {
            Some(newest) => newest.restart_count + 1,
            None => self.logged.get(name).copied().unwrap_or_default(),
        }
    }

    /// All containers of that name.
    pub fn of_name(&self, name: &ContainerName) -> impl Iterator<Item = &ContainerObservation> {
        self.containers
            .iter()
            .filter(move |container| container.name == *name)
    }

    /// Whether a process of the pod may be alive.
    pub fn has_running(&self) -> bool {
        self.containers
            .iter()
            .any(|container| container.state.may_run())
    }

    /// Whether nothing of the pod is alive, sandboxes included.
    pub fn is_stopped(&self) -> bool {
        let ready = |sandbox: &SandboxObservation| sandbox.state == SandboxState::Ready;
        !self.has_running() && !self.sandboxes.iter().any(ready)
    }

    /// Whether the runtime has nothing of the pod, dead or alive.
    pub fn is_gone(&self) -> bool {
        self.sandboxes.is_empty() && self.containers.is_empty()
    }
}

/// One sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxObservation {
    /// Its id.
    pub id: SandboxId,
    /// How many were made before it.
    pub attempt: u32,
    /// Whether it lives.
    pub state: SandboxState,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whose network it uses.
    pub network: NetworkMode,
    /// Its addresses, the primary first.
    pub ips: Vec<IpAddr>,
}

/// Whether a sandbox lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SandboxState {
    /// Containers can run in it.
    Ready,
    /// They cannot any more.
    NotReady,
}

/// One container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerObservation {
    /// Its id.
    pub id: ContainerId,
    /// The sandbox it is in.
    pub sandbox_id: SandboxId,
    /// Its name in the pod.
    pub name: ContainerName,
    /// How many of this name were made before it in the pod, by its annotation.
    pub restart_count: u32,
    /// The image reference it was made from.
    pub image: String,
    /// The id of that image.
    pub image_id: String,
    /// The hash it was made with; `None` when it has no such annotation.
    pub hash: Option<ContainerHash>,
    /// The size that it was given last; `None` when somebody else made it.
    pub size: Option<Size>,
    /// The grace period it was made with, for when its pod is not known any more.
    pub grace_period: Option<Duration>,
    /// What is done before it ends, for when its pod is not known any more.
    pub pre_stop: Option<Hook>,
    /// When it was made.
    pub created_at: Timestamp,
    /// What it does.
    pub state: ContainerState,
    /// What else the runtime tells of it.
    pub told: Told,
}

/// What the runtime tells of a container for people, and nothing is decided by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Who its first process was started as.
    pub user: Option<LinuxUser>,
    /// Where in it mounts are read-only with all that is mounted below.
    pub recursive_read_only: Vec<String>,
}

/// A user with his groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinuxUser {
    /// User id.
    pub uid: i64,
    /// Group id.
    pub gid: i64,
    /// All other groups.
    pub supplemental_groups: Vec<i64>,
}

impl ContainerObservation {
    /// Orders containers of one name by when they were made.
    pub fn age_key(&self) -> (Timestamp, u32) {
        (self.created_at, self.restart_count)
    }
}

/// What a container does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// Made, not started.
    Created,
    /// Running.
    Running {
        /// Since when.
        started_at: Timestamp,
    },
    /// Ended.
    Exited(Exit),
    /// The runtime cannot say.
    Unknown,
}

impl ContainerState {
    /// Whether a process of it may be alive.
    pub fn may_run(&self) -> bool {
        matches!(self, Self::Running { .. } | Self::Unknown)
    }

    /// How it ended.
    pub fn exit(&self) -> Option<&Exit> {
        match self {
            Self::Exited(exit) => Some(exit),
            Self::Created | Self::Running { .. } | Self::Unknown => None,
        }
    }
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Exit code; 128 + the signal's number when a signal ended it.
    pub code: i32,
    /// When it was started; `None` when it never was.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Timestamp,
    /// The runtime's word for it, for instance `OOMKilled`; may be empty.
    pub reason: String,
    /// Its last words or the runtime's explanation; may be empty.
    pub message: String,
}

impl Exit {
    /// Whether it did what it was for.
    pub fn is_success(&self) -> bool {
        self.code == 0
    }
}
