//! A change of what is desired: what a source tells the sync loop.

use std::sync::Arc;

use super::{Pod, PodName, PodUid};

/// One change of the desired pods.
#[derive(Clone, Debug, PartialEq)]
pub enum PodChange {
    /// A pod that was not desired before.
    Add(Arc<Pod>),
    /// A desired pod whose spec, labels or annotations changed; the UID is the same.
    Update(Arc<Pod>),
    /// A pod that is not desired any more.
    Remove {
        /// Its UID.
        uid: PodUid,
        /// Its name.
        name: PodName,
    },
    /// A desired pod of which only the status changed at the source.
    Reconcile(Arc<Pod>),
}
