//! The pods of this kubelet with their newest status.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use k8s_openapi::api::core::v1 as core;

use crate::model::{Pod, PodUid};
use crate::sync::StatusSink;
use crate::watched::{Look, Teller, Watched};

/// Every pod that is not gone for good, as the API shows it.
#[derive(Debug, Default)]
pub struct PodTable {
    pods: Mutex<BTreeMap<PodUid, Arc<core::Pod>>>,
    teller: Teller<PodUid, Arc<core::Pod>>,
}

impl PodTable {
    /// All of them.
    pub fn all(&self) -> Vec<Arc<core::Pod>> {
        self.pods().values().cloned().collect()
    }

    /// The pod of that name; after a change of its definition there may be two, and the one that
    /// came last is meant.
    pub(super) fn named(&self, namespace: &str, name: &str) -> Option<(PodUid, Arc<core::Pod>)> {
        let is_it = |pod: &core::Pod| {
            pod.metadata.name.as_deref() == Some(name)
                && pod.metadata.namespace.as_deref() == Some(namespace)
        };
        let pods = self.pods();
        let of_name = pods.iter().filter(|(_, pod)| is_it(pod));
        of_name
            .max_by_key(|(_, pod)| {
                pod.status
                    .as_ref()
                    .and_then(|status| status.start_time.clone())
            })
            .map(|(uid, pod)| (uid.clone(), Arc::clone(pod)))
    }

    /// Whether this try of the container will write no more.
    pub(super) fn has_ended(&self, uid: &PodUid, container: &str, restart_count: u32) -> bool {
        let pods = self.pods();
        let Some(pod) = pods.get(uid) else {
            return true;
        };
        let Some(status) = container_status(pod, container) else {
            return false;
        };
        let newest = u32::try_from(status.restart_count).unwrap_or(0);
        let has_stopped = match &status.state {
            Some(state) if state.terminated.is_some() => true,
            Some(state) if state.waiting.is_some() => status
                .last_state
                .as_ref()
                .is_some_and(|last| last.terminated.is_some()),
            _ => false,
        };
        newest > restart_count || (newest == restart_count && has_stopped)
    }

    fn pods(&self) -> MutexGuard<'_, BTreeMap<PodUid, Arc<core::Pod>>> {
        self.pods.lock().expect("no holder of this lock can panic")
    }
}

impl StatusSink for PodTable {
    fn publish(&self, pod: &Pod, status: &core::PodStatus) {
        let shown = core::Pod {
            status: Some(status.clone()),
            ..(*pod.manifest).clone()
        };
        let mut pods = self.pods();
        // What is published again as it was is no change for who watches.
        if pods.get(&pod.uid).is_some_and(|before| **before == shown) {
            return;
        }
        let shown = Arc::new(shown);
        pods.insert(pod.uid.clone(), Arc::clone(&shown));
        self.teller.tell(pod.uid.clone(), Some(shown));
    }

    fn forget(&self, uid: &PodUid) {
        let mut pods = self.pods();
        if pods.remove(uid).is_some() {
            self.teller.tell(uid.clone(), None);
        }
    }
}

impl Watched for PodTable {
    type Key = PodUid;
    type Thing = Arc<core::Pod>;

    fn look(&self) -> Look<PodUid, Arc<core::Pod>> {
        let pods = self.pods();
        (pods.clone(), self.teller.listen())
    }
}

/// The status of a container of whichever list.
pub(super) fn container_status<'a>(
    pod: &'a core::Pod,
    container: &str,
) -> Option<&'a core::ContainerStatus> {
    let status = pod.status.as_ref()?;
    [
        &status.init_container_statuses,
        &status.container_statuses,
        &status.ephemeral_container_statuses,
    ]
    .into_iter()
    .flat_map(|list| list.iter().flatten())
    .find(|status| status.name == container)
}
