//! The pods that exist: who owns each one, and which names are taken.
//!
//! One task owns each pod (`pod/`); this registry only says which. Its lock is held for a look-up,
//! never across an await.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::LifecycleError;
use super::pod::{PodHandle, PodSnapshot, Unowned};
use crate::model::config::PodMetadata;
use crate::model::{ContainerId, SandboxId};

/// Uid and attempt: what names a sandbox for the client that asks twice.
type SandboxKey = (String, u32);

/// Every pod, by sandbox id and by name.
#[derive(Debug, Default)]
pub struct Pods {
    index: Mutex<Index>,
}

#[derive(Debug, Default)]
struct Index {
    by_id: HashMap<SandboxId, PodHandle>,
    by_key: HashMap<SandboxKey, SandboxId>,
}

/// Who has the name of a pod that was to be made.
pub(super) enum Entered {
    /// The pod that was made for it.
    New(PodHandle, Box<Unowned>),
    /// Somebody had it already.
    Taken(PodHandle),
}

/// What became of the wish for a name.
#[derive(Debug)]
pub(super) enum Claim {
    /// The name was free; the handle was entered.
    Entered,
    /// Somebody has it already.
    Taken(PodHandle),
}

impl Pods {
    /// Enters the pod that `make` makes, unless its (uid, attempt) is taken. `make` is told the SELinux
    /// levels of all pods; nobody takes one meanwhile.
    pub(super) fn enter<E>(
        &self,
        metadata: &PodMetadata,
        make: impl FnOnce(&BTreeSet<String>) -> Result<(PodHandle, Unowned), E>,
    ) -> Result<Entered, E> {
        let key = (metadata.uid.clone(), metadata.attempt);
        let mut index = self.lock();
        if let Some(taken) = index.by_key.get(&key).and_then(|id| index.by_id.get(id)) {
            return Ok(Entered::Taken(taken.clone()));
        }
        let level = |pod: &PodHandle| pod.snapshot().sandbox.selinux.clone()?.process.level;
        let levels = index.by_id.values().filter_map(level).collect();
        let (handle, unowned) = make(&levels)?;
        index.by_key.insert(key, handle.id().clone());
        index.by_id.insert(handle.id().clone(), handle.clone());
        Ok(Entered::New(handle, Box::new(unowned)))
    }

    /// Enters a pod unless its (uid, attempt) is taken.
    pub(super) fn claim(&self, metadata: &PodMetadata, handle: PodHandle) -> Claim {
        let key = (metadata.uid.clone(), metadata.attempt);
        let mut index = self.lock();
        if let Some(taken) = index.by_key.get(&key).and_then(|id| index.by_id.get(id)) {
            return Claim::Taken(taken.clone());
        }
        index.by_key.insert(key, handle.id().clone());
        index.by_id.insert(handle.id().clone(), handle);
        Claim::Entered
    }

    /// Forgets a pod. Not an error when it is gone.
    pub(super) fn forget(&self, metadata: &PodMetadata, id: &SandboxId) {
        let key = (metadata.uid.clone(), metadata.attempt);
        let mut index = self.lock();
        index.by_id.remove(id);
        if index.by_key.get(&key) == Some(id) {
            index.by_key.remove(&key);
        }
    }

    /// The pod with this sandbox id; an unambiguous beginning of an id does too, as in crictl.
    pub(super) fn sandbox(&self, id: &str) -> Result<PodHandle, LifecycleError> {
        let index = self.lock();
        let mut matches = index
            .by_id
            .iter()
            .filter(|(known, _)| is_meant(known.as_str(), id));
        let found = matches.next().map(|(_, handle)| handle.clone());
        only(found, matches.next().is_some(), "sandbox", id)
    }

    /// The pod that has this container, and the container's whole id.
    pub(super) fn container(&self, id: &str) -> Result<(PodHandle, ContainerId), LifecycleError> {
        let index = self.lock();
        let mut matches = index.by_id.values().flat_map(|handle| {
            let pod = handle.snapshot();
            let meant = pod
                .containers
                .keys()
                .find(|known| is_meant(known.as_str(), id))
                .cloned();
            meant.map(|container| (handle.clone(), container))
        });
        let found = matches.next();
        let is_ambiguous = matches.next().is_some();
        drop(matches);
        only(found, is_ambiguous, "container", id)
    }

    /// What every pod looks like now.
    pub fn snapshots(&self) -> Vec<Arc<PodSnapshot>> {
        self.lock()
            .by_id
            .values()
            .map(PodHandle::snapshot)
            .collect()
    }

    /// Ids of the images that containers were made from, or show: their layers are needed.
    pub fn images_in_use(&self) -> BTreeSet<String> {
        let pods = self.snapshots();
        let containers = pods.iter().flat_map(|pod| pod.containers.values());
        containers
            .flat_map(|container| {
                let volumes = container.image_volumes.iter();
                let volumes = volumes.map(|volume| volume.image_id.clone());
                volumes.chain([container.image_id.clone()])
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        // Every change of the index is one insertion or removal, whole even after a panic.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `text` means the id `known`.
fn is_meant(known: &str, text: &str) -> bool {
    !text.is_empty() && known.starts_with(text)
}

fn only<T>(
    found: Option<T>,
    is_ambiguous: bool,
    kind: &'static str,
    id: &str,
) -> Result<T, LifecycleError> {
    match found {
        Some(_) if is_ambiguous => Err(LifecycleError::Invalid(format!(
            "{kind} id {id:?} is ambiguous: write more of it"
        ))),
        Some(found) => Ok(found),
        None => Err(LifecycleError::NotFound {
            kind,
            id: id.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::lifecycle::pod;
    use crate::model::{SandboxConfig, SandboxRecord, SandboxState};

    fn handle(fill: u8, uid: &str, attempt: u32) -> (PodMetadata, PodHandle) {
        let metadata = PodMetadata {
            uid: uid.to_owned(),
            attempt,
            ..Default::default()
        };
        let config = SandboxConfig {
            metadata: metadata.clone(),
            ..Default::default()
        };
        let sandbox = SandboxRecord {
            state: SandboxState::Stopped,
            ..SandboxRecord::reserved(SandboxId::from_random([fill; 32]), config)
        };
        let (handle, _unowned) = pod::prepare(PodSnapshot {
            sandbox,
            containers: BTreeMap::new(),
        });
        (metadata, handle)
    }

    #[test]
    fn a_second_claim_of_a_name_meets_the_first() {
        let pods = Pods::default();
        let (metadata, first) = handle(1, "u", 0);
        let (_, second) = handle(2, "u", 0);
        assert!(matches!(
            pods.claim(&metadata, first.clone()),
            Claim::Entered
        ));
        match pods.claim(&metadata, second) {
            Claim::Taken(taken) => assert_eq!(taken.id(), first.id()),
            Claim::Entered => panic!("the name was given twice"),
        }
    }

    #[test]
    fn another_attempt_of_a_pod_has_a_name_of_its_own() {
        let pods = Pods::default();
        for (fill, attempt) in [(1, 0), (2, 1)] {
            let (metadata, pod) = handle(fill, "u", attempt);
            assert!(matches!(pods.claim(&metadata, pod), Claim::Entered));
        }
        assert_eq!(pods.snapshots().len(), 2);
    }

    #[test]
    fn a_forgotten_name_is_free_again() {
        let pods = Pods::default();
        let (metadata, first) = handle(1, "u", 0);
        pods.claim(&metadata, first.clone());
        pods.forget(&metadata, first.id());
        let (_, second) = handle(2, "u", 0);
        assert!(matches!(pods.claim(&metadata, second), Claim::Entered));
    }

    #[test]
    fn a_shortened_id_is_enough_until_it_is_ambiguous() {
        let pods = Pods::default();
        for (fill, uid) in [(0xaa, "a"), (0xab, "b")] {
            let (metadata, pod) = handle(fill, uid, 0);
            pods.claim(&metadata, pod);
        }
        assert!(pods.sandbox("aa").is_ok());
        assert!(matches!(pods.sandbox("a"), Err(LifecycleError::Invalid(_))));
        assert!(matches!(
            pods.sandbox("f"),
            Err(LifecycleError::NotFound { .. })
        ));
        assert!(matches!(
            pods.sandbox(""),
            Err(LifecycleError::NotFound { .. })
        ));
    }
}
