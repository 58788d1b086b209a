//! Where a pod is in its life, and why it ends.

use std::sync::Arc;

use crate::model::Demise;

/// Where a pod is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is made to run as its spec says.
    Syncing,
    /// It is being ended.
    Terminating(Ending),
    /// Nothing of it runs.
    Terminated(Ending),
    /// Nor does the node hold anything for it but what people look at.
    Settled(Ending),
}

/// Why a pod ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Nobody wants it any more.
    Unwanted,
    /// Its containers have done what they were for.
    Finished,
    /// The kubelet gave it up.
    Failed(Arc<Demise>),
}
