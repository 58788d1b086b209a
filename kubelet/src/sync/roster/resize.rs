//! Who wishes another size, and who gets it: the roster owns what every pod has been given.
//!
//! A pod of a source is run at the sizes that it has been given. Where it asks for others, that is a
//! wish: it is looked at when it comes, and again whenever there may be more room.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Course, Roster, Sources, Stay, Step};
use crate::admit::{Amounts, asked_for};
use crate::allocation::{
    Asked, Candidate, Ledger, Question, Trigger, Verdict, asked, decide, in_order, with_given,
};
use crate::model::{PendingResize, Pod, PodUid, Prospect, Resize};

/// What pods have been given, and what they wish beyond that.
#[derive(Debug, Default)]
pub(super) struct Resizes {
    pub(super) ledger: Ledger,
    /// Whether the ledger is another one than it was.
    freshness: Freshness,
    pub(super) wishes: BTreeMap<PodUid, Wish>,
    /// What pods still have that have been given less.
    held: BTreeMap<PodUid, Amounts>,
    asked: Vec<Asked>,
    next: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Freshness {
    #[default]
    Kept,
    Changed,
}

/// A pod that asks for other sizes than it has been given.
#[derive(Debug)]
pub(super) struct Wish {
    /// As it wishes to be.
    pod: Arc<Pod>,
    /// How many wishes came before.
    since: u64,
    /// Why it was not granted.
    pub(super) pending: Option<PendingResize>,
}

impl Resizes {
    /// What pods still have that have been given less.
    pub(super) fn held(&self) -> &BTreeMap<PodUid, Amounts> {
        &self.held
    }

    /// A pod of a source as it is run; before this it was run like that.
    pub(super) fn see(&mut self, pod: &Arc<Pod>, before: Option<&Arc<Pod>>) -> Arc<Pod> {
        if let Some(before) = before {
            let wished = self.wishes.get(&pod.uid).map(|wish| &wish.pod);
            self.asked
                .extend(asked(wished.unwrap_or(before), pod.as_ref()));
        }
        let granted = before.and_then(|before| before.resize.granted);
        let allocated = self.ledger.differing(pod);
        if allocated.is_empty() {
            self.wishes.remove(&pod.uid);
            if granted.is_none() {
                return Arc::clone(pod);
            }
        } else {
            self.wish(pod);
        }
        let pending = self.wishes.get(&pod.uid);
        Arc::new(Pod {
            spec: with_given(pod.spec.clone(), &allocated),
            resize: Resize {
                allocated: allocated.containers,
                whole: allocated.whole,
                granted,
                pending: pending.and_then(|wish| wish.pending.clone()),
            },
            ..Pod::clone(pod)
        })
    }

    /// A pod that is not run yet, whether it was looked at before or not.
    pub(super) fn of(&mut self, pod: &Arc<Pod>) -> Arc<Pod> {
        let wished = self.wishes.get(&pod.uid);
        let pod = wished.map_or_else(|| Arc::clone(pod), |wish| Arc::clone(&wish.pod));
        self.see(&pod, None)
    }

    fn wish(&mut self, pod: &Arc<Pod>) {
        if let Some(wish) = self.wishes.get_mut(&pod.uid) {
            wish.pod = Arc::clone(pod);
            return;
        }
        let wish = Wish {
            pod: Arc::clone(pod),
            since: self.next,
            pending: None,
        };
        self.next += 1;
        self.wishes.insert(pod.uid.clone(), wish);
    }

    /// A pod is let in with what it has been given.
    pub(super) fn admit(&mut self, pod: &Pod) {
        self.ledger.give(pod);
        self.freshness = Freshness::Changed;
    }

    /// A pod takes no room any more.
    pub(super) fn has_ended(&mut self, uid: &PodUid) {
        self.wishes.remove(uid);
        self.held.remove(uid);
    }

    /// Nothing of a pod is left.
    pub(super) fn forget(&mut self, uid: &PodUid) {
        self.has_ended(uid);
        self.ledger.forget(uid);
        self.freshness = Freshness::Changed;
    }

    /// The pod with this wish granted; what it had more of counts until it has less.
    fn grant(&mut self, uid: &PodUid, given: &Pod) -> Option<(Arc<Pod>, Option<PendingResize>)> {
        let Wish { pod, pending, .. } = self.wishes.remove(uid)?;
        let mut held = asked_for(&given.spec);
        if let Some(before) = self.held.get(uid) {
            held.raise_to(before);
        }
        self.held.insert(uid.clone(), held);
        self.admit(&pod);
        let granted = Some(pod.manifest.metadata.generation.unwrap_or(0));
        let pod = Pod {
            resize: Resize {
                granted,
                ..Resize::default()
            },
            ..Pod::clone(&pod)
        };
        Some((Arc::new(pod), pending))
    }

    /// Notes why a wish is not granted; whether that is told again, or only its words changed.
    fn postpone(&mut self, uid: &PodUid, why: &PendingResize) -> Told {
        let Some(wish) = self.wishes.get_mut(uid) else {
            return Told::Already;
        };
        let before = wish.pending.replace(why.clone());
        match before {
            Some(before) if before == *why => Told::Already,
            Some(before)
                if (before.prospect, before.generation) == (why.prospect, why.generation) =>
            {
                Told::InOtherWords
            }
            Some(_) | None => Told::New,
        }
    }
}

/// Whether people know of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    New,
    InOtherWords,
    Already,
}

impl Roster {
    /// The same, with what an earlier kubelet had given.
    pub(in crate::sync) fn with_ledger(mut self, ledger: Ledger) -> Self {
        self.resizes.ledger = ledger;
        self
    }

    /// What pods have been given, if that is not kept yet.
    pub(in crate::sync) fn ledger_to_keep(&mut self) -> Option<&Ledger> {
        let freshness = std::mem::take(&mut self.resizes.freshness);
        (freshness == Freshness::Changed).then_some(&self.resizes.ledger)
    }

    /// What sources have asked for since this was asked last.
    pub(in crate::sync) fn take_asked(&mut self) -> Vec<Asked> {
        std::mem::take(&mut self.resizes.asked)
    }

    /// How many wishes may be granted later, and how many never.
    pub(in crate::sync) fn pending_resizes(&self) -> (usize, usize) {
        let pending = self.resizes.wishes.values();
        let prospects = pending.filter_map(|wish| Some(wish.pending.as_ref()?.prospect));
        let (deferred, infeasible): (Vec<_>, Vec<_>) =
            prospects.partition(|one| *one == Prospect::Deferred);
        (deferred.len(), infeasible.len())
    }

    /// Nothing has happened for long: there may be room all the same.
    pub(in crate::sync) fn beat(&mut self) -> Vec<Step> {
        self.look_at_wishes(Trigger::Periodic)
    }

    /// The containers of a pod have what they have been given since that generation.
    pub(super) fn has_resized(&mut self, uid: &PodUid, generation: i64) {
        let active = self.active.get(uid);
        let granted = active.and_then(|active| active.pod.as_ref()?.resize.granted);
        if granted == Some(generation) {
            self.resizes.held.remove(uid);
        }
    }

    /// What has been given to pods that are gone is forgotten.
    pub(super) fn settle_resizes(&mut self) {
        let Some(pods) = self
            .in_runtime
            .as_ref()
            .filter(|_| self.sources == Sources::Ready)
        else {
            return;
        };
        let waiting = self.waiting.values().map(|pod| &pod.uid);
        let known: BTreeSet<_> = pods.iter().map(|pod| &pod.uid).chain(waiting).collect();
        let known = known.into_iter().chain(self.active.keys()).cloned();
        self.resizes.ledger.keep_only(&known.collect());
    }

    /// Looks at all wishes, in order. Nobody gets anything before it is known what all want.
    pub(super) fn look_at_wishes(&mut self, trigger: Trigger) -> Vec<Step> {
        if self.sources != Sources::Ready || self.resizes.wishes.is_empty() {
            return Vec::new();
        }
        let order = in_order(self.candidates());
        let mut steps = Vec::new();
        for uid in order {
            steps.extend(self.look_at_wish(&uid, trigger));
        }
        steps
    }

    fn candidates(&self) -> Vec<Candidate<'_>> {
        let wishes = self.resizes.wishes.iter();
        let candidates = wishes.filter_map(|(uid, wish)| {
            let active = self.active.get(uid)?;
            let is_in = active.course == Course::Wanted && active.stay == Stay::Inside;
            let given = active.pod.as_deref().filter(|_| is_in)?;
            Some(Candidate {
                wish: &wish.pod,
                given,
                since: wish.since,
            })
        });
        candidates.collect()
    }

    /// The other pods that have something, those that are ending too: only when they have ended it is
    /// free for who runs already.
    fn occupants(&self, uid: &PodUid) -> Vec<&Pod> {
        let is_in = |stay: &Stay| matches!(stay, Stay::Inside | Stay::AwaitsRoom(_));
        let others = self.active.iter();
        let others = others.filter(|(other, active)| *other != uid && is_in(&active.stay));
        others
            .filter_map(|(_, active)| active.pod.as_deref())
            .collect()
    }

    fn look_at_wish(&mut self, uid: &PodUid, trigger: Trigger) -> Option<Step> {
        let given = self.active.get(uid)?.pod.clone()?;
        let wish = self.resizes.wishes.get(uid)?;
        let others = self.occupants(uid);
        let verdict = decide(Question {
            wish: &wish.pod,
            given: &given,
            others: &others,
            held: &self.resizes.held,
            node: &self.node,
        });
        match verdict {
            Verdict::Granted => {
                let (pod, pending) = self.resizes.grant(uid, &given)?;
                self.active.get_mut(uid)?.pod = Some(Arc::clone(&pod));
                let was_deferred = pending.is_some_and(|one| one.prospect == Prospect::Deferred);
                let after = was_deferred.then_some(trigger);
                Some(Step::Grant { pod, after })
            }
            Verdict::Pending { why, detail } => {
                let told = self.resizes.postpone(uid, &why);
                if told == Told::Already {
                    return None;
                }
                let mut pod = Pod::clone(&given);
                pod.resize.pending = Some(why);
                let pod = Arc::new(pod);
                self.active.get_mut(uid)?.pod = Some(Arc::clone(&pod));
                Some(match told {
                    Told::New => Step::Postpone { pod, detail },
                    Told::InOtherWords | Told::Already => Step::Update(pod),
                })
            }
        }
    }
}
