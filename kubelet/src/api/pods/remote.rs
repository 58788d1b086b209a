//! The pods of this node as the API server has them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use k8s_openapi::api::core::v1 as core;
use tokio::sync::watch;

use super::name_of;
use crate::model::{PodName, PodUid};
use crate::watched::{Look, Teller, Watched};

/// The pods of this node as the API server has them, mirror pods among them.
#[derive(Debug)]
pub(crate) struct RemotePods {
    pods: Mutex<BTreeMap<PodName, Arc<core::Pod>>>,
    /// Those that cannot be run here, by UID, and why not.
    refused: Mutex<BTreeMap<String, String>>,
    teller: Teller<PodName, Arc<core::Pod>>,
    /// Whether they are all here.
    are_all: watch::Sender<bool>,
}

impl Default for RemotePods {
    fn default() -> Self {
        Self {
            pods: Mutex::default(),
            refused: Mutex::default(),
            teller: Teller::default(),
            are_all: watch::Sender::new(false),
        }
    }
}

impl RemotePods {
    pub(super) fn set(&self, pod: Arc<core::Pod>) {
        let name = name_of(&pod);
        let mut pods = self.pods();
        // A patch may be answered after the watch has told of a later one.
        let is_old = pods.get(&name).is_some_and(|known| {
            known.metadata.uid == pod.metadata.uid && version(known) > version(&pod)
        });
        if !is_old {
            pods.insert(name.clone(), Arc::clone(&pod));
            self.teller.tell(name, Some(pod));
        }
    }

    pub(super) fn remove(&self, name: &PodName, uid: Option<&str>) {
        let mut pods = self.pods();
        let is_it = |known: &Arc<core::Pod>| uid.is_none() || known.metadata.uid.as_deref() == uid;
        if pods.get(name).is_some_and(is_it) {
            let gone = pods.remove(name);
            if let Some(uid) = gone.and_then(|pod| pod.metadata.uid.clone()) {
                self.refusals().remove(&uid);
            }
            self.teller.tell(name.clone(), None);
        }
    }

    /// These are there, and no others.
    pub(super) fn replace(&self, all: Vec<Arc<core::Pod>>) {
        let names: Vec<_> = all.iter().map(|pod| name_of(pod)).collect();
        let gone: Vec<_> = {
            let pods = self.pods();
            pods.keys()
                .filter(|name| !names.contains(name))
                .cloned()
                .collect()
        };
        for name in gone {
            self.remove(&name, None);
        }
        all.into_iter().for_each(|pod| self.set(pod));
        self.are_all.send_replace(true);
    }

    /// The pod with this UID cannot be run here.
    pub(super) fn refuse(&self, uid: &str, why: String) {
        self.refusals().insert(uid.to_owned(), why);
    }

    /// Why the pod with this UID cannot be run here, if it cannot.
    pub(super) fn why_refused(&self, uid: &str) -> Option<String> {
        self.refusals().get(uid).cloned()
    }

    fn refusals(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.refused
            .lock()
            .expect("no holder of this lock can panic")
    }

    pub(super) fn get(&self, name: &PodName) -> Option<Arc<core::Pod>> {
        self.pods().get(name).cloned()
    }

    /// The pod with this UID.
    pub(crate) fn with_uid(&self, uid: &PodUid) -> Option<Arc<core::Pod>> {
        let pods = self.pods();
        let mut all = pods.values();
        let is_it = |pod: &&Arc<core::Pod>| pod.metadata.uid.as_deref() == Some(uid.as_str());
        all.find(is_it).cloned()
    }

    pub(super) fn are_all(&self) -> watch::Receiver<bool> {
        self.are_all.subscribe()
    }

    fn pods(&self) -> MutexGuard<'_, BTreeMap<PodName, Arc<core::Pod>>> {
        self.pods.lock().expect("no holder of this lock can panic")
    }
}

/// Versions are numbers that grow: since Kubernetes 1.35 that is part of the API.
fn version(pod: &core::Pod) -> u64 {
    let version = pod.metadata.resource_version.as_deref();
    version
        .and_then(|version| version.parse().ok())
        .unwrap_or(0)
}

impl Watched for RemotePods {
    type Key = PodName;
    type Thing = Arc<core::Pod>;

    fn look(&self) -> Look<PodName, Arc<core::Pod>> {
        let pods = self.pods();
        (pods.clone(), self.teller.listen())
    }
}
