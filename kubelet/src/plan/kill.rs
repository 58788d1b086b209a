//! Who has to end, and how long may it take?

use std::time::Duration;

use crate::model::{
    Container, ContainerName, ContainerObservation, ContainerState, Hook, KillContainer,
    KillReason, Pod, PodActions, PodObservation, SandboxId, SandboxObservation, SandboxState,
    StopReason, StopSandbox,
};

/// The grace period of a pod that does not name one.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(30);

/// No container gets less: ending in order is cheaper for everybody than being killed.
const LEAST_GRACE: Duration = Duration::from_secs(2);

/// The plan that ends a pod: every container, then every sandbox.
///
/// A pod that is not known any more has neither `pod` nor `grace`: then each container has the grace
/// period and the hook it was made with.
pub fn end_pod(
    pod: Option<&Pod>,
    observation: &PodObservation,
    grace: Option<Duration>,
) -> PodActions {
    PodActions {
        kill: kill_all(pod, observation, grace, KillReason::PodEnds),
        stop: stop_ready(observation, StopReason::PodEnds),
        ..PodActions::default()
    }
}

/// The plan that takes from an ended pod what its sandboxes hold: one that ended by itself still has its
/// network and its cgroups until it is stopped, and being stopped twice does no harm.
pub fn stop_for_good(observation: &PodObservation) -> PodActions {
    let stop = observation.sandboxes.iter().map(|sandbox| StopSandbox {
        id: sandbox.id.clone(),
        reason: StopReason::PodEnds,
    });
    PodActions {
        stop: stop.collect(),
        ..PodActions::default()
    }
}

/// Ends every container that may run.
pub(super) fn kill_all(
    pod: Option<&Pod>,
    observation: &PodObservation,
    grace: Option<Duration>,
    reason: KillReason,
) -> Vec<KillContainer> {
    let mut kills: Vec<_> = observation
        .containers
        .iter()
        .filter(|container| container.state.may_run())
        .map(|container| kill(pod, container, grace, reason))
        .collect();
    if let Some(pod) = pod {
        put_in_order(pod, &mut kills);
    }
    kills
}

/// Sidecars end after everything they serve: the regular containers, and the sidecars after them.
fn put_in_order(pod: &Pod, kills: &mut [KillContainer]) {
    let ids_of = |kills: &[KillContainer], name: &ContainerName| {
        let of_name = kills.iter().filter(|kill| kill.name == *name);
        of_name.map(|kill| kill.id.clone()).collect::<Vec<_>>()
    };
    let regular = pod.spec.containers.iter();
    let mut served: Vec<_> = regular.flat_map(|one| ids_of(kills, &one.name)).collect();
    for sidecar in pod.spec.sidecars().rev() {
        let own = ids_of(kills, &sidecar.name);
        for kill in kills.iter_mut().filter(|kill| kill.name == sidecar.name) {
            kill.after = served.clone();
        }
        served.extend(own);
    }
}

/// Stops every sandbox that is ready.
pub(super) fn stop_ready(observation: &PodObservation, reason: StopReason) -> Vec<StopSandbox> {
    let is_ready = |sandbox: &&SandboxObservation| sandbox.state == SandboxState::Ready;
    observation
        .sandboxes
        .iter()
        .filter(is_ready)
        .map(|sandbox| StopSandbox {
            id: sandbox.id.clone(),
            reason,
        })
        .collect()
}

/// Ends containers that run although nobody asks for them: of a name the pod does not have, in a
/// sandbox that is not the pod's any more, or older than another one of the same name.
pub(super) fn kill_strays(
    pod: &Pod,
    observation: &PodObservation,
    sandbox: &SandboxId,
) -> Vec<KillContainer> {
    let stray = |seen: &ContainerObservation| {
        if pod.spec.container(&seen.name).is_none() {
            return Some(KillReason::NotInPod);
        }
        if seen.sandbox_id != *sandbox {
            return Some(KillReason::SandboxGone);
        }
        let newest = observation.newest(&seen.name)?;
        (newest.id != seen.id).then_some(KillReason::Duplicate)
    };
    let grace = Some(pod.spec.termination_grace_period);
    observation
        .containers
        .iter()
        .filter(|seen| seen.state.may_run())
        .filter_map(|seen| Some(kill(Some(pod), seen, grace, stray(seen)?)))
        .collect()
}

/// How long one container of a pod may take: what the probe says that it failed, else what the pod
/// says.
pub(super) fn grace_for(pod: &Pod, container: &Container, reason: KillReason) -> Duration {
    let of_probe = match reason {
        KillReason::ProbeFailed { kind, .. } => container
            .probes
            .of(kind)
            .and_then(|probe| probe.termination_grace),
        _ => None,
    };
    of_probe.unwrap_or(pod.spec.termination_grace_period)
}

/// Ends one container.
pub(super) fn kill(
    pod: Option<&Pod>,
    container: &ContainerObservation,
    grace: Option<Duration>,
    reason: KillReason,
) -> KillContainer {
    KillContainer {
        id: container.id.clone(),
        name: container.name.clone(),
        grace: grace.or(container.grace_period).unwrap_or(DEFAULT_GRACE),
        reason,
        pre_stop: pre_stop(pod, container),
        after: Vec::new(),
    }
}

/// The hook before the end of a container, by its spec or else by what it was made with. What does
/// not run for sure has none.
fn pre_stop(pod: Option<&Pod>, seen: &ContainerObservation) -> Option<Hook> {
    if !matches!(seen.state, ContainerState::Running { .. }) {
        return None;
    }
    match pod.and_then(|pod| pod.spec.container(&seen.name)) {
        Some(container) => {
            let hook = container.lifecycle.pre_stop.clone()?;
            Some(hook.resolved(&container.ports))
        }
        None => seen.pre_stop.clone(),
    }
}

/// How long a container may still take to end, so long after its end began.
pub fn time_to_stop(grace: Duration, spent: Duration) -> Duration {
    // Whole seconds count, as the runtime counts them.
    let spent = Duration::from_secs(spent.as_secs());
    grace.saturating_sub(spent).max(LEAST_GRACE)
}
