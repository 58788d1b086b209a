//! Who may start, and in which order it is asked.
//!
//! Pods that run come first, and are in: a kubelet that starts again fails none of them. Then those of
//! which only something dead is left are looked at: what had done its work takes no room. Only then
//! come the others, in the order in which they were seen.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Active, Course, Life, Roster, Sources, Stay, Step};
use crate::admit::{Admission, Question, Stage, decide};
use crate::model::{Pod, PodOrigin, PodUid};
use crate::sync::Tenants;

impl Roster {
    /// Everything that can start now.
    pub(super) fn start_waiting(&mut self) -> Vec<Step> {
        if self.sources == Sources::Closed || self.in_runtime.is_none() {
            return Vec::new();
        }
        let mut steps = self.enter_freed_room();
        for pod in self.free(Some(Life::Alive)) {
            steps.extend(self.ask(&pod, Stage::Runs));
        }
        for pod in self.free(Some(Life::Dead)) {
            steps.push(self.inspect(&pod));
        }
        if self.has(|stay| *stay == Stay::Inspected) {
            return steps;
        }
        for pod in self.knocking().into_iter().chain(self.free(None)) {
            if self.has(|stay| matches!(stay, Stay::AwaitsRoom(_))) {
                break;
            }
            steps.extend(self.ask(&pod, Stage::New));
        }
        steps
    }

    /// A pod has ended: who waited for its room does so no more.
    pub(super) fn give_room(&mut self, ended: &PodUid) {
        for active in self.active.values_mut() {
            if let Stay::AwaitsRoom(victims) = &mut active.stay {
                victims.remove(ended);
            }
        }
    }

    fn enter_freed_room(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        for (uid, active) in &mut self.active {
            let has_room = matches!(&active.stay, Stay::AwaitsRoom(victims) if victims.is_empty());
            if has_room && active.course == Course::Wanted {
                active.stay = Stay::Inside;
                steps.push(Step::LetIn(uid.clone()));
            }
        }
        steps
    }

    fn has(&self, is_so: impl Fn(&Stay) -> bool) -> bool {
        let mut wanted = self.wanted();
        wanted.any(|(active, _)| is_so(&active.stay))
    }

    fn wanted(&self) -> impl Iterator<Item = (&Active, &Arc<Pod>)> {
        let wanted = self.active.values();
        wanted
            .filter(|active| active.course == Course::Wanted)
            .filter_map(|active| Some((active, active.pod.as_ref()?)))
    }

    fn knocking(&self) -> Vec<Arc<Pod>> {
        let knocking = self
            .wanted()
            .filter(|(active, _)| active.stay == Stay::Knocking);
        in_order(knocking.map(|(_, pod)| pod.clone()).collect())
    }

    /// Waiting pods whose name is free, and of which the runtime has that much.
    fn free(&self, life: Option<Life>) -> Vec<Arc<Pod>> {
        let is_alone = |pod: &Pod| self.active.values().all(|active| active.name != pod.name);
        let waiting = self.waiting.values();
        let of_life = waiting.filter(|pod| self.life(pod) == life);
        let free = of_life.filter(|pod| is_alone(pod) && self.is_free_of_others(pod));
        in_order(free.cloned().collect())
    }

    /// Whether nothing of another pod of its name is left, while that may still be wanted.
    fn is_free_of_others(&self, pod: &Pod) -> bool {
        let mut known = self.in_runtime.iter().flatten();
        self.sources != Sources::Reading
            || !known.any(|other| other.name == pod.name && other.uid != pod.uid)
    }

    /// Whether anything of a pod lives, or has; of one that is known to have ended all is dead.
    fn life(&self, pod: &Pod) -> Option<Life> {
        let mut known = self.in_runtime.iter().flatten();
        let known = known.find(|one| one.uid == pod.uid).map(|one| one.life);
        known.or(pod.has_ended().then_some(Life::Dead))
    }

    fn inspect(&mut self, pod: &Arc<Pod>) -> Step {
        let pod = &self.resizes.of(pod);
        self.enter(pod, Stay::Inspected);
        Step::Inspect(pod.clone())
    }

    /// Asks whether a pod may run, and notes the answer.
    fn ask(&mut self, pod: &Arc<Pod>, stage: Stage) -> Vec<Step> {
        let pod = &self.resizes.of(pod);
        let has_worker = self.active.contains_key(&pod.uid);
        match self.decide(pod, stage) {
            Admission::Admitted => {
                self.enter(pod, Stay::Inside);
                vec![match has_worker {
                    true => Step::LetIn(pod.uid.clone()),
                    false => Step::Start(pod.clone()),
                }]
            }
            Admission::Refused(refusal) => {
                self.enter(pod, Stay::Outside);
                vec![Step::Refuse(pod.clone(), refusal)]
            }
            Admission::Preempts { victims, lacking } => {
                let victims: BTreeSet<_> = victims.into_iter().collect();
                let mut steps = Vec::new();
                if !has_worker {
                    steps.push(Step::Inspect(pod.clone()));
                }
                let ended = victims.iter().filter_map(|uid| self.active.get(uid));
                steps.extend(ended.filter_map(|one| {
                    let (pod, lacking) = (one.pod.clone()?, lacking.clone());
                    Some(Step::Preempt { pod, lacking })
                }));
                self.enter(pod, Stay::AwaitsRoom(victims));
                steps
            }
        }
    }

    /// The pods that take of the node's room, and all of which there is anything.
    pub(in crate::sync) fn tenants(&self) -> Tenants {
        let inside = self
            .wanted()
            .filter(|(active, _)| active.stay == Stay::Inside);
        let waiting = self.waiting.values().map(|pod| &pod.uid);
        let is_settled = self.sources != Sources::Reading;
        let in_runtime = self.in_runtime.as_ref().filter(|_| is_settled);
        let holds =
            |active: &Active| active.course == Course::Ending || active.stay != Stay::Outside;
        let holding = self.active.iter().filter(|(_, active)| holds(active));
        let outside = self
            .wanted()
            .filter(|(active, pod)| active.stay == Stay::Outside && pod.origin == PodOrigin::Api);
        Tenants {
            settled: outside.map(|(_, pod)| pod.uid.clone()).collect(),
            holding: holding.map(|(uid, _)| uid.clone()).collect(),
            inside: inside
                .map(|(_, pod)| (pod.uid.clone(), pod.clone()))
                .collect(),
            known: in_runtime.map(|pods| {
                let seen = pods.iter().map(|pod| &pod.uid);
                let all = seen.chain(self.active.keys()).chain(waiting);
                all.cloned().collect()
            }),
        }
    }

    fn decide(&self, pod: &Pod, stage: Stage) -> Admission {
        decide(Question {
            pod,
            others: &self.others(&pod.uid),
            held: self.resizes.held(),
            node: &self.node,
            stage,
        })
    }

    /// The pods that take of the node's room beside this one.
    pub(super) fn others(&self, uid: &PodUid) -> Vec<&Pod> {
        let is_in = |stay: &Stay| matches!(stay, Stay::Inside | Stay::AwaitsRoom(_));
        self.wanted()
            .filter(|(active, other)| is_in(&active.stay) && other.uid != *uid)
            .map(|(_, other)| other.as_ref())
            .collect()
    }

    fn enter(&mut self, pod: &Arc<Pod>, stay: Stay) {
        self.waiting.remove(&pod.name);
        if matches!(stay, Stay::Inside | Stay::AwaitsRoom(_)) {
            self.resizes.admit(pod);
        }
        let active = Active {
            name: pod.name.clone(),
            course: Course::Wanted,
            stay,
            pod: Some(pod.clone()),
        };
        self.active.insert(pod.uid.clone(), active);
    }
}

fn in_order(mut pods: Vec<Arc<Pod>>) -> Vec<Arc<Pod>> {
    pods.sort_by_key(|pod| (pod.seen_at, pod.name.clone()));
    pods
}
