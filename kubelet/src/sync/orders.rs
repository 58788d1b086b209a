//! What the loop wants of a worker: one value that is overwritten, so that only the newest counts.

use std::sync::Arc;
use std::time::Duration;

use crate::model::Pod;

/// What the loop wants of a worker.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    /// Where the pod shall go.
    pub(super) goal: Goal,
}

/// Where a pod shall go.
#[derive(Clone, Debug)]
pub(super) enum Goal {
    /// It shall run.
    Run(Arc<Pod>),
    /// It shall end and leave nothing.
    End {
        /// How long its containers may take; `None` leaves it to each.
        grace: Option<Duration>,
    },
}

impl Orders {
    /// The pod shall run, unless it is ending already: there is no way back.
    pub(super) fn run(&mut self, pod: Arc<Pod>) {
        if let Goal::Run(current) = &mut self.goal {
            *current = pod;
        }
    }

    /// The pod shall end. A second order can only shorten the grace of the first.
    pub(super) fn end(&mut self, grace: Option<Duration>) {
        let grace = match &self.goal {
            Goal::Run(pod) => Some(grace.unwrap_or(pod.spec.termination_grace_period)),
            Goal::End {
                grace: Some(before),
            } => Some(grace.map_or(*before, |new| new.min(*before))),
            Goal::End { grace: None } => grace,
        };
        self.goal = Goal::End { grace };
    }

    /// Whether the pod shall end.
    pub(super) fn is_ending(&self) -> bool {
        matches!(self.goal, Goal::End { .. })
    }

    /// Whether a worker that makes this version of the pod run has to hear of a new goal; one that
    /// ends its pod has none to hear of.
    pub(super) fn is_news_to(&self, current: Option<&Arc<Pod>>) -> bool {
        current.is_some_and(|current| match &self.goal {
            Goal::Run(pod) => !Arc::ptr_eq(pod, current),
            Goal::End { .. } => true,
        })
    }

    /// How long containers may take to end, when the pod shall.
    pub(super) fn grace(&self) -> Option<Duration> {
        match &self.goal {
            Goal::Run(pod) => Some(pod.spec.termination_grace_period),
            Goal::End { grace } => *grace,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RestartPolicy;
    use crate::plan::fixture;

    #[test]
    fn grace_only_shrinks() {
        let pod = Arc::new(fixture::pod(RestartPolicy::Always, &[], &["web"]));
        let mut orders = Orders {
            goal: Goal::Run(pod.clone()),
        };
        let seconds = |orders: &Orders| orders.grace().map(|grace| grace.as_secs());
        orders.end(None);
        assert_eq!(seconds(&orders), Some(30));
        orders.end(Some(Duration::from_secs(5)));
        assert_eq!(seconds(&orders), Some(5));
        orders.end(Some(Duration::from_secs(60)));
        assert_eq!(seconds(&orders), Some(5));
        orders.run(pod);
        assert!(orders.is_ending(), "there is no way back");
    }
}
