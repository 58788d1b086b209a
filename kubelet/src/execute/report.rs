//! Events of one pod, or of one container of it.

use crate::model::{ContainerName, Event, EventKind, PodName, PodUid};
use crate::sync::EventRecorder;

/// Records events about one pod or container.
#[derive(Clone, Copy)]
pub(crate) struct Reporter<'a> {
    recorder: &'a dyn EventRecorder,
    pod: &'a PodName,
    uid: &'a PodUid,
    container: Option<&'a ContainerName>,
}

impl<'a> Reporter<'a> {
    /// For a pod as a whole.
    pub(crate) fn pod(recorder: &'a dyn EventRecorder, pod: &'a PodName, uid: &'a PodUid) -> Self {
        Self {
            recorder,
            pod,
            uid,
            container: None,
        }
    }

    /// For one container of it.
    pub(crate) fn container(self, container: &'a ContainerName) -> Self {
        Self {
            container: Some(container),
            ..self
        }
    }

    /// Which pod it is about.
    pub(crate) fn pod_name(&self) -> &'a PodName {
        self.pod
    }

    /// Its UID.
    pub(crate) fn uid(&self) -> &'a PodUid {
        self.uid
    }

    /// Something is as it should be.
    pub(crate) fn normal(&self, reason: &'static str, message: String) {
        self.record(EventKind::Normal, reason, message);
    }

    /// Somebody should look.
    pub(crate) fn warning(&self, reason: &'static str, message: String) {
        self.record(EventKind::Warning, reason, message);
    }

    fn record(&self, kind: EventKind, reason: &'static str, message: String) {
        self.recorder.record(Event {
            pod: self.pod.clone(),
            uid: Some(self.uid.clone()),
            container: self.container.cloned(),
            kind,
            reason: reason.into(),
            message,
        });
    }
}
