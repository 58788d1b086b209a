//! Gathers what all sources say: one owner of what is desired, who tells the sync loop what changes.
//!
//! ```text
//! FileSource ─┐            ┌─► Shelf (objects)
//! HttpSource ─┴─► Saying ──┴─► inbox (pods, and once that all have spoken)
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::model::{ObjectKey, PodOrigin, PodSource};
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
        inputs
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
