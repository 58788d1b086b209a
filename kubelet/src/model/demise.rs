//! How the kubelet ends a pod that might have gone on.

use std::borrow::Cow;

/// What the status of a pod says from the moment at which the kubelet gives it up: its phase is
/// Failed, and it does not come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demise {
    /// One word, for instance `Evicted`.
    pub reason: Cow<'static, str>,
    /// A sentence.
    pub message: String,
    /// What the condition `DisruptionTarget` says, when the pod ends for the sake of others.
    pub disruption: Option<String>,
}

impl Demise {
    /// Whether it had to go so that the node has room.
    pub fn is_eviction(&self) -> bool {
        self.reason == "Evicted"
    }

    /// Whether the node ends the pod for its own sake: then it does not wait for it without end.
    pub fn is_for_the_node(&self) -> bool {
        self.disruption.is_some() || self.is_eviction()
    }

    /// The machine goes down.
    pub fn shutdown() -> Self {
        const MESSAGE: &str = "Pod was terminated in response to imminent node shutdown.";
        Self {
            reason: "Terminated".into(),
            message: MESSAGE.to_owned(),
            disruption: Some(MESSAGE.to_owned()),
        }
    }

    /// It was active for longer than `activeDeadlineSeconds`.
    pub fn deadline_exceeded() -> Self {
        Self {
            reason: "DeadlineExceeded".into(),
            message: "Pod was active on the node longer than the specified deadline".to_owned(),
            disruption: None,
        }
    }
}
