//! Who has to end, and how long may it take?

use std::time::Duration;

use crate::model::{
    Container, ContainerObservation, KillContainer, KillReason, Pod, PodActions, PodObservation,
    SandboxId, SandboxObservation, SandboxState, StopReason, StopSandbox,
};

/// The grace period of a pod that does not name one.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(30);

/// No container gets less: ending in order is cheaper for everybody than being killed.
const LEAST_GRACE: Duration = Duration::from_secs(2);

/// The plan that ends a pod: every container, then every sandbox.
///
/// `grace` is `None` when the pod is not known any more; then each container has the grace period
/// it was made with.
pub fn end_pod(observation: &PodObservation, grace: Option<Duration>) -> PodActions {
    PodActions {
        kill: kill_all(observation, grace, KillReason::PodEnds),
        stop: stop_ready(observation, StopReason::PodEnds),
        ..PodActions::default()
    }
}

/// Ends every container that may run.
pub(super) fn kill_all(
    observation: &PodObservation,
    grace: Option<Duration>,
    reason: KillReason,
) -> Vec<KillContainer> {
    observation
        .containers
        .iter()
        .filter(|container| container.state.may_run())
        .map(|container| kill(container, grace, reason))
        .collect()
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
        .filter_map(|seen| Some(kill(seen, grace, stray(seen)?)))
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
    container: &ContainerObservation,
    grace: Option<Duration>,
    reason: KillReason,
) -> KillContainer {
    let grace = grace.or(container.grace_period).unwrap_or(DEFAULT_GRACE);
    KillContainer {
        id: container.id.clone(),
        name: container.name.clone(),
        grace: grace.max(LEAST_GRACE),
        reason,
    }
}
