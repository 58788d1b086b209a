//! A plan: what has to happen to a pod now, in the order of the fields, with the reasons.
//!
//! A plan names things and carries its reasons; it holds no index into anything. The executor
//! carries it out from top to bottom and stops a container's part where a step of it fails.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::{ContainerId, ContainerName, Hook, ProbeKind, SandboxId, Size};

/// What has to happen to one pod now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodActions {
    /// First: containers that are ended, all at once.
    pub kill: Vec<KillContainer>,
    /// Then: sandboxes that are stopped.
    pub stop: Vec<StopSandbox>,
    /// Then: dead containers nobody needs any more.
    pub remove_containers: Vec<RemoveContainer>,
    /// Then: stopped sandboxes nobody needs any more.
    pub remove_sandboxes: Vec<RemoveSandbox>,
    /// Then: the sandbox that containers are started in; `None` when none is wanted.
    pub sandbox: Option<TargetSandbox>,
    /// Then: containers that get another size while they run.
    pub resize: Option<ResizePod>,
    /// Last: containers that are started, one after the other.
    pub start: Vec<StartContainer>,
    /// Containers that would be started but must wait.
    pub held_back: Vec<HeldBack>,
}

impl PodActions {
    /// Whether there is nothing to do now.
    pub fn is_empty(&self) -> bool {
        let makes_sandbox = matches!(self.sandbox, Some(TargetSandbox::Create(_)));
        self.kill.is_empty()
            && self.stop.is_empty()
            && self.remove_containers.is_empty()
            && self.remove_sandboxes.is_empty()
            && !makes_sandbox
            && self.resize.is_none()
            && self.start.is_empty()
    }

    /// When the first container that was held back may be started.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.held_back.iter().map(|held| held.until).min()
    }
}

/// The sandbox that containers are started in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetSandbox {
    /// One that stands.
    Existing(SandboxId),
    /// A new one.
    Create(CreateSandbox),
}

/// A sandbox to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateSandbox {
    /// How many were made before it.
    pub attempt: u32,
    /// Why.
    pub reason: SandboxReason,
}

/// Why a pod needs a new sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SandboxReason {
    /// It has none.
    Missing,
    /// More than one is ready.
    MoreThanOneReady,
    /// The newest one is dead.
    NotReady,
    /// The pod's network is now the host's, or no longer.
    NetworkModeChanged,
    /// It has no address.
    NoAddress,
}

impl SandboxReason {
    /// Whether the pod had a sandbox that is replaced.
    pub fn is_change(self) -> bool {
        self != Self::Missing
    }
}

impl fmt::Display for SandboxReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the pod has no sandbox",
            Self::MoreThanOneReady => "the pod has more than one ready sandbox",
            Self::NotReady => "the pod's sandbox is not ready",
            Self::NetworkModeChanged => "the pod's network mode changed",
            Self::NoAddress => "the pod's sandbox has no address",
        })
    }
}

/// A container that is ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KillContainer {
    /// Which.
    pub id: ContainerId,
    /// Its name.
    pub name: ContainerName,
    /// How long it may take, its hook included.
    pub grace: Duration,
    /// Why.
    pub reason: KillReason,
    /// What is done before.
    pub pre_stop: Option<Hook>,
    /// It is not told to end before these have ended, as long as its grace period lasts.
    pub after: Vec<ContainerId>,
}

/// Why a container is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KillReason {
    /// What it is made from changed.
    SpecChanged {
        /// Which list of the spec it is in.
        role: ContainerRole,
    },
    /// The runtime cannot say whether it runs, and it must not run twice.
    StateUnknown {
        /// Which list of the spec it is in.
        role: ContainerRole,
    },
    /// Its sandbox is replaced or stopped.
    SandboxGone,
    /// The pod has no container of this name any more.
    NotInPod,
    /// A newer one of the same name exists.
    Duplicate,
    /// It shall have another size, and cannot get it while it runs.
    Resized,
    /// It failed a probe.
    ProbeFailed {
        /// Which.
        kind: ProbeKind,
        /// Which list of the spec it is in.
        role: ContainerRole,
        /// What becomes of it then.
        then: Afterwards,
    },
    /// An exit made all containers of the pod begin anew.
    AllRestart,
    /// The hook after its start failed.
    PostStartFailed,
    /// Somebody asked for it to begin anew.
    Asked,
    /// The pod ends.
    PodEnds,
}

/// What becomes of a container that was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Afterwards {
    /// It is started again.
    Restarts,
    /// It stays ended.
    StaysEnded,
}

impl fmt::Display for KillReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SpecChanged { .. } => "its definition changed and it will be restarted",
            Self::StateUnknown { .. } => "the runtime cannot tell its state",
            Self::SandboxGone => "its pod sandbox goes",
            Self::NotInPod => "its pod does not name it any more",
            Self::Duplicate => "a newer one of the same name exists",
            Self::Resized => "its resize requires a restart",
            Self::ProbeFailed { kind, .. } => match kind {
                ProbeKind::Startup => "it failed its startup probe",
                ProbeKind::Readiness => "it failed its readiness probe",
                ProbeKind::Liveness => "it failed its liveness probe",
            },
            Self::AllRestart => "all containers of its pod begin anew",
            Self::PostStartFailed => "the hook after its start failed",
            Self::Asked => "somebody asked for it to begin anew",
            Self::PodEnds => "its pod ends",
        })
    }
}

/// A sandbox that is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopSandbox {
    /// Which.
    pub id: SandboxId,
    /// Why.
    pub reason: StopReason,
}

/// Why a sandbox is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// Another takes its place.
    Replaced(SandboxReason),
    /// Every container has done its work.
    PodFinished,
    /// The pod ends.
    PodEnds,
}

/// A dead container nobody needs any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveContainer {
    /// Which.
    pub id: ContainerId,
    /// Its name.
    pub name: ContainerName,
}

/// A stopped sandbox nobody needs any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveSandbox {
    /// Which.
    pub id: SandboxId,
}

/// A pod of which running containers get another size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResizePod {
    /// First: those whose memory changes, one after the other.
    pub memory: Vec<ResizeContainer>,
    /// Then: those whose CPU does.
    pub cpu: Vec<ResizeContainer>,
    /// The pod as a whole, with each of the two.
    pub whole: Option<ResizeWhole>,
}

/// A pod that gets another size as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResizeWhole {
    /// The size that it has.
    pub from: Size,
    /// The size that it gets.
    pub to: Size,
}

/// A running container that gets another size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResizeContainer {
    /// Which.
    pub id: ContainerId,
    /// Its name.
    pub name: ContainerName,
    /// The size that it has.
    pub from: Size,
    /// The size that it gets.
    pub to: Size,
}

/// A container that is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartContainer {
    /// Its name in the pod's spec.
    pub name: ContainerName,
    /// Which list of the spec it is in.
    pub role: ContainerRole,
    /// How many of this name were made before it.
    pub restart_count: u32,
    /// One that was made already and never started, by a kubelet that ended in between: it is started
    /// as it is. Another one in its place would count as a restart of what never ran, and could run
    /// beside it if its start was on the way.
    pub made: Option<ContainerId>,
    /// Why.
    pub reason: StartReason,
}

/// Which list of a pod's spec a container is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContainerRole {
    /// `initContainers`.
    Init,
    /// `containers`.
    Regular,
    /// `ephemeralContainers`.
    Ephemeral,
}

/// Why a container is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StartReason {
    /// There is none yet.
    Missing,
    /// One was made but never started.
    NeverStarted,
    /// It ended, and the restart policy wants it back.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// What it is made from changed.
    SpecChanged,
    /// The runtime could not say whether it ran.
    StateUnknown,
    /// It was ended to get another size.
    Resized,
    /// It failed a probe and was ended.
    ProbeFailed(ProbeKind),
    /// The pod gets a new sandbox, and everything in it anew.
    NewSandbox,
    /// Somebody asked for it to begin anew.
    Asked,
}

/// A container that would be started but must wait after it crashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBack {
    /// Its name.
    pub name: ContainerName,
    /// Until when.
    pub until: Timestamp,
    /// How long the whole wait is.
    pub delay: Duration,
}
