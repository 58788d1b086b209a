//! Since when has a pod been active, and when has it been active for too long?

use jiff::Timestamp;

use crate::model::{Pod, PodObservation};

/// When the node began with a pod: its first sandbox is the oldest trace that outlives a restart of
/// the kubelet; before there is one, when the kubelet first saw the pod.
pub fn start_time(pod: &Pod, observation: &PodObservation) -> Timestamp {
    let first = observation
        .sandboxes
        .iter()
        .map(|sandbox| sandbox.created_at)
        .min();
    first.map_or(pod.seen_at, |first| first.min(pod.seen_at))
}

/// When the pod has been active for as long as it may.
pub fn deadline_of(pod: &Pod, started_at: Timestamp) -> Option<Timestamp> {
    let deadline = pod.spec.active_deadline?;
    // A deadline beyond the end of time is none.
    started_at.checked_add(deadline).ok()
}
