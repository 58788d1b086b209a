//! Everything that can reach the sync loop, in one enum.

use std::collections::BTreeSet;

use crate::model::{ObjectKey, PodChange, PodName, PodUid};

/// One thing that happened.
#[derive(Debug)]
pub enum Input {
    /// The desired pods changed.
    Desired(Vec<PodChange>),
    /// Objects that pods may refer to came, changed or went.
    ObjectsChanged(BTreeSet<ObjectKey>),
    /// All sources have said what they have at least once: what is not desired is now unwanted.
    SourcesReady,
    /// Something happened to a pod in the runtime.
    RuntimeChanged(PodUid),
    /// All pods of which the runtime has anything, dead or alive.
    Relisted(Vec<RuntimePod>),
    /// Every pod shall end, and none shall start any more.
    EndAll,
}

/// A pod of which the runtime has something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimePod {
    /// Its UID.
    pub uid: PodUid,
    /// Its name.
    pub name: PodName,
}
