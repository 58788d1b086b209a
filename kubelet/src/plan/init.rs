//! Which init container is next, and which sidecars have to be seen to?
//!
//! Init containers run one after the other in each sandbox anew. A sidecar is one that is never done:
//! the next one starts once it has started, and it is kept running as long as the pod lives. Once a
//! container was made in a sandbox, those before it count as done whatever the runtime still has of
//! them.

use crate::model::{
    Container, ContainerObservation, ContainerRole, ContainerState, KillReason, Pod,
    PodObservation, ProbeResults, RestartPolicy, SandboxId, StartReason,
};

use super::probe::has_started;
use super::restart::{Decision, decide_on_running, policy_of, restarts_after};

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
    probes: &ProbeResults,
    sandbox: &SandboxId,
) -> InitProgress<'a> {
    let init = &pod.spec.init_containers;
    if is_past(pod, observation, sandbox) {
        return InitProgress::Done;
    }
    let newest = |one: &Container| newest_in(observation, sandbox, one);
    let next = |index: usize| match init.get(index) {
        Some(container) => InitProgress::Next {
            container,
            reason: StartReason::Missing,
        },
        None => InitProgress::Done,
    };
    let Some(last) = init.iter().rposition(|one| newest(one).is_some()) else {
        return next(0);
    };
    let container = &init[last];
    let seen = newest(container).expect("it was found by what is seen of it");
    progress_of(pod, container, seen, probes).unwrap_or_else(|| next(last + 1))
}

/// The sidecars that have to be started or replaced although they are not next, in their order.
pub(super) fn upkeep<'a>(
    pod: &'a Pod,
    observation: &PodObservation,
    probes: &ProbeResults,
    sandbox: &SandboxId,
) -> Vec<(&'a Container, Decision)> {
    let init = &pod.spec.init_containers;
    let newest = |one: &Container| newest_in(observation, sandbox, one);
    let begun = if is_past(pod, observation, sandbox) {
        init.len()
    } else {
        let last = init.iter().rposition(|one| newest(one).is_some());
        last.map_or(0, |last| last + 1)
    };
    let is_next = match init_progress(pod, observation, probes, sandbox) {
        InitProgress::Next { container, .. } => Some(&container.name),
        InitProgress::Done | InitProgress::Running(_) | InitProgress::Failed(_) => None,
    };
    let sidecars = init[..begun].iter().filter(|one| one.is_sidecar());
    sidecars
        .filter(|one| Some(&one.name) != is_next)
        .map(|one| (one, decide_on_sidecar((pod, one), newest(one), probes)))
        .filter(|(_, decision)| *decision != Decision::Keep)
        .collect()
}

fn decide_on_sidecar(
    (pod, container): (&Pod, &Container),
    newest: Option<&ContainerObservation>,
    probes: &ProbeResults,
) -> Decision {
    let Some(newest) = newest else {
        return Decision::Start(StartReason::Missing);
    };
    match &newest.state {
        ContainerState::Created => Decision::Start(StartReason::NeverStarted),
        ContainerState::Exited(exit) => Decision::Start(StartReason::Exited { code: exit.code }),
        ContainerState::Unknown => {
            let role = ContainerRole::Init;
            Decision::Replace(KillReason::StateUnknown { role }, StartReason::StateUnknown)
        }
        ContainerState::Running { .. } => {
            let (role, policy) = (ContainerRole::Init, RestartPolicy::Always);
            decide_on_running((pod, container), newest, probes, role, policy)
        }
    }
}

/// The already-initialised rule: regular containers are made only after the init containers.
fn is_past(pod: &Pod, observation: &PodObservation, sandbox: &SandboxId) -> bool {
    let mut regular = pod.spec.containers.iter();
    regular.any(|container| newest_in(observation, sandbox, container).is_some())
}

fn newest_in<'a>(
    observation: &'a PodObservation,
    sandbox: &SandboxId,
    container: &Container,
) -> Option<&'a ContainerObservation> {
    observation
        .of_name(&container.name)
        .filter(|seen| seen.sandbox_id == *sandbox)
        .max_by_key(|seen| seen.age_key())
}

/// What the last init container that was made holds up; nothing when the next one may start.
fn progress_of<'a>(
    pod: &Pod,
    container: &'a Container,
    newest: &ContainerObservation,
    probes: &ProbeResults,
) -> Option<InitProgress<'a>> {
    let next = |reason| Some(InitProgress::Next { container, reason });
    match &newest.state {
        ContainerState::Created => next(StartReason::NeverStarted),
        ContainerState::Running { .. } => {
            let is_up = container.is_sidecar() && has_started(container, newest, probes);
            (!is_up).then_some(InitProgress::Running(container))
        }
        // Nobody knows whether it has done its work, and under Never it is not done twice.
        ContainerState::Unknown if policy_of(&pod.spec, container) == RestartPolicy::Never => {
            Some(InitProgress::Failed(container))
        }
        ContainerState::Unknown => next(StartReason::StateUnknown),
        ContainerState::Exited(exit) if exit.is_success() && !container.is_sidecar() => None,
        ContainerState::Exited(exit) if restarts_after(&pod.spec, container, exit.code) => {
            next(StartReason::Exited { code: exit.code })
        }
        ContainerState::Exited(_) => Some(InitProgress::Failed(container)),
    }
}
