//! The last status of a pod that is gone: every container has ended, and the phase is one that nothing
//! follows. Pure.
#![deny(clippy::disallowed_methods)]

use k8s_openapi::api::core::v1::{self as core, ContainerState, ContainerStateTerminated};

use super::is_terminal;

/// The last status of a pod of which nothing is left.
pub(super) fn finished(pod: &core::Pod) -> core::PodStatus {
    let mut status = pod.status.clone().unwrap_or_default();
    if has_begun(pod, &status) {
        for container in status.container_statuses.iter_mut().flatten() {
            let state = container.state.get_or_insert_default();
            if state.terminated.is_none() {
                // One that was to be started again ended as it ended last.
                let last = container.last_state.as_ref();
                let last = last.and_then(|last| last.terminated.clone());
                *state = ContainerState {
                    terminated: Some(last.unwrap_or_else(unknown)),
                    ..ContainerState::default()
                };
            }
            container.ready = false;
            container.started = Some(false);
        }
    }
    if !is_terminal(status.phase.as_deref()) {
        let phase = if has_succeeded(&status) {
            "Succeeded"
        } else {
            "Failed"
        };
        status.phase = Some(phase.to_owned());
        let reason = format!(
            "Pod{}",
            if phase == "Failed" {
                phase
            } else {
                "Completed"
            }
        );
        for condition in status.conditions.iter_mut().flatten() {
            if matches!(condition.type_.as_str(), "Ready" | "ContainersReady") {
                condition.status = "False".to_owned();
                condition.reason = Some(reason.clone());
                condition.message = None;
            }
        }
    }
    status
}

/// Whether a regular container ever was more than waited for.
fn has_begun(pod: &core::Pod, status: &core::PodStatus) -> bool {
    let spec = pod.spec.as_ref();
    let has_init = spec.and_then(|spec| spec.init_containers.as_ref());
    let mut containers = status.container_statuses.iter().flatten();
    has_init.is_none_or(Vec::is_empty)
        || containers.any(|container| {
            let is_waiting = container
                .state
                .as_ref()
                .is_some_and(|state| state.waiting.is_some());
            let has_ended = container
                .last_state
                .as_ref()
                .is_some_and(|last| last.terminated.is_some());
            has_ended || !is_waiting
        })
}

fn has_succeeded(status: &core::PodStatus) -> bool {
    let containers = status.container_statuses.as_deref().unwrap_or_default();
    let is_good = |container: &core::ContainerStatus| {
        let ended = container
            .state
            .as_ref()
            .and_then(|state| state.terminated.as_ref());
        ended.is_some_and(|ended| ended.exit_code == 0)
    };
    !containers.is_empty() && containers.iter().all(is_good)
}

fn unknown() -> ContainerStateTerminated {
    ContainerStateTerminated {
        exit_code: 137,
        reason: Some("ContainerStatusUnknown".to_owned()),
        message: Some("The container could not be located when the pod was terminated".to_owned()),
        ..ContainerStateTerminated::default()
    }
}
