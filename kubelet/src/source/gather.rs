//! Gathers what all sources say: one owner of what is desired, who tells the sync loop what changes.
//!
//! ```text
//! FileSource ─┐            ┌─► Shelf (objects)
//! HttpSource ─┴─► Saying ──┴─► inbox (pods, and once that all have spoken)
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::model::{ObjectKey, Pod, PodName, PodOrigin, PodSource};
use crate::store::Shelf;
use crate::sync::{EventRecorder, Input};

use super::tell::warn_of_duplicate;
use super::{Desired, Duplicate, Scan, merge};

/// Everything that a source says now.
#[derive(Clone, Debug, PartialEq)]
pub struct Saying {
    /// Which source.
    pub source: PodSource,
    /// What each of its manifests says; one that is missing is gone.
    pub scan: BTreeMap<PodOrigin, Scan>,
}

/// What is desired of static pods, for who shows them elsewhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StaticPods {
    /// Whether every source has spoken: there are no others.
    pub are_all: bool,
    /// By name.
    pub pods: BTreeMap<PodName, Arc<Pod>>,
}

/// The owner of what is desired.
pub struct Gatherer<E> {
    events: Arc<E>,
    /// Where the objects of manifests are put out.
    shelf: Shelf,
    desired: Desired,
    duplicates: Vec<Duplicate>,
    /// Whether everybody sees the objects as they are desired.
    is_put_out: bool,
    /// Those that have not spoken yet.
    silent: BTreeSet<PodSource>,
    /// Who shows static pods elsewhere.
    statics: Option<watch::Sender<StaticPods>>,
}

impl<E: EventRecorder> Gatherer<E> {
    /// A gatherer that waits for the first word of each of these sources.
    pub fn new(sources: impl IntoIterator<Item = PodSource>, shelf: Shelf, events: Arc<E>) -> Self {
        Self {
            events,
            shelf,
            desired: Desired::default(),
            duplicates: Vec::new(),
            is_put_out: true,
            silent: sources.into_iter().collect(),
            statics: None,
        }
    }

    /// The same, telling what is desired of static pods.
    #[must_use]
    pub fn telling(self, statics: watch::Sender<StaticPods>) -> Self {
        Self {
            statics: Some(statics),
            ..self
        }
    }

    /// Tells `inbox` what is desired until `shutdown`, and once that all sources have spoken.
    pub async fn run(
        mut self,
        mut sayings: mpsc::Receiver<Saying>,
        inbox: mpsc::Sender<Input>,
        shutdown: CancellationToken,
    ) {
        loop {
            // Both arms only receive.
            let saying = tokio::select! {
                () = shutdown.cancelled() => return,
                saying = sayings.recv() => saying,
            };
            let Some(saying) = saying else { return };
            for input in self.take(saying) {
                if inbox.send(input).await.is_err() {
                    return;
                }
            }
        }
    }

    /// What is to be told. Objects first: a new pod finds them, and a pod that waits for them is
    /// woken.
    fn take(&mut self, Saying { source, scan }: Saying) -> Vec<Input> {
        let merged = merge(&self.desired, source, scan);
        self.desired = merged.desired;
        self.tell_duplicates(merged.duplicates);
        self.is_put_out &= merged.changed_objects.is_empty();
        let objects = self.put_out();
        let mut inputs = Vec::new();
        if !objects.is_empty() {
            inputs.push(Input::ObjectsChanged(objects));
        }
        if !merged.changes.is_empty() {
            inputs.push(Input::Desired(merged.changes));
        }
        if self.silent.remove(&source) && self.silent.is_empty() {
            inputs.push(Input::SourcesReady);
        }
        self.tell_statics();
        inputs
    }

    fn tell_statics(&self) {
        let Some(statics) = &self.statics else { return };
        let pods = self.desired.pods().iter();
        let pods = pods.filter(|(_, pod)| pod.origin != PodOrigin::Api);
        let now = StaticPods {
            are_all: self.silent.is_empty(),
            pods: pods
                .map(|(name, pod)| (name.clone(), pod.clone()))
                .collect(),
        };
        statics.send_if_modified(|told| {
            let is_new = *told != now;
            *told = now;
            is_new
        });
    }

    /// Puts the objects out unless they are; says what changed.
    fn put_out(&mut self) -> BTreeSet<ObjectKey> {
        if self.is_put_out {
            return BTreeSet::new();
        }
        match self.shelf.put(self.desired.objects().clone()) {
            Ok(changed) => {
                self.is_put_out = true;
                changed
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "objects of manifests stay as they were");
                BTreeSet::new()
            }
        }
    }

    /// Tells of each once.
    fn tell_duplicates(&mut self, duplicates: Vec<Duplicate>) {
        let is_new = |one: &&Duplicate| !self.duplicates.contains(one);
        for duplicate in duplicates.iter().filter(is_new) {
            warn_of_duplicate(self.events.as_ref(), duplicate);
        }
        self.duplicates = duplicates;
    }
}
