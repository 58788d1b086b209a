//! A worker brings the containers of its pod to the sizes that they have been given, and tells of it.

use k8s_openapi::api::core::v1::PodStatus;

use crate::allocation::{Sizes, sentence};
use crate::metrics::Resizing;
use crate::model::{OngoingResize, Pod, PodObservation};
use crate::plan::is_resizing;
use crate::sync::{Report, Roles};

use super::Worker;

/// A granted wish that is being carried out.
pub(super) struct Ongoing {
    pub(super) resize: OngoingResize,
    /// Counts it as long as it goes on.
    _counted: Resizing,
}

impl<R: Roles> Worker<R> {
    /// A wish that was granted since the last look is being carried out now; what was wrong with the one
    /// before does not matter any more.
    pub(super) fn follow_resize(&mut self, pod: &Pod) {
        let granted = pod.resize.granted;
        if granted != self.granted {
            self.granted = granted;
            if let Some(generation) = granted {
                self.resizing = Some(self.ongoing(generation, None));
            }
        }
    }

    /// Goes on with what an earlier kubelet was at, by what was told of it.
    pub(super) fn recall_resize(&mut self, told: &PodStatus) {
        let mut conditions = told.conditions.iter().flatten();
        let ongoing = conditions.find(|one| one.type_ == "PodResizeInProgress");
        if let Some(condition) = ongoing.filter(|_| self.resizing.is_none()) {
            let generation = condition.observed_generation.unwrap_or(0);
            self.resizing = Some(self.ongoing(generation, condition.message.clone()));
        }
    }

    /// Sees whether containers have by now what they have been given.
    pub(super) fn look_at_resize(&mut self, pod: &Pod, observation: &PodObservation) {
        let generation = pod.manifest.metadata.generation.unwrap_or(0);
        if is_resizing(pod, observation) {
            if self.resizing.is_none() {
                self.resizing = Some(self.ongoing(generation, None));
            }
            return;
        }
        let Some(done) = self.resizing.take() else {
            return;
        };
        let generation = done.resize.generation;
        let sizes = (pod, Sizes::Given);
        self.inform(
            "ResizeCompleted",
            sentence("Pod resize completed", sizes, generation, None),
        );
        self.report(Report::Resized(generation));
    }

    /// Containers could not be given another size; it is tried again.
    pub(super) fn resize_failed(&mut self, pod: &Pod, why: &str) {
        let generation = pod.manifest.metadata.generation.unwrap_or(0);
        let before = self.resizing.take();
        let ongoing = before.unwrap_or_else(|| self.ongoing(generation, None));
        let is_news = ongoing.resize.error.as_deref() != Some(why);
        let generation = ongoing.resize.generation;
        let resize = OngoingResize {
            generation,
            error: Some(why.to_owned()),
        };
        self.resizing = Some(Ongoing { resize, ..ongoing });
        if is_news {
            let sizes = (pod, Sizes::Given);
            let message = sentence("Pod resize error", sizes, generation, Some(why));
            self.warn("ResizeError", message);
        }
    }

    fn ongoing(&self, generation: i64, error: Option<String>) -> Ongoing {
        Ongoing {
            resize: OngoingResize { generation, error },
            _counted: self.world.metrics.resizes().resizing(),
        }
    }
}
