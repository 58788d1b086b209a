//! Does a regular container have to be started, and does the one that is there have to go first?

use crate::model::{
    Afterwards, Container, ContainerObservation, ContainerRole, ContainerState, KillReason,
    ProbeResults, RestartPolicy, SandboxId, StartReason,
};

use super::probe::failed_probe;

/// What is to become of one regular container.
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
    container: &Container,
    newest: Option<&ContainerObservation>,
    probes: &ProbeResults,
    policy: RestartPolicy,
    sandbox: &SandboxId,
) -> Decision {
    let Some(newest) = newest else {
        return Decision::Start(StartReason::Missing);
    };
    let in_sandbox = newest.sandbox_id == *sandbox;
    match &newest.state {
        ContainerState::Running { .. } if !in_sandbox => {
            // It is ended as a stray.
            Decision::Start(StartReason::NewSandbox)
        }
        ContainerState::Running { .. } if is_other(container, newest) => {
            Decision::Replace(KillReason::SpecChanged, StartReason::SpecChanged)
        }
        ContainerState::Running { .. } => decide_on_running(container, newest, probes, policy),
        ContainerState::Unknown => {
            Decision::Replace(KillReason::StateUnknown, StartReason::StateUnknown)
        }
        ContainerState::Created => Decision::Start(StartReason::NeverStarted),
        ContainerState::Exited(_) if !wants_restart(policy, newest) => Decision::Finished,
        ContainerState::Exited(exit) => Decision::Start(StartReason::Exited { code: exit.code }),
    }
}

/// A container that runs as it is described stays, unless it failed a probe.
fn decide_on_running(
    container: &Container,
    newest: &ContainerObservation,
    probes: &ProbeResults,
    policy: RestartPolicy,
) -> Decision {
    let Some(kind) = failed_probe(container, newest, probes) else {
        return Decision::Keep;
    };
    let reason = |then| KillReason::ProbeFailed {
        kind,
        role: ContainerRole::Regular,
        then,
    };
    match policy {
        RestartPolicy::Never => Decision::End(reason(Afterwards::StaysEnded)),
        RestartPolicy::Always | RestartPolicy::OnFailure => {
            Decision::Replace(reason(Afterwards::Restarts), StartReason::ProbeFailed(kind))
        }
    }
}

/// Whether a container that is not running is to be started again.
pub fn wants_restart(policy: RestartPolicy, newest: &ContainerObservation) -> bool {
    match (&newest.state, policy) {
        (ContainerState::Running { .. }, _) => false,
        (ContainerState::Created | ContainerState::Unknown, _) => true,
        (ContainerState::Exited(_), RestartPolicy::Always) => true,
        (ContainerState::Exited(_), RestartPolicy::Never) => false,
        (ContainerState::Exited(exit), RestartPolicy::OnFailure) => !exit.is_success(),
    }
}

/// Whether a container was made from another definition. One without a hash was made by somebody
/// else, who alone knows.
fn is_other(container: &Container, seen: &ContainerObservation) -> bool {
    seen.hash.is_some_and(|hash| hash != container.hash)
}
