//! Can the pod's sandbox be used, or is a new one needed?

use crate::model::{
    Container, CreateSandbox, NetworkMode, Pod, PodObservation, ProbeResults, RestartPolicy,
    SandboxObservation, SandboxReason, SandboxState,
};

use super::init::{InitProgress, init_progress};
use super::restart::wants_restart;

/// What is to become of a pod's sandbox.
pub(super) enum Verdict<'a> {
    /// It is good.
    Keep(&'a SandboxObservation),
    /// Another one has to take its place.
    Replace(CreateSandbox),
    /// It is not good, and nothing is left that would need a new one.
    Finished,
}

/// Judges the newest sandbox of a pod.
pub(super) fn judge<'a>(pod: &Pod, observation: &'a PodObservation) -> Verdict<'a> {
    match flaw(pod, observation) {
        Ok(sandbox) => Verdict::Keep(sandbox),
        Err(create) if is_finished(pod, observation, &create) => Verdict::Finished,
        Err(create) => Verdict::Replace(create),
    }
}

/// The good sandbox, or the one that would replace it and why.
fn flaw<'a>(
    pod: &Pod,
    observation: &'a PodObservation,
) -> Result<&'a SandboxObservation, CreateSandbox> {
    let Some(newest) = observation.newest_sandbox() else {
        return Err(CreateSandbox {
            attempt: 0,
            reason: SandboxReason::Missing,
        });
    };
    match reason_to_replace(pod, observation, newest) {
        None => Ok(newest),
        Some(reason) => Err(CreateSandbox {
            attempt: newest.attempt + 1,
            reason,
        }),
    }
}

fn reason_to_replace(
    pod: &Pod,
    observation: &PodObservation,
    newest: &SandboxObservation,
) -> Option<SandboxReason> {
    let wanted = pod.spec.namespaces.network;
    let is_ready = |sandbox: &&SandboxObservation| sandbox.state == SandboxState::Ready;
    if observation.sandboxes.iter().filter(is_ready).count() > 1 {
        Some(SandboxReason::MoreThanOneReady)
    } else if newest.state != SandboxState::Ready {
        Some(SandboxReason::NotReady)
    } else if newest.network != wanted {
        Some(SandboxReason::NetworkModeChanged)
    } else if wanted == NetworkMode::Pod && newest.ips.is_empty() {
        Some(SandboxReason::NoAddress)
    } else {
        None
    }
}

/// Whether a pod that lost its sandbox has done everything it will ever do.
fn is_finished(pod: &Pod, observation: &PodObservation, create: &CreateSandbox) -> bool {
    if pod.spec.restart_policy == RestartPolicy::Never {
        return create.attempt > 0 && !observation.containers.is_empty();
    }
    has_done_its_work(pod, observation) || has_failed_to_initialize(pod, observation)
}

/// Whether every regular container has ended and stays ended, in whichever sandbox that was.
pub fn has_done_its_work(pod: &Pod, observation: &PodObservation) -> bool {
    let is_done = |container: &Container| {
        observation.newest(&container.name).is_some_and(|newest| {
            newest.state.exit().is_some() && !wants_restart(&pod.spec, container, newest)
        })
    };
    pod.spec.containers.iter().all(is_done)
}

/// Whether an init container has failed for good in the sandbox that was lost. What the probes of
/// its sidecars said is lost with it.
fn has_failed_to_initialize(pod: &Pod, observation: &PodObservation) -> bool {
    let nothing = ProbeResults::default();
    observation.newest_sandbox().is_some_and(|sandbox| {
        let progress = init_progress(pod, observation, &nothing, &sandbox.id);
        matches!(progress, InitProgress::Failed(_))
    })
}
