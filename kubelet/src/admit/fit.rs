//! Whether the node has what a pod asks for.

use std::collections::BTreeMap;

use super::{Amounts, NodeFacts, asked_for};
use crate::model::{EPHEMERAL_STORAGE, Pod, PodUid, is_extended_resource};

/// Less of a resource is left than a pod asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shortage {
    /// Which resource.
    pub(super) resource: String,
    requested: u64,
    used: u64,
    capacity: u64,
}

impl Shortage {
    /// How much more there would have to be.
    pub(super) fn missing(&self) -> u64 {
        let left = self.capacity.saturating_sub(self.used);
        let beyond = self.used.saturating_sub(self.capacity);
        self.requested.saturating_sub(left).saturating_add(beyond)
    }

    /// The sentence for a pod's status.
    pub(super) fn message(&self) -> String {
        format!(
            "Node didn't have enough resource: {}, requested: {}, used: {}, capacity: {}",
            self.resource, self.requested, self.used, self.capacity
        )
    }
}

/// The first thing that a pod asks for and the node does not have beside the others, in a sentence.
/// What pods still have counts as long as they have it.
pub(crate) fn shortage(
    pod: &Pod,
    others: (&[&Pod], &BTreeMap<PodUid, Amounts>),
    node: &NodeFacts,
) -> Option<String> {
    let short = shortages(pod, others, node);
    short.first().map(Shortage::message)
}

/// Everything that a pod asks for and the node does not have beside the others.
pub(super) fn shortages(
    pod: &Pod,
    (others, held): (&[&Pod], &BTreeMap<PodUid, Amounts>),
    node: &NodeFacts,
) -> Vec<Shortage> {
    let mut short = Vec::new();
    let count = u64::try_from(others.len()).unwrap_or(u64::MAX);
    if count >= node.pods {
        short.push(Shortage {
            resource: "pods".to_owned(),
            requested: 1,
            used: count,
            capacity: node.pods,
        });
    }
    let mut used = Amounts::default();
    for other in others {
        let mut taken = asked_for(&other.spec);
        if let Some(held) = held.get(&other.uid) {
            taken.raise_to(held);
        }
        used.add(&taken);
    }
    let requested = asked_for(&pod.spec);
    let named = ["cpu", "memory", EPHEMERAL_STORAGE].into_iter();
    let scalars = requested.scalars.keys().map(String::as_str);
    // A device that nobody on the node knows of may be somebody else's business.
    let known = scalars
        .filter(|name| !is_extended_resource(name) || node.allocatable.scalars.contains_key(*name));
    short.extend(named.chain(known).filter_map(|resource| {
        let one = Shortage {
            resource: resource.to_owned(),
            requested: requested.of(resource),
            used: used.of(resource),
            capacity: node.allocatable.of(resource),
        };
        let left = one.capacity.saturating_sub(one.used);
        (one.requested > left).then_some(one)
    }));
    short
}
