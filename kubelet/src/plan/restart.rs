//! Does a container have to be started, and does the one that is there have to go first?

use crate::model::{
    Afterwards, Container, ContainerObservation, ContainerRole, ContainerState, KillReason, Pod,
    PodSpec, ProbeResults, RestartPolicy, SandboxId, StartReason,
};

use super::probe::failed_probe;
use super::resize::requires_restart;

/// What is to become of one container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It runs, and stays.
    Keep,
    /// It has ended, and stays ended.
    Finished,
    /// It is started.
    Start(StartReason),
    /// The one that is there is ended, then it is started.
    Replace(KillReason, StartReason),
    /// The one that is there is ended, and stays ended.
    End(KillReason),
}

/// Decides on one regular container from the newest of its name.
pub(super) fn decide(
    pod: &Pod,
    container: &Container,
    newest: Option<&ContainerObservation>,
    probes: &ProbeResults,
    sandbox: &SandboxId,
) -> Decision {
    let Some(newest) = newest else {
        return Decision::Start(StartReason::Missing);
    };
    let spec = &pod.spec;
    let in_sandbox = newest.sandbox_id == *sandbox;
    match &newest.state {
        ContainerState::Running { .. } if !in_sandbox => {
            // It is ended as a stray.
            Decision::Start(StartReason::NewSandbox)
        }
        ContainerState::Running { .. } => {
            let policy = policy_of(spec, container);
            decide_on_running(
                (pod, container),
                newest,
                probes,
                ContainerRole::Regular,
                policy,
            )
        }
        ContainerState::Unknown => {
            let role = ContainerRole::Regular;
            Decision::Replace(KillReason::StateUnknown { role }, StartReason::StateUnknown)
        }
        ContainerState::Created => Decision::Start(StartReason::NeverStarted),
        ContainerState::Exited(_) if !wants_restart(spec, container, newest) => Decision::Finished,
        ContainerState::Exited(exit) => Decision::Start(StartReason::Exited { code: exit.code }),
    }
}

/// A container that runs stays, unless it is another one now, failed a probe, or cannot get its size
/// while it runs.
pub(super) fn decide_on_running(
    (pod, container): (&Pod, &Container),
    newest: &ContainerObservation,
    probes: &ProbeResults,
    role: ContainerRole,
    policy: RestartPolicy,
) -> Decision {
    if is_other(container, newest) {
        return Decision::Replace(KillReason::SpecChanged { role }, StartReason::SpecChanged);
    }
    let Some(kind) = failed_probe(container, newest, probes) else {
        return match requires_restart(pod, container, newest) {
            true => Decision::Replace(KillReason::Resized, StartReason::Resized),
            false => Decision::Keep,
        };
    };
    let reason = |then| KillReason::ProbeFailed { kind, role, then };
    match policy {
        RestartPolicy::Never => Decision::End(reason(Afterwards::StaysEnded)),
        RestartPolicy::Always | RestartPolicy::OnFailure => {
            Decision::Replace(reason(Afterwards::Restarts), StartReason::ProbeFailed(kind))
        }
    }
}

/// Whether a container that is not running is to be started again.
pub fn wants_restart(spec: &PodSpec, container: &Container, newest: &ContainerObservation) -> bool {
    match &newest.state {
        ContainerState::Running { .. } => false,
        ContainerState::Created | ContainerState::Unknown => true,
        ContainerState::Exited(exit) => restarts_after(spec, container, exit.code),
    }
}

/// Whether a container is started again after an exit: its rules say, else its policy, else its
/// pod's.
pub fn restarts_after(spec: &PodSpec, container: &Container, exit_code: i32) -> bool {
    if container.rule_for(exit_code).is_some() {
        return true;
    }
    match policy_of(spec, container) {
        RestartPolicy::Always => true,
        RestartPolicy::OnFailure => exit_code != 0,
        RestartPolicy::Never => false,
    }
}

/// The policy that holds for a container.
pub(super) fn policy_of(spec: &PodSpec, container: &Container) -> RestartPolicy {
    container.restart_policy.unwrap_or(spec.restart_policy)
}

/// Whether a container was made from another definition. One without a hash was made by somebody
/// else, who alone knows.
pub(super) fn is_other(container: &Container, seen: &ContainerObservation) -> bool {
    seen.hash.is_some_and(|hash| hash != container.hash)
}
