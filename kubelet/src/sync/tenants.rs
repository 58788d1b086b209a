//! The pods that take of the node's room, told to whom it matters.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::{Pod, PodUid};

/// The pods that take of the node's room.
#[derive(Clone, Debug, Default)]
pub struct Tenants {
    /// Pods that were let in and have not ended.
    pub inside: BTreeMap<PodUid, Arc<Pod>>,
    /// Pods that may still have what only one can have: those that are in, and those that are ending.
    pub holding: BTreeSet<PodUid>,
    /// Pods of the API server that have ended here, whether it knows by now or not.
    pub settled: BTreeSet<PodUid>,
    /// Every pod of which there is anything; `None` until that is known.
    pub known: Option<BTreeSet<PodUid>>,
}

impl Tenants {
    /// Whether both say the same.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let mut pairs = self.inside.values().zip(other.inside.values());
        self.inside.len() == other.inside.len()
            && pairs.all(|(one, other)| Arc::ptr_eq(one, other))
            && self.holding == other.holding
            && self.settled == other.settled
            && self.known == other.known
    }
}
