//! The phase of a pod: one word for everything its containers do.

use k8s_openapi::api::core::v1::ContainerStatus;

use crate::model::{Container, PodSpec};
use crate::plan::restarts_after;

use super::containers::ANEW;

/// The phase of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Something has not started yet.
    Pending,
    /// Everything has started, and something runs or will run again.
    Running,
    /// Every container ended with exit code 0 and stays ended.
    Succeeded,
    /// Every container ended, one of them badly, and all stay ended.
    Failed,
}

impl Phase {
    /// The word in a status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }

    /// Whether nothing follows.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }

    /// The terminal phase that a status names, if it does.
    pub(super) fn terminal_from(text: Option<&str>) -> Option<Self> {
        match text {
            Some("Succeeded") => Some(Self::Succeeded),
            Some("Failed") => Some(Self::Failed),
            _ => None,
        }
    }
}

/// The statuses of a pod's containers, in the order of its spec.
#[derive(Clone, Copy)]
pub(super) struct Statuses<'a> {
    pub(super) spec: &'a PodSpec,
    pub(super) init: &'a [ContainerStatus],
    pub(super) regular: &'a [ContainerStatus],
}

impl<'a> Statuses<'a> {
    /// Init containers that end, each with its status.
    pub(super) fn steps(self) -> impl Iterator<Item = (&'a Container, &'a ContainerStatus)> {
        let init = self.spec.init_containers.iter().zip(self.init);
        init.filter(|(container, _)| !container.is_sidecar())
    }

    /// Sidecars, each with its status.
    pub(super) fn sidecars(self) -> impl Iterator<Item = (&'a Container, &'a ContainerStatus)> {
        let init = self.spec.init_containers.iter().zip(self.init);
        init.filter(|(container, _)| container.is_sidecar())
    }

    /// Regular containers, each with its status.
    pub(super) fn regular(self) -> impl Iterator<Item = (&'a Container, &'a ContainerStatus)> {
        self.spec.containers.iter().zip(self.regular)
    }
}

/// The phase that follows from the containers' statuses.
pub(super) fn phase(statuses: Statuses<'_>, is_initialized: bool) -> Phase {
    let stays_ended = |container: &Container, status: &ContainerStatus, code: i32| {
        !begins_anew(status) && !restarts_after(statuses.spec, container, code)
    };
    if !is_initialized {
        let has_failed = statuses.steps().any(|(container, status)| {
            exit_code(status).is_some_and(|code| code != 0 && stays_ended(container, status, code))
        });
        return if has_failed {
            Phase::Failed
        } else {
            Phase::Pending
        };
    }
    if statuses.regular.iter().any(has_never_run) {
        return Phase::Pending;
    }
    // A sidecar that runs keeps its pod alive until it has been ended.
    let mut sidecars = statuses.sidecars();
    if sidecars.any(|(_, status)| is_running(status)) {
        return Phase::Running;
    }
    let codes: Option<Vec<i32>> = statuses
        .regular()
        .map(|(container, status)| {
            exit_code(status).filter(|code| stays_ended(container, status, *code))
        })
        .collect();
    match codes {
        None => Phase::Running,
        Some(codes) if codes.iter().all(|code| *code == 0) => Phase::Succeeded,
        Some(_) => Phase::Failed,
    }
}

fn is_running(status: &ContainerStatus) -> bool {
    let state = status.state.as_ref();
    state.is_some_and(|state| state.running.is_some())
}

/// Waiting, and not because it ran before.
fn has_never_run(status: &ContainerStatus) -> bool {
    let is_waiting = status
        .state
        .as_ref()
        .is_none_or(|state| state.waiting.is_some());
    is_waiting && exit_code(status).is_none()
}

/// Whether it was taken away so that all containers of its pod begin anew.
fn begins_anew(status: &ContainerStatus) -> bool {
    let last = status.last_state.as_ref();
    let ended = last.and_then(|last| last.terminated.as_ref());
    let waits = status
        .state
        .as_ref()
        .is_some_and(|one| one.waiting.is_some());
    waits && ended.is_some_and(|ended| ended.reason.as_deref() == Some(ANEW))
}

/// The exit code of a container that does not run: now, or before it began to wait.
fn exit_code(status: &ContainerStatus) -> Option<i32> {
    let state = status.state.as_ref()?;
    if state.running.is_some() {
        return None;
    }
    let last = status
        .last_state
        .as_ref()
        .and_then(|last| last.terminated.as_ref());
    state
        .terminated
        .as_ref()
        .or(last)
        .map(|terminated| terminated.exit_code)
}
