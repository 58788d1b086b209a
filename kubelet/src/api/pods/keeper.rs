//! Tells the API server of every pod what there is to tell: one request of a pod at a time, and
//! several pods beside each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1 as core;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::mirror::Owner;
use super::plan::{Sight, Step, plan};
use super::{RemotePods, is_mirror, name_of, path, uid};
use crate::api::backoff::Backoff;
use crate::api::client::{ApiError, Client, Patch};
use crate::metrics::PodMetrics;
use crate::model::{PodName, PodUid};
use crate::server::PodTable;
use crate::source::StaticPods;
use crate::watched::{Change, Watcher};

/// Requests beside each other.
const AT_ONCE: usize = 10;

/// How long to wait at most after a request that failed, as upstream looks at all pods so often.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What a keeper is made of.
pub(crate) struct StatusKeeperParts {
    pub(crate) client: Client,
    pub(crate) node: String,
    /// The Node's UID.
    pub(crate) node_uid: watch::Receiver<Option<String>>,
    pub(crate) remote: Arc<RemotePods>,
    pub(crate) table: Arc<PodTable>,
    pub(crate) statics: watch::Receiver<StaticPods>,
    pub(crate) metrics: PodMetrics,
}

/// Tells the API server of every pod.
pub(crate) struct StatusKeeper {
    parts: StatusKeeperParts,
    here: BTreeMap<PodUid, Arc<core::Pod>>,
    /// Pods of which nothing is left, until the API server has none either.
    gone: BTreeMap<PodName, Arc<core::Pod>>,
    /// Names of which something is to be looked at.
    dirty: BTreeSet<PodName>,
    /// Names of which something is being told.
    busy: BTreeSet<PodName>,
    /// Names of which nothing could be told last time.
    failed: BTreeSet<PodName>,
    retry: Option<Instant>,
    backoff: Backoff,
    /// The last patch of each pod, and the version that it was for: one without effect is not
    /// repeated.
    patched: BTreeMap<PodName, (Value, Arc<core::Pod>)>,
    /// Since when there is something of a pod's status to tell.
    changed: BTreeMap<PodName, Instant>,
}

/// What came of a step.
struct Told {
    name: PodName,
    step: Step,
    answer: Result<Value, ApiError>,
    /// Since when it was to be told.
    changed: Option<Instant>,
}

impl StatusKeeper {
    /// A keeper that has told nothing yet.
    pub(crate) fn new(parts: StatusKeeperParts) -> Self {
        Self {
            parts,
            here: BTreeMap::new(),
            gone: BTreeMap::new(),
            dirty: BTreeSet::new(),
            busy: BTreeSet::new(),
            failed: BTreeSet::new(),
            retry: None,
            backoff: Backoff::new(),
            patched: BTreeMap::new(),
            changed: BTreeMap::new(),
        }
    }

    /// Works until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        // The next kubelet tells what is not told any more.
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.work() => {}
        }
    }

    async fn work(&mut self) {
        let mut are_all = self.parts.remote.are_all();
        if are_all.wait_for(|are_all| *are_all).await.is_err() {
            return;
        }
        let (there, mut remote) = Watcher::begin(Arc::clone(&self.parts.remote));
        self.dirty.extend(there.iter().map(|pod| name_of(pod)));
        let (here, mut table) = Watcher::begin(Arc::clone(&self.parts.table));
        here.into_iter()
            .for_each(|pod| self.see(Change::Added(pod)));
        let (mut statics, mut node) = (self.parts.statics.clone(), self.parts.node_uid.clone());
        self.look_at_statics();
        let mut telling = JoinSet::new();
        loop {
            self.start(&mut telling);
            let retry = self.retry.unwrap_or_else(|| Instant::now() + LONGEST_WAIT);
            // Every arm only receives.
            tokio::select! {
                Some(change) = remote.next() => self.hear(&change),
                Some(change) = table.next() => self.see(change),
                Ok(()) = statics.changed() => self.look_at_statics(),
                Ok(()) = node.changed() => self.look_at_statics(),
                Some(told) = telling.join_next() => {
                    self.finish(told.expect("telling neither panics nor is it aborted"));
                }
                () = sleep_until(retry) => {
                    self.retry = None;
                    self.dirty.append(&mut self.failed);
                }
            }
        }
    }

    /// What the API server has changed.
    fn hear(&mut self, change: &Change<Arc<core::Pod>>) {
        let (Change::Added(pod) | Change::Modified(pod) | Change::Removed(pod)) = change;
        let name = name_of(pod);
        let is_there = !matches!(change, Change::Removed(_));
        let is_of_it = |gone: &Arc<core::Pod>| is_there && uid(gone) == uid(pod);
        if !self.gone.get(&name).is_some_and(is_of_it) {
            self.gone.remove(&name);
        }
        if !is_there {
            self.patched.remove(&name);
        }
        self.dirty.insert(name);
    }

    /// What is here has changed.
    fn see(&mut self, change: Change<Arc<core::Pod>>) {
        match change {
            Change::Added(pod) | Change::Modified(pod) => {
                let name = name_of(&pod);
                self.changed
                    .entry(name.clone())
                    .or_insert_with(Instant::now);
                self.dirty.insert(name);
                self.here.insert(uid(&pod).into(), pod);
            }
            Change::Removed(pod) => {
                let name = name_of(&pod);
                self.here.remove(&PodUid::from(uid(&pod)));
                self.dirty.insert(name.clone());
                // One that the API server does not have any more need not be told of.
                let there = self.parts.remote.get(&name);
                if there.is_some_and(|there| uid(&there) == uid(&pod)) {
                    self.gone.insert(name, pod);
                }
            }
        }
    }

    /// Static pods came or went, or the node they belong to is another: their mirrors are looked at.
    fn look_at_statics(&mut self) {
        let (there, _) = Watcher::begin(Arc::clone(&self.parts.remote));
        let mirrors = there.iter().filter(|pod| is_mirror(pod));
        self.dirty.extend(mirrors.map(|pod| name_of(pod)));
        let statics = self.parts.statics.borrow();
        self.parts.metrics.mirrors(statics.pods.len());
        self.dirty.extend(statics.pods.keys().cloned());
    }

    /// Begins to tell what is to be told.
    fn start(&mut self, telling: &mut JoinSet<Told>) {
        let ready: Vec<_> = self.dirty.difference(&self.busy).cloned().collect();
        for name in ready {
            if telling.len() >= AT_ONCE {
                return;
            }
            self.dirty.remove(&name);
            let step = self.next_step(&name);
            let changed = self.changed.remove(&name);
            if step != Step::Nothing {
                self.busy.insert(name.clone());
                telling.spawn(tell(self.parts.client.clone(), (name, changed), step));
            }
        }
    }

    fn next_step(&mut self, name: &PodName) -> Step {
        let there = self.parts.remote.get(name);
        let (wanted, are_all_known) = {
            let statics = self.parts.statics.borrow();
            (statics.pods.get(name).cloned(), statics.are_all)
        };
        let node = self.parts.node_uid.borrow().clone().map(|uid| Owner {
            name: self.parts.node.clone(),
            uid,
        });
        let wanted = wanted.as_ref().map(|pod| pod.manifest.as_ref());
        let refused = there
            .as_ref()
            .and_then(|there| self.parts.remote.why_refused(uid(there)));
        let last = self.patched.get(name);
        let is_futile = |of: &core::Pod| there.as_ref().is_some_and(|now| now.status == of.status);
        let futile = last.filter(|(_, of)| is_futile(of)).map(|(patch, _)| patch);
        let here = self.here_of(name, [there.as_deref(), wanted]);
        let step = plan(Sight {
            here: here.as_deref(),
            gone: self.gone.get(name).map(AsRef::as_ref),
            wanted,
            are_all_known,
            there: there.as_deref(),
            refused: refused.as_deref(),
            futile,
            node: node.as_ref(),
        });
        if let (Step::Patch(patch), Some(there)) = (&step, there) {
            self.patched.insert(name.clone(), (patch.clone(), there));
        }
        step
    }

    /// The pod of a name that is meant: rather one of these than another.
    fn here_of(&self, name: &PodName, meant: [Option<&core::Pod>; 2]) -> Option<Arc<core::Pod>> {
        let meant = meant.into_iter().flatten();
        let known = meant.filter_map(|pod| self.here.get(&PodUid::from(uid(pod))));
        let mut of_name = self.here.values().filter(|pod| name_of(pod) == *name);
        let mut known = known.chain(std::iter::from_fn(|| of_name.next()));
        known.next().cloned()
    }

    fn finish(&mut self, told: Told) {
        let Told {
            name,
            step,
            answer,
            changed,
        } = told;
        self.busy.remove(&name);
        match (&answer, &step, changed) {
            (Ok(_), Step::Patch(_), Some(changed)) => {
                self.parts.metrics.status_told(changed.elapsed());
            }
            (_, _, Some(changed)) => drop(self.changed.insert(name.clone(), changed)),
            (_, _, None) => {}
        }
        let remote = &self.parts.remote;
        match (answer, step) {
            (Ok(_), Step::Remove(uid)) => remote.remove(&name, Some(&uid)),
            (Err(error), Step::Remove(uid)) if error.is_not_found() => {
                remote.remove(&name, Some(&uid));
            }
            (Ok(answer), _) => match serde_json::from_value::<core::Pod>(answer) {
                Ok(pod) => remote.set(Arc::new(pod)),
                Err(error) => {
                    warn!(pod = %name, %error, "a pod of the API server is not understood")
                }
            },
            // The watch tells what became of it.
            (Err(error), Step::Patch(_)) if error.is_not_found() || error.is_conflict() => {
                self.patched.remove(&name);
            }
            (Err(error), _) => {
                let error = &error as &dyn std::error::Error;
                warn!(pod = %name, error, "the API server is told later");
                self.patched.remove(&name);
                self.failed.insert(name);
                let wait = self.backoff.next().min(LONGEST_WAIT);
                self.retry.get_or_insert(Instant::now() + wait);
                return;
            }
        }
        self.backoff.rest();
        self.dirty.insert(name);
    }
}

async fn tell(client: Client, (name, changed): (PodName, Option<Instant>), step: Step) -> Told {
    let answer = match &step {
        Step::Nothing => Ok(Value::Null),
        Step::Patch(patch) => {
            let path = format!("{}/status", path(&name));
            client.patch(&path, Patch::Strategic, patch).await
        }
        Step::Create(pod) => {
            let path = format!("/api/v1/namespaces/{}/pods", name.namespace);
            let pod = serde_json::to_value(pod).expect("API objects have only text keys");
            client.create(&path, &pod).await
        }
        Step::Remove(uid) => client.remove(&path(&name), uid).await,
    };
    Told {
        name,
        step,
        answer,
        changed,
    }
}
