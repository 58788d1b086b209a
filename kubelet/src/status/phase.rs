//! The phase of a pod: one word for everything its containers do.

use k8s_openapi::api::core::v1::ContainerStatus;

use crate::model::RestartPolicy;

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

/// The phase that follows from the containers' statuses.
pub(super) fn phase(
    policy: RestartPolicy,
    init: &[ContainerStatus],
    is_initialized: bool,
    regular: &[ContainerStatus],
) -> Phase {
    if !is_initialized {
        let failed = init.iter().filter_map(exit_code).any(|code| code != 0);
        let is_over = policy == RestartPolicy::Never && failed;
        return if is_over {
            Phase::Failed
        } else {
            Phase::Pending
        };
    }
    if regular.iter().any(has_never_run) {
        return Phase::Pending;
    }
    let codes: Option<Vec<i32>> = regular.iter().map(exit_code).collect();
    match (policy, codes) {
        (_, None) | (RestartPolicy::Always, Some(_)) => Phase::Running,
        (_, Some(codes)) if codes.iter().all(|code| *code == 0) => Phase::Succeeded,
        (RestartPolicy::Never, Some(_)) => Phase::Failed,
        (RestartPolicy::OnFailure, Some(_)) => Phase::Running,
    }
}

/// Waiting, and not because it ran before.
fn has_never_run(status: &ContainerStatus) -> bool {
    let is_waiting = status
        .state
        .as_ref()
        .is_none_or(|state| state.waiting.is_some());
    is_waiting && exit_code(status).is_none()
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
