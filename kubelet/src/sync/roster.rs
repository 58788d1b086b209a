//! Who works on which pod, and who has to wait: the decisions of the sync loop, without its tasks.
//!
//! Two pods of one name never overlap: an edited static pod has a new UID, and it waits until the
//! old one is gone. Nothing starts before the runtime has said what it has, so that this also holds
//! for pods that were changed while the kubelet was down. Nothing that runs counts as unwanted before
//! all sources have said what they want; until then a pod of another source may have its name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::{ObjectKey, Pod, PodChange, PodName, PodUid};

use super::RuntimePod;

/// What the loop has to tell its workers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// A worker is started for a pod.
    Start(Arc<Pod>),
    /// The worker of a pod gets its new version.
    Update(Arc<Pod>),
    /// The worker of a pod ends it.
    End(PodUid),
    /// A worker is started that ends a pod nobody wants.
    EndOrphan(RuntimePod),
    /// The worker of a pod looks at it again.
    Look(PodUid),
    /// The workers of the pods that refer to any of these objects look again.
    LookReaders(BTreeSet<ObjectKey>),
}

/// Which pods have workers, and which wait for one.
#[derive(Debug, Default)]
pub(super) struct Roster {
    active: BTreeMap<PodUid, Active>,
    waiting: BTreeMap<PodName, Arc<Pod>>,
    sources: Sources,
    in_runtime: Option<Vec<RuntimePod>>,
}

/// A pod with a worker.
#[derive(Clone, Debug)]
struct Active {
    name: PodName,
    course: Course,
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
    /// A source changed what is desired.
    pub(super) fn desire(&mut self, change: PodChange) -> Vec<Step> {
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
        self.active.remove(uid);
        if let Some(pods) = &mut self.in_runtime {
            pods.retain(|pod| pod.uid != *uid);
        }
        self.start_waiting()
    }

    /// Every pod ends, and none starts any more.
    pub(super) fn close(&mut self) -> Vec<Step> {
        self.sources = Sources::Closed;
        self.waiting.clear();
        let mut steps = self.end_orphans();
        for (uid, active) in &mut self.active {
            if active.course == Course::Wanted {
                active.course = Course::Ending;
                steps.push(Step::End(uid.clone()));
            }
        }
        steps
    }

    /// Whether every pod was to end, and has. What an earlier kubelet left is only known when the
    /// runtime and the disk have been looked at.
    pub(super) fn is_done(&self) -> bool {
        self.sources == Sources::Closed && self.in_runtime.is_some() && self.active.is_empty()
    }

    fn want(&mut self, pod: Arc<Pod>) -> Vec<Step> {
        if self.sources == Sources::Closed {
            return Vec::new();
        }
        let active = self.active.get(&pod.uid);
        if active.is_some_and(|active| active.course == Course::Wanted) {
            return vec![Step::Update(pod)];
        }
        self.waiting.insert(pod.name.clone(), pod);
        self.start_waiting()
    }

    fn unwant(&mut self, uid: &PodUid, name: &PodName) -> Vec<Step> {
        if self.waiting.get(name).is_some_and(|pod| pod.uid == *uid) {
            self.waiting.remove(name);
        }
        match self.active.get_mut(uid) {
            Some(active) if active.course == Course::Wanted => {
                active.course = Course::Ending;
                vec![Step::End(uid.clone())]
            }
            Some(_) | None => Vec::new(),
        }
    }

    /// Ends what the runtime has and nobody wants, then starts what can be started.
    fn settle(&mut self) -> Vec<Step> {
        let mut steps = match self.sources {
            Sources::Reading => Vec::new(),
            Sources::Ready | Sources::Closed => self.end_orphans(),
        };
        steps.extend(self.start_waiting());
        steps
    }

    fn end_orphans(&mut self) -> Vec<Step> {
        let (active, waiting) = (&mut self.active, &self.waiting);
        let mut steps = Vec::new();
        for pod in self.in_runtime.iter().flatten() {
            let is_wanted = waiting
                .get(&pod.name)
                .is_some_and(|wanted| wanted.uid == pod.uid);
            if !is_wanted && !active.contains_key(&pod.uid) {
                let orphan = Active {
                    name: pod.name.clone(),
                    course: Course::Ending,
                };
                active.insert(pod.uid.clone(), orphan);
                steps.push(Step::EndOrphan(pod.clone()));
            }
        }
        steps
    }

    fn start_waiting(&mut self) -> Vec<Step> {
        let Some(in_runtime) = &self.in_runtime else {
            return Vec::new();
        };
        let is_another = |pod: &Pod| {
            let mut others = in_runtime.iter();
            others.any(|other| other.name == pod.name && other.uid != pod.uid)
        };
        let is_free = |pod: &Pod| match self.sources {
            Sources::Reading => !is_another(pod),
            Sources::Ready | Sources::Closed => true,
        };
        let is_alone = |pod: &Pod| self.active.values().all(|active| active.name != pod.name);
        let free: Vec<_> = self
            .waiting
            .values()
            .filter(|pod| is_alone(pod) && is_free(pod))
            .map(|pod| pod.name.clone())
            .collect();
        let mut pods: Vec<_> = free
            .iter()
            .filter_map(|name| self.waiting.remove(name))
            .collect();
        pods.sort_by_key(|pod| (pod.seen_at, pod.name.clone()));
        for pod in &pods {
            let active = Active {
                name: pod.name.clone(),
                course: Course::Wanted,
            };
            self.active.insert(pod.uid.clone(), active);
        }
        pods.into_iter().map(Step::Start).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RestartPolicy;
    use crate::plan::fixture;

    fn pod(uid: &str, name: &str) -> Arc<Pod> {
        let pod = fixture::pod(RestartPolicy::Always, &[], &["web"]);
        Arc::new(Pod {
            uid: uid.into(),
            name: PodName::new("default", name),
            ..pod
        })
    }

    fn in_runtime(uid: &str, name: &str) -> RuntimePod {
        RuntimePod {
            uid: uid.into(),
            name: PodName::new("default", name),
        }
    }

    fn removal(pod: &Pod) -> PodChange {
        PodChange::Remove {
            uid: pod.uid.clone(),
            name: pod.name.clone(),
        }
    }

    fn ready() -> Roster {
        let mut roster = Roster::default();
        assert_eq!(roster.sources_ready(), []);
        assert_eq!(roster.relisted(vec![]), []);
        roster
    }

    #[test]
    fn nothing_ends_and_no_name_is_taken_before_everybody_has_spoken() {
        let web = pod("u1", "web");
        let mut roster = Roster::default();
        assert_eq!(roster.relisted(vec![in_runtime("old", "web")]), []);
        assert_eq!(roster.desire(PodChange::Add(web.clone())), []);
        assert_eq!(
            roster.sources_ready(),
            [Step::EndOrphan(in_runtime("old", "web"))]
        );
        assert_eq!(roster.finished(&"old".into()), [Step::Start(web)]);
    }

    #[test]
    fn a_pod_does_not_wait_for_a_source_that_is_silent() {
        let (web, mine) = (pod("u1", "web"), pod("u2", "mine"));
        let mut roster = Roster::default();
        assert_eq!(roster.desire(PodChange::Add(web.clone())), []);
        let listed = vec![in_runtime("u2", "mine"), in_runtime("u9", "ghost")];
        assert_eq!(roster.relisted(listed), [Step::Start(web)]);
        assert_eq!(
            roster.desire(PodChange::Add(mine.clone())),
            [Step::Start(mine)]
        );
        assert_eq!(
            roster.sources_ready(),
            [Step::EndOrphan(in_runtime("u9", "ghost"))]
        );
    }

    #[test]
    fn a_pod_that_runs_already_is_taken_over() {
        let web = pod("u1", "web");
        let mut roster = Roster::default();
        roster.desire(PodChange::Add(web.clone()));
        roster.sources_ready();
        assert_eq!(
            roster.relisted(vec![in_runtime("u1", "web")]),
            [Step::Start(web)]
        );
    }

    #[test]
    fn a_new_pod_waits_for_the_old_one_of_its_name() {
        let (old, new, other) = (pod("u1", "web"), pod("u2", "web"), pod("u3", "other"));
        let mut roster = ready();
        roster.desire(PodChange::Add(old.clone()));
        assert_eq!(roster.desire(removal(&old)), [Step::End("u1".into())]);
        assert_eq!(roster.desire(PodChange::Add(new.clone())), []);
        assert_eq!(
            roster.desire(PodChange::Add(other.clone())),
            [Step::Start(other)]
        );
        assert_eq!(roster.finished(&"u1".into()), [Step::Start(new)]);
    }

    #[test]
    fn a_pod_that_comes_back_unchanged_waits_for_its_own_end() {
        let web = pod("u1", "web");
        let mut roster = ready();
        roster.desire(PodChange::Add(web.clone()));
        roster.desire(removal(&web));
        assert_eq!(roster.desire(PodChange::Add(web.clone())), []);
        assert_eq!(roster.relisted(vec![in_runtime("u1", "web")]), []);
        assert_eq!(roster.finished(&"u1".into()), [Step::Start(web)]);
    }

    #[test]
    fn a_pod_that_is_removed_while_it_waits_never_starts() {
        let (old, new) = (pod("u1", "web"), pod("u2", "web"));
        let mut roster = ready();
        roster.desire(PodChange::Add(old.clone()));
        roster.desire(removal(&old));
        roster.desire(PodChange::Add(new.clone()));
        assert_eq!(roster.desire(removal(&new)), []);
        assert_eq!(roster.finished(&"u1".into()), []);
    }

    #[test]
    fn an_orphan_is_ended_once_and_a_wanted_pod_never() {
        let web = pod("u1", "web");
        let mut roster = ready();
        roster.desire(PodChange::Add(web));
        let listed = || vec![in_runtime("u1", "web"), in_runtime("u9", "ghost")];
        assert_eq!(
            roster.relisted(listed()),
            [Step::EndOrphan(in_runtime("u9", "ghost"))]
        );
        assert_eq!(roster.relisted(listed()), []);
    }

    #[test]
    fn after_closing_every_pod_ends_and_none_starts() {
        let (web, late) = (pod("u1", "web"), pod("u2", "late"));
        let mut roster = ready();
        roster.desire(PodChange::Add(web));
        assert_eq!(roster.close(), [Step::End("u1".into())]);
        assert_eq!(roster.desire(PodChange::Add(late)), []);
        assert!(!roster.is_done());
        assert_eq!(roster.finished(&"u1".into()), []);
        assert!(roster.is_done());
    }

    #[test]
    fn a_kubelet_that_shall_end_all_pods_looks_first_what_there_is() {
        let mut roster = Roster::default();
        assert_eq!(roster.close(), []);
        assert!(!roster.is_done(), "nobody has looked");
        assert_eq!(
            roster.relisted(vec![in_runtime("u1", "web")]),
            [Step::EndOrphan(in_runtime("u1", "web"))]
        );
        assert!(!roster.is_done());
        assert_eq!(roster.finished(&"u1".into()), []);
        assert!(roster.is_done());
    }

    #[test]
    fn what_was_seen_before_the_sources_spoke_ends_with_the_others() {
        let mut roster = Roster::default();
        assert_eq!(roster.relisted(vec![in_runtime("u1", "web")]), []);
        assert_eq!(roster.close(), [Step::EndOrphan(in_runtime("u1", "web"))]);
        assert!(!roster.is_done());
    }

    #[test]
    fn a_kubelet_that_finds_nothing_is_done_at_once() {
        let mut roster = Roster::default();
        roster.close();
        assert_eq!(roster.relisted(vec![]), []);
        assert!(roster.is_done());
    }

    #[test]
    fn news_of_a_pod_nobody_works_on_is_dropped() {
        assert_eq!(ready().runtime_changed("u1".into()), None);
    }
}
