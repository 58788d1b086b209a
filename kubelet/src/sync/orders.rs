//! What the loop wants of a worker: one value that is overwritten, so that only the newest counts.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{ContainerId, Demise, Pod};

use super::Additions;

/// What the loop wants of a worker.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    /// Where the pod shall go.
    pub(super) goal: Goal,
    /// Containers that somebody wants to begin anew; those that are gone mean nothing.
    pub(super) restarts: BTreeSet<ContainerId>,
}

/// Where a pod shall go.
#[derive(Clone, Debug)]
pub(super) enum Goal {
    /// It is only looked at: whether it has done its work.
    Inspect(Arc<Pod>),
    /// It shall run.
    Run(Arc<Pod>),
    /// It shall end, and what is known of it stays for people to look at.
    Fail {
        /// Which.
        pod: Arc<Pod>,
        /// What its status says from then on.
        demise: Arc<Demise>,
        /// How long its containers may take; `None` leaves it to the pod.
        grace: Option<Duration>,
    },
    /// It shall end and leave nothing.
    End {
        /// Which, when more is known of it than what the runtime has.
        pod: Option<Arc<Pod>>,
        /// How long its containers may take; `None` leaves it to each.
        grace: Option<Duration>,
    },
}

impl Orders {
    /// Orders to go somewhere.
    pub(super) fn new(goal: Goal) -> Self {
        Self {
            goal,
            restarts: BTreeSet::new(),
        }
    }

    /// These containers shall begin anew, besides those that were asked for before.
    pub(super) fn restart(&mut self, containers: BTreeSet<ContainerId>) {
        self.restarts.extend(containers);
    }

    /// What was added to the pod counts, unless it is ending.
    pub(super) fn complete(&mut self, additions: &dyn Additions) {
        match &mut self.goal {
            Goal::Inspect(pod) | Goal::Run(pod) => *pod = additions.complete(Arc::clone(pod)),
            Goal::Fail { .. } | Goal::End { .. } => {}
        }
    }

    /// This is the pod's newest version. One that is ending goes on ending: there is no way back.
    pub(super) fn update(&mut self, new: Arc<Pod>) {
        match &mut self.goal {
            Goal::Inspect(pod) | Goal::Run(pod) | Goal::Fail { pod, .. } => *pod = new,
            Goal::End { .. } => {}
        }
    }

    /// A pod that was only looked at shall run.
    pub(super) fn let_in(&mut self) {
        if let Goal::Inspect(pod) = &self.goal {
            self.goal = Goal::Run(pod.clone());
        }
    }

    /// The kubelet gives the pod up, unless it is ending already.
    pub(super) fn fail(&mut self, demise: Arc<Demise>, grace: Option<Duration>) {
        if let Goal::Inspect(pod) | Goal::Run(pod) = &self.goal {
            self.goal = Goal::Fail {
                pod: pod.clone(),
                demise,
                grace,
            };
        }
    }

    /// The pod shall end. A second order can only shorten the grace of the first.
    pub(super) fn end(&mut self, grace: Option<Duration>) {
        let grace = match &self.goal {
            Goal::Inspect(pod) | Goal::Run(pod) => {
                Some(grace.unwrap_or(pod.spec.termination_grace_period))
            }
            Goal::Fail { .. } => least(self.grace(), grace),
            Goal::End {
                grace: Some(before),
                ..
            } => Some(grace.map_or(*before, |new| new.min(*before))),
            Goal::End { grace: None, .. } => grace,
        };
        let pod = match &self.goal {
            Goal::Inspect(pod) | Goal::Run(pod) | Goal::Fail { pod, .. } => Some(pod.clone()),
            Goal::End { pod, .. } => pod.clone(),
        };
        self.goal = Goal::End { pod, grace };
    }

    /// Whether the pod shall end.
    pub(super) fn is_ending(&self) -> bool {
        matches!(self.goal, Goal::Fail { .. } | Goal::End { .. })
    }

    /// Whether a worker that makes this version of the pod run has to hear of a new goal; one that
    /// ends its pod has none to hear of.
    pub(super) fn is_news_to(&self, current: Option<&Arc<Pod>>) -> bool {
        current.is_some_and(|current| match &self.goal {
            Goal::Inspect(pod) | Goal::Run(pod) => !Arc::ptr_eq(pod, current),
            Goal::Fail { .. } | Goal::End { .. } => true,
        })
    }

    /// How long containers may take to end, when the pod shall.
    pub(super) fn grace(&self) -> Option<Duration> {
        match &self.goal {
            Goal::Inspect(pod) | Goal::Run(pod) => Some(pod.spec.termination_grace_period),
            Goal::Fail { pod, grace, .. } => {
                Some(grace.unwrap_or(pod.spec.termination_grace_period))
            }
            Goal::End { grace, .. } => *grace,
        }
    }
}

fn least(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RestartPolicy;
    use crate::plan::fixture;

    #[test]
    fn grace_only_shrinks() {
        let pod = Arc::new(fixture::pod(RestartPolicy::Always, &[], &["web"]));
        let mut orders = Orders::new(Goal::Run(pod.clone()));
        let seconds = |orders: &Orders| orders.grace().map(|grace| grace.as_secs());
        orders.end(None);
        assert_eq!(seconds(&orders), Some(30));
        orders.end(Some(Duration::from_secs(5)));
        assert_eq!(seconds(&orders), Some(5));
        orders.end(Some(Duration::from_secs(60)));
        assert_eq!(seconds(&orders), Some(5));
        orders.update(pod);
        assert!(orders.is_ending(), "there is no way back");
    }

    #[test]
    fn a_pod_that_is_given_up_ends_with_its_own_grace_unless_it_is_told_another() {
        let pod = Arc::new(fixture::pod(RestartPolicy::Always, &[], &["web"]));
        let demise = Arc::new(Demise::deadline_exceeded());
        for (told, expected) in [(None, 30), (Some(Duration::from_secs(1)), 1)] {
            let mut orders = Orders::new(Goal::Run(pod.clone()));
            orders.fail(demise.clone(), told);
            assert!(orders.is_ending());
            assert_eq!(orders.grace(), Some(Duration::from_secs(expected)));
            orders.end(None);
            assert_eq!(orders.grace(), Some(Duration::from_secs(expected)));
        }
    }
}
