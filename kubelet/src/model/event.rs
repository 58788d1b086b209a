//! Events: what happened to a pod, for people.

use std::borrow::Cow;

use super::{ContainerName, PodName, PodUid};

/// One thing that happened to a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The pod's name; for a manifest that names none, what stands in for it.
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

/// Whether somebody should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// As it should be.
    Normal,
    /// Somebody should look.
    Warning,
}
