//! Does an exit make all containers of the pod begin anew?
//!
//! Everything else goes first, and what has exited so goes last: wherever this is interrupted, the
//! exit that started it still tells what is to be done.

use crate::model::{
    ContainerObservation, KillReason, Pod, PodActions, PodObservation, RestartAction,
};

use super::collect::removal;
use super::kill::kill_all;

/// Whether all containers of the pod are about to begin anew.
pub fn makes_all_anew(pod: &Pod, observation: &PodObservation) -> bool {
    let mut seen = observation.containers.iter();
    seen.any(|one| asks_for_reset(pod, observation, one))
}

/// The plan that takes all containers away, if one of them has exited so.
pub(super) fn reset(pod: &Pod, observation: &PodObservation) -> Option<PodActions> {
    let is_cause = |seen: &&ContainerObservation| asks_for_reset(pod, observation, seen);
    let (causes, others): (Vec<_>, Vec<_>) = observation.containers.iter().partition(is_cause);
    if causes.is_empty() {
        return None;
    }
    let grace = Some(pod.spec.termination_grace_period);
    let next = if others.is_empty() { causes } else { others };
    Some(PodActions {
        kill: kill_all(Some(pod), observation, grace, KillReason::AllRestart),
        remove_containers: next.into_iter().map(removal).collect(),
        ..PodActions::default()
    })
}

fn asks_for_reset(pod: &Pod, observation: &PodObservation, seen: &ContainerObservation) -> bool {
    let is_newest = observation
        .newest(&seen.name)
        .is_some_and(|newest| newest.id == seen.id);
    let Some(exit) = seen.state.exit().filter(|_| is_newest) else {
        return false;
    };
    let mut containers = pod.spec.init_containers.iter().chain(&pod.spec.containers);
    containers
        .find(|container| container.name == seen.name)
        .and_then(|container| container.rule_for(exit.code))
        == Some(RestartAction::RestartAllContainers)
}
