//! Events: what happened to a pod, for people.

use std::borrow::Cow;

use super::{ContainerName, PodName, PodUid};

/// One thing that happened to a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The pod's name; for a manifest that names none, what stands in for it; for the node its name
    /// without a namespace.
    pub pod: PodName,
    /// The pod's UID, when it has one.
    pub uid: Option<PodUid>,
    /// The container it is about, if one.
    pub container: Option<ContainerName>,
    /// Whether somebody should look.
    pub kind: EventKind,
    /// One word, for instance `BackOff`.
    pub reason: Cow<'static, str>,
    /// A sentence.
    pub message: String,
}

impl Event {
    /// Something that happened to the node itself.
    pub fn of_node(node: &str, kind: EventKind, reason: &'static str, message: String) -> Self {
        Self {
            pod: PodName::new("", node),
            uid: None,
            container: None,
            kind,
            reason: reason.into(),
            message,
        }
    }

    /// Whether it happened to the node: pods have namespaces.
    pub fn is_of_node(&self) -> bool {
        self.pod.namespace.is_empty()
    }
}

/// Whether somebody should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// As it should be.
    Normal,
    /// Somebody should look.
    Warning,
}
