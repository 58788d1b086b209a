//! Whether a pod gets another size now, later, or not on this node: pure, with upstream's words.

#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use crate::admit::{Amounts, NodeFacts, asked_for, shortage};
use crate::model::{
    Container, OnResize, PendingResize, Pod, PodOrigin, PodUid, Prospect, ResourceList,
};
use crate::resource::{QosClass, Shape, may_swap, qos_class};

/// What of the node's settings stands against resizes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResizeRules {
    /// How the node shapes resources: who may swap cannot be resized.
    pub shape: Shape,
    /// Who hands out CPUs.
    pub cpus: ManagerPolicy,
    /// Who hands out memory of NUMA nodes.
    pub memory: ManagerPolicy,
}

/// Whether something is handed out to single containers alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ManagerPolicy {
    /// It is not.
    #[default]
    None,
    /// It is, to guaranteed ones, for as long as they live.
    Static,
}

/// May this pod have the size that it asks for?
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The pod as it wishes to be.
    pub wish: &'a Pod,
    /// The pod as it is.
    pub given: &'a Pod,
    /// The other pods that are in.
    pub others: &'a [&'a Pod],
    /// What pods still have that have been given less.
    pub held: &'a BTreeMap<PodUid, Amounts>,
    /// The node.
    pub node: &'a NodeFacts,
}

/// Whether a pod gets another size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Granted,
    /// It does not, and this is why.
    Pending {
        /// For the pod's status.
        why: PendingResize,
        /// The word in metrics for what can never be.
        detail: &'static str,
    },
}

/// Whether the pod gets the size that it asks for.
pub fn decide(question: Question<'_>) -> Verdict {
    let generation = question.wish.manifest.metadata.generation.unwrap_or(0);
    let pending = |prospect, message, detail| Verdict::Pending {
        why: PendingResize {
            prospect,
            message,
            generation,
        },
        detail,
    };
    if let Some((message, detail)) = infeasible(question) {
        return pending(Prospect::Infeasible, message, detail);
    }
    let Question {
        wish,
        others,
        held,
        node,
        ..
    } = question;
    match shortage(wish, (others, held), node) {
        None => Verdict::Granted,
        Some(message) => pending(Prospect::Deferred, message, ""),
    }
}

/// Why it can never be on this node as it is, in a sentence and in a word.
fn infeasible(question: Question<'_>) -> Option<(String, &'static str)> {
    let Question {
        wish, given, node, ..
    } = question;
    if wish.origin != PodOrigin::Api {
        let message = "In-place resize of static-pods is not supported";
        return Some((message.to_owned(), "static_pod"));
    }
    if has_swapping(wish, given, &node.resizing.shape) {
        let message = "In-place resize of containers with swap is not supported.";
        return Some((message.to_owned(), "swap_limitation"));
    }
    exclusive(wish, given, &node.resizing).or_else(|| too_large(wish, node))
}

/// Pairs of each container as it wishes to be and as it is.
fn pairs<'a>(
    wish: &'a Pod,
    given: &'a Pod,
) -> impl Iterator<Item = (&'a Container, &'a Container)> {
    let all = wish
        .spec
        .init_containers
        .iter()
        .chain(&wish.spec.containers);
    all.filter_map(|one| Some((one, given.spec.container(&one.name)?)))
}

fn has_swapping(wish: &Pod, given: &Pod, shape: &Shape) -> bool {
    let memory = |one: &Container| one.resources.requests.memory_bytes.unwrap_or(0);
    pairs(wish, given).any(|(after, before)| {
        memory(after) != memory(before)
            && before.resize.memory != OnResize::RestartContainer
            && (may_swap((wish, after), shape) || may_swap((given, before), shape))
    })
}

/// What was handed out to a guaranteed container alone stays as it is.
fn exclusive(wish: &Pod, given: &Pod, rules: &ResizeRules) -> Option<(String, &'static str)> {
    if qos_class(&wish.spec) != QosClass::Guaranteed {
        return None;
    }
    let changes = |amount: fn(&ResourceList) -> Option<u64>| {
        pairs(wish, given).any(|(one, other)| {
            amount(&one.resources.requests) != amount(&other.resources.requests)
        })
    };
    let rows = [
        (
            rules.cpus,
            changes(|list| list.cpu_millis),
            "CPU",
            "guaranteed_pod_cpu_manager_static_policy",
        ),
        (
            rules.memory,
            changes(|list| list.memory_bytes),
            "Memory",
            "guaranteed_pod_memory_manager_static_policy",
        ),
    ];
    let mut against = rows
        .into_iter()
        .filter(|(policy, is_change, ..)| *policy == ManagerPolicy::Static && *is_change);
    against.next().map(|(_, _, manager, detail)| {
        let message = format!(
            "Resize is infeasible for Guaranteed Pods alongside {manager} Manager policy \"static\""
        );
        (message, detail)
    })
}

/// More than the whole node has for pods.
fn too_large(wish: &Pod, node: &NodeFacts) -> Option<(String, &'static str)> {
    let asked = asked_for(&wish.spec);
    let mut short = ["cpu", "memory"].into_iter();
    let resource = short.find(|resource| asked.of(resource) > node.allocatable.of(resource))?;
    let message = format!(
        "Node didn't have enough capacity: {resource}, requested: {}, capacity: {}",
        asked.of(resource),
        node.allocatable.of(resource)
    );
    Some((message, "insufficient_node_allocatable"))
}
