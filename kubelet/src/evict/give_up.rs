//! Gives pods up: says why, orders it, and waits until they have ended.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1 as core;
use tokio::time::{Instant, sleep};

use super::evictor::Evictor;
use super::threshold::Threshold;
use crate::model::{Demise, Event, EventKind, PodName, PodUid};
use crate::sync::Input;

/// How long an evicted pod is waited for before the node is looked at again.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long a pod may take to end when the node cannot wait.
pub(super) const AT_ONCE: Duration = Duration::from_secs(1);

/// A pod that has to go.
pub(super) struct Eviction {
    pub(super) pod: Arc<core::Pod>,
    /// For whose sake, as metrics call it.
    pub(super) signal: &'static str,
    pub(super) message: String,
    pub(super) disruption: Option<String>,
    pub(super) grace: Duration,
}

impl Evictor {
    pub(super) fn grace(&self, threshold: &Threshold, pod: &core::Pod) -> Duration {
        if threshold.is_hard() {
            return AT_ONCE;
        }
        let spec = pod.spec.as_ref();
        let own = spec.and_then(|spec| spec.termination_grace_period_seconds);
        let own = own.and_then(|seconds| u64::try_from(seconds).ok());
        let own = own.map_or(Duration::MAX, Duration::from_secs);
        own.min(self.parts.policy.most_grace)
    }

    pub(super) async fn evict_all(&self, evictions: Vec<Eviction>) -> Vec<PodUid> {
        let mut evicted = Vec::new();
        for eviction in evictions {
            let metadata = &eviction.pod.metadata;
            let Some(uid) = metadata.uid.as_deref().map(PodUid::from) else {
                continue;
            };
            let of = |text: &Option<String>| text.clone().unwrap_or_default();
            self.parts.events.record(Event {
                pod: PodName::new(&of(&metadata.namespace), &of(&metadata.name)),
                uid: Some(uid.clone()),
                container: None,
                kind: EventKind::Warning,
                reason: "Evicted".into(),
                message: eviction.message.clone(),
            });
            let demise = Demise {
                reason: "Evicted".into(),
                message: eviction.message,
                disruption: eviction.disruption,
            };
            let order = Input::Fail {
                uid: uid.clone(),
                demise: Arc::new(demise),
                grace: Some(eviction.grace),
            };
            // A loop that has ended has no pods to give up.
            if self.parts.inbox.send(order).await.is_ok() {
                self.parts.metrics.evicted(eviction.signal);
                evicted.push(uid);
            }
        }
        evicted
    }

    /// Waits until what was evicted has ended, so that what it used is free.
    pub(super) async fn wait_for(&self, evicted: &[PodUid]) {
        let deadline = Instant::now() + PATIENCE;
        let runs = |pod: &Arc<core::Pod>| {
            let uid = pod.metadata.uid.as_deref().unwrap_or_default();
            evicted.iter().any(|one| one.as_str() == uid) && is_running(pod)
        };
        // The order has to arrive first.
        sleep(LOOK_AGAIN).await;
        while Instant::now() < deadline && (self.parts.roll)().iter().any(runs) {
            sleep(LOOK_AGAIN).await;
        }
    }
}

fn is_running(pod: &core::Pod) -> bool {
    let status = pod.status.iter();
    let mut containers = status.flat_map(|status| {
        let init = status.init_container_statuses.iter().flatten();
        let regular = status.container_statuses.iter().flatten();
        init.chain(regular)
    });
    containers.any(|one| {
        one.state
            .as_ref()
            .is_some_and(|state| state.running.is_some())
    })
}
