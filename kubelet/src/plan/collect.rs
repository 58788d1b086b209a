//! Which dead containers and sandboxes does nobody need any more?
//!
//! Of each container the newest stays, and the newest that exited: one says what is, the other what
//! was before. A dead sandbox stays as long as one of those is in it.

use crate::model::{
    ContainerObservation, PodActions, PodObservation, RemoveContainer, RemoveSandbox,
    SandboxObservation, SandboxState,
};

/// Dead containers that tell nothing a newer one does not.
pub(super) fn old_containers(observation: &PodObservation) -> Vec<RemoveContainer> {
    observation
        .containers
        .iter()
        .filter(|seen| !seen.state.may_run() && !is_needed(observation, seen))
        .map(removal)
        .collect()
}

/// Dead sandboxes, other than the newest, that hold nothing needed.
pub(super) fn old_sandboxes(observation: &PodObservation) -> Vec<RemoveSandbox> {
    let newest = observation.newest_sandbox().map(|sandbox| &sandbox.id);
    let is_empty = |sandbox: &SandboxObservation| {
        let mut inside = observation
            .containers
            .iter()
            .filter(|one| one.sandbox_id == sandbox.id);
        !inside.any(|one| one.state.may_run() || is_needed(observation, one))
    };
    observation
        .sandboxes
        .iter()
        .filter(|sandbox| sandbox.state == SandboxState::NotReady)
        .filter(|sandbox| Some(&sandbox.id) != newest && is_empty(sandbox))
        .map(|sandbox| RemoveSandbox {
            id: sandbox.id.clone(),
        })
        .collect()
}

/// The plan that removes all that is left of a pod that has ended.
pub fn remove_everything(observation: &PodObservation) -> PodActions {
    let sandbox = |one: &SandboxObservation| RemoveSandbox { id: one.id.clone() };
    PodActions {
        remove_containers: observation.containers.iter().map(removal).collect(),
        remove_sandboxes: observation.sandboxes.iter().map(sandbox).collect(),
        ..PodActions::default()
    }
}

fn is_needed(observation: &PodObservation, seen: &ContainerObservation) -> bool {
    let is = |other: &ContainerObservation| other.id == seen.id;
    observation.newest(&seen.name).is_some_and(is)
        || observation.newest_exited(&seen.name).is_some_and(is)
}

pub(super) fn removal(container: &ContainerObservation) -> RemoveContainer {
    RemoveContainer {
        id: container.id.clone(),
        name: container.name.clone(),
    }
}
