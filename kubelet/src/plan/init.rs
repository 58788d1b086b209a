//! Which init container is next?
//!
//! Init containers run one after the other in each sandbox anew. Once a regular container was made
//! in a sandbox, its init containers count as done whatever the runtime still has of them.

use crate::model::{
    Container, ContainerObservation, ContainerState, Pod, PodObservation, RestartPolicy, SandboxId,
    StartReason,
};

/// How far the init containers have come in one sandbox.
#[derive(Clone, Debug, PartialEq)]
pub enum InitProgress<'a> {
    /// All have done their work, or there are none.
    Done,
    /// This one is running.
    Running(&'a Container),
    /// This one is next.
    Next {
        /// Which.
        container: &'a Container,
        /// Why it is started.
        reason: StartReason,
    },
    /// This one failed, and the pod with it.
    Failed(&'a Container),
}

/// How far the init containers of a pod have come in a sandbox.
pub fn init_progress<'a>(
    pod: &'a Pod,
    observation: &PodObservation,
    sandbox: &SandboxId,
) -> InitProgress<'a> {
    if has_regular_container(pod, observation, sandbox) {
        return InitProgress::Done;
    }
    pod.spec
        .init_containers
        .iter()
        .map(|container| progress_of(pod, observation, sandbox, container))
        .find(|progress| *progress != InitProgress::Done)
        .unwrap_or(InitProgress::Done)
}

/// The already-initialised rule: regular containers are made only after the init containers.
fn has_regular_container(pod: &Pod, observation: &PodObservation, sandbox: &SandboxId) -> bool {
    let is_regular = |seen: &ContainerObservation| {
        pod.spec
            .containers
            .iter()
            .any(|container| container.name == seen.name)
    };
    observation
        .containers
        .iter()
        .any(|seen| seen.sandbox_id == *sandbox && is_regular(seen))
}

fn progress_of<'a>(
    pod: &Pod,
    observation: &PodObservation,
    sandbox: &SandboxId,
    container: &'a Container,
) -> InitProgress<'a> {
    let next = |reason| InitProgress::Next { container, reason };
    let newest = observation
        .of_name(&container.name)
        .filter(|seen| seen.sandbox_id == *sandbox)
        .max_by_key(|seen| seen.age_key());
    match newest.map(|seen| &seen.state) {
        None => next(StartReason::Missing),
        Some(ContainerState::Created) => next(StartReason::NeverStarted),
        Some(ContainerState::Running { .. }) => InitProgress::Running(container),
        Some(ContainerState::Unknown) => next(StartReason::StateUnknown),
        Some(ContainerState::Exited(exit)) if exit.is_success() => InitProgress::Done,
        Some(ContainerState::Exited(exit)) => match pod.spec.restart_policy {
            RestartPolicy::Never => InitProgress::Failed(container),
            RestartPolicy::Always | RestartPolicy::OnFailure => {
                next(StartReason::Exited { code: exit.code })
            }
        },
    }
}
