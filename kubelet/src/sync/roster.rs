//! Who works on which pod, and who has to wait: the decisions of the sync loop, without its tasks.
//!
//! Two pods of one name never overlap: an edited static pod has a new UID, and it waits until the
//! old one is gone. Nothing starts before the runtime has said what it has, so that this also holds
//! for pods that were changed while the kubelet was down. Nothing that runs counts as unwanted before
//! all sources have said what they want; until then a pod of another source may have its name. Who
//! may start at all is decided in `entry`.

mod entry;
mod resize;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::admit::{NodeFacts, Refusal};
use crate::allocation::Trigger;
use crate::metrics::PodCount;
use crate::model::{ContainerId, Demise, ObjectKey, Pod, PodChange, PodName, PodUid};

use super::{Life, Report, RuntimePod};
use resize::Resizes;

/// What the loop has to tell its workers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// A worker is started for a pod.
    Start(Arc<Pod>),
    /// A worker is started that only looks whether anything is left to do of a pod.
    Inspect(Arc<Pod>),
    /// The worker that only looked makes its pod run.
    LetIn(PodUid),
    /// The pod does not run here: its worker, started if need be, says so.
    Refuse(Arc<Pod>, Refusal),
    /// The worker of a pod ends it for a critical one.
    Preempt {
        /// Which.
        pod: Arc<Pod>,
        /// The resource that there is not enough of.
        lacking: String,
    },
    /// The worker of a pod gets its new version.
    Update(Arc<Pod>),
    /// The worker of a pod makes its containers as large as they wish to be.
    Grant {
        /// Which.
        pod: Arc<Pod>,
        /// What made room, if it had to wait.
        after: Option<Trigger>,
    },
    /// The containers of a pod stay as large as they are.
    Postpone {
        /// Which.
        pod: Arc<Pod>,
        /// The word in metrics for what can never be.
        detail: &'static str,
    },
    /// The worker of a pod gives it up.
    Fail {
        /// Which.
        uid: PodUid,
        /// What its status says from then on.
        demise: Arc<Demise>,
        /// How long its containers may take; `None` leaves it to the pod.
        grace: Option<Duration>,
    },
    /// The worker of a pod ends it, within this time; `None` leaves that to the pod.
    End(PodUid, Option<Duration>),
    /// A worker is started that ends a pod which somebody has deleted.
    EndUnseen(Arc<Pod>),
    /// A worker is started that ends a pod nobody wants.
    EndOrphan(RuntimePod),
    /// The worker of a pod looks at it again.
    Look(PodUid),
    /// The workers of the pods that refer to any of these objects look again.
    LookReaders(BTreeSet<ObjectKey>),
    /// The worker of a pod starts these containers anew.
    Restart(PodUid, BTreeSet<ContainerId>),
    /// The worker of a pod gets what was added to it.
    Complete(PodUid),
}

/// Which pods have workers, and which wait for one.
#[derive(Debug)]
pub(super) struct Roster {
    active: BTreeMap<PodUid, Active>,
    waiting: BTreeMap<PodName, Arc<Pod>>,
    sources: Sources,
    in_runtime: Option<Vec<RuntimePod>>,
    node: Arc<NodeFacts>,
    /// Pods that were deleted and have ended, and whose source still names them.
    left: BTreeSet<PodUid>,
    /// What pods have been given, and what they wish beyond that.
    resizes: Resizes,
}

/// A pod with a worker.
#[derive(Clone, Debug)]
struct Active {
    name: PodName,
    course: Course,
    stay: Stay,
    /// Its newest version; an orphan has none.
    pod: Option<Arc<Pod>>,
}

/// How a pod with a worker has to do with the node's room.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stay {
    /// Its worker looks whether anything is left to do of it.
    Inspected,
    /// Something is: it wants in.
    Knocking,
    /// It is in as soon as these have ended.
    AwaitsRoom(BTreeSet<PodUid>),
    /// It is in: what it asks for is taken.
    Inside,
    /// It takes nothing: it was refused, or has ended.
    Outside,
}

/// Where a pod with a worker is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Wanted,
    Ending,
}

/// What is known of the sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sources {
    /// Some have not said yet what they have.
    #[default]
    Reading,
    /// All have.
    Ready,
    /// They do not matter any more: every pod ends.
    Closed,
}

impl Roster {
    /// A node on which nothing is known yet.
    pub(super) fn new(node: Arc<NodeFacts>) -> Self {
        Self {
            active: BTreeMap::new(),
            waiting: BTreeMap::new(),
            sources: Sources::default(),
            in_runtime: None,
            node,
            left: BTreeSet::new(),
            resizes: Resizes::default(),
        }
    }

    /// The node is now like this.
    pub(super) fn see_node(&mut self, node: Arc<NodeFacts>) {
        self.node = node;
    }

    /// A worker told of its pod.
    pub(super) fn heard(&mut self, uid: &PodUid, report: Report) -> Vec<Step> {
        if let Some(active) = self.active.get_mut(uid) {
            match (report, &active.stay) {
                (Report::WantsIn, Stay::Inspected) => active.stay = Stay::Knocking,
                (Report::WantsIn, _) => {}
                (Report::Ended, _) => active.stay = Stay::Outside,
                (Report::Resized(_), _) => {}
            }
        }
        let trigger = match report {
            Report::WantsIn => return self.start_waiting(),
            Report::Ended => {
                self.resizes.has_ended(uid);
                self.give_room(uid);
                Trigger::PodTerminated
            }
            Report::Resized(generation) => {
                self.has_resized(uid, generation);
                Trigger::PodResized
            }
        };
        let mut steps = self.start_waiting();
        steps.extend(self.look_at_wishes(trigger));
        steps
    }

    /// A source changed what is desired: all that came together is looked at together.
    pub(super) fn desire(&mut self, changes: impl IntoIterator<Item = PodChange>) -> Vec<Step> {
        let mut trigger = Trigger::PodUpdated;
        let mut steps = Vec::new();
        for change in changes {
            trigger = match &change {
                PodChange::Add(_) => Trigger::PodsAdded,
                PodChange::Remove { .. } => Trigger::PodsRemoved,
                PodChange::Update(_) | PodChange::Reconcile(_) => trigger,
            };
            steps.extend(self.note(change));
        }
        steps.extend(self.start_waiting());
        steps.extend(self.look_at_wishes(trigger));
        steps
    }

    fn note(&mut self, change: PodChange) -> Option<Step> {
        match change {
            PodChange::Add(pod) | PodChange::Update(pod) | PodChange::Reconcile(pod) => {
                self.want(pod)
            }
            PodChange::Remove { uid, name } => self.unwant(&uid, &name),
        }
    }

    /// All sources have said what they have.
    pub(super) fn sources_ready(&mut self) -> Vec<Step> {
        if self.sources == Sources::Reading {
            self.sources = Sources::Ready;
        }
        self.settle()
    }

    /// The runtime said what it has.
    pub(super) fn relisted(&mut self, pods: Vec<RuntimePod>) -> Vec<Step> {
        self.in_runtime = Some(pods);
        self.settle()
    }

    /// Something happened to a pod in the runtime.
    pub(super) fn runtime_changed(&self, uid: PodUid) -> Option<Step> {
        self.active.contains_key(&uid).then_some(Step::Look(uid))
    }

    /// The worker of a pod has finished: the pod is gone.
    pub(super) fn finished(&mut self, uid: &PodUid) -> Vec<Step> {
        let pod = self.active.remove(uid).and_then(|active| active.pod);
        if pod.is_some_and(|pod| pod.leaves_within.is_some()) {
            self.left.insert(uid.clone());
        }
        self.resizes.forget(uid);
        self.give_room(uid);
        if let Some(pods) = &mut self.in_runtime {
            pods.retain(|pod| pod.uid != *uid);
        }
        let mut steps = self.start_waiting();
        steps.extend(self.look_at_wishes(Trigger::PodsRemoved));
        steps
    }

    /// Every pod ends, and none starts any more.
    pub(super) fn close(&mut self) -> Vec<Step> {
        self.sources = Sources::Closed;
        self.waiting.clear();
        let mut steps = self.end_orphans();
        for (uid, active) in &mut self.active {
            if active.course == Course::Wanted {
                active.course = Course::Ending;
                steps.push(Step::End(uid.clone(), None));
            }
        }
        steps
    }

    /// Whether every pod was to end, and has. What an earlier kubelet left is only known when the
    /// runtime and the disk have been looked at.
    pub(super) fn is_done(&self) -> bool {
        self.sources == Sources::Closed && self.in_runtime.is_some() && self.active.is_empty()
    }

    /// How many pods shall run, and how many of them have a worker.
    pub(super) fn counts(&self) -> (PodCount, PodCount) {
        let wanted = self.active.values();
        let active = wanted
            .filter(|active| active.course == Course::Wanted)
            .filter_map(|active| Some(&active.pod.as_ref()?.origin));
        let waiting = self.waiting.values().map(|pod| &pod.origin);
        (
            PodCount::of(active.clone().chain(waiting)),
            PodCount::of(active),
        )
    }

    fn want(&mut self, pod: Arc<Pod>) -> Option<Step> {
        if self.sources == Sources::Closed {
            return None;
        }
        if pod.leaves_within.is_some() {
            return self.let_go(pod);
        }
        let active = self.active.get_mut(&pod.uid);
        if let Some(active) = active.filter(|active| active.course == Course::Wanted) {
            let pod = self.resizes.see(&pod, active.pod.as_ref());
            active.pod = Some(pod.clone());
            return Some(Step::Update(pod));
        }
        self.waiting.insert(pod.name.clone(), pod);
        None
    }

    /// Somebody has deleted the pod: it ends, whether it had begun or not, and who deleted it hears of
    /// it to the end.
    fn let_go(&mut self, pod: Arc<Pod>) -> Option<Step> {
        self.stop_waiting(&pod.uid, &pod.name);
        if self.left.contains(&pod.uid) {
            return None;
        }
        if let Some(active) = self.active.get_mut(&pod.uid) {
            active.course = Course::Ending;
            active.pod = Some(pod.clone());
            return Some(Step::End(pod.uid.clone(), pod.leaves_within));
        }
        let active = Active {
            name: pod.name.clone(),
            course: Course::Ending,
            stay: Stay::Outside,
            pod: Some(pod.clone()),
        };
        self.active.insert(pod.uid.clone(), active);
        Some(Step::EndUnseen(pod))
    }

    fn stop_waiting(&mut self, uid: &PodUid, name: &PodName) {
        if self.waiting.get(name).is_some_and(|pod| pod.uid == *uid) {
            self.waiting.remove(name);
        }
    }

    fn unwant(&mut self, uid: &PodUid, name: &PodName) -> Option<Step> {
        self.stop_waiting(uid, name);
        self.left.remove(uid);
        match self.active.get_mut(uid) {
            Some(active) if active.course == Course::Wanted => {
                active.course = Course::Ending;
                Some(Step::End(uid.clone(), None))
            }
            // Nobody asks for it any more: it is not remembered once it has ended.
            Some(active) => {
                active.pod = None;
                None
            }
            None => None,
        }
    }

    /// Ends what the runtime has and nobody wants, then starts what can be started.
    fn settle(&mut self) -> Vec<Step> {
        let mut steps = match self.sources {
            Sources::Reading => Vec::new(),
            Sources::Ready | Sources::Closed => self.end_orphans(),
        };
        steps.extend(self.start_waiting());
        self.settle_resizes();
        steps.extend(self.look_at_wishes(Trigger::PodsAdded));
        steps
    }

    fn end_orphans(&mut self) -> Vec<Step> {
        let (active, waiting) = (&mut self.active, &self.waiting);
        let mut steps = Vec::new();
        for pod in self.in_runtime.iter().flatten() {
            // By its UID: what was left before anything had its name has none.
            let is_wanted = waiting.values().any(|wanted| wanted.uid == pod.uid);
            if !is_wanted && !active.contains_key(&pod.uid) {
                let orphan = Active {
                    name: pod.name.clone(),
                    course: Course::Ending,
                    stay: Stay::Outside,
                    pod: None,
                };
                active.insert(pod.uid.clone(), orphan);
                steps.push(Step::EndOrphan(pod.clone()));
            }
        }
        steps
    }
}
