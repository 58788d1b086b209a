//! What do the verdicts of its probes say about a container: has it started, can it serve, must it go?

use crate::model::{
    Container, ContainerObservation, ContainerState, ProbeKind, ProbeResults, Verdict,
};

/// Whether a container runs and its startup probe, if it has one, has succeeded.
pub fn has_started(
    container: &Container,
    seen: &ContainerObservation,
    results: &ProbeResults,
) -> bool {
    is_running(seen) && has_succeeded(container, seen, results, ProbeKind::Startup)
}

/// Whether a container has started and its readiness probe, if it has one, has succeeded.
pub fn is_ready(
    container: &Container,
    seen: &ContainerObservation,
    results: &ProbeResults,
) -> bool {
    has_started(container, seen, results)
        && has_succeeded(container, seen, results, ProbeKind::Readiness)
}

/// The probe for which a running container has to be ended.
pub(super) fn failed_probe(
    container: &Container,
    seen: &ContainerObservation,
    results: &ProbeResults,
) -> Option<ProbeKind> {
    [ProbeKind::Liveness, ProbeKind::Startup]
        .into_iter()
        .filter(|kind| container.probes.of(*kind).is_some())
        .find(|kind| results.of(&seen.name, &seen.id, *kind) == Some(Verdict::Failure))
}

fn is_running(seen: &ContainerObservation) -> bool {
    matches!(seen.state, ContainerState::Running { .. })
}

fn has_succeeded(
    container: &Container,
    seen: &ContainerObservation,
    results: &ProbeResults,
    kind: ProbeKind,
) -> bool {
    container.probes.of(kind).is_none()
        || results.of(&seen.name, &seen.id, kind) == Some(Verdict::Success)
}
