//! Whether a node is one that a pod is for, by labels and name.

use super::NodeFacts;
use crate::model::{NodeOperator, NodeRequirement, NodeTerm, Placement, StringMap};

/// Whether the node has all labels that are selected, and matches one of the terms.
pub(super) fn is_for(placement: &Placement, node: &NodeFacts) -> bool {
    let mut selected = placement.node_selector.iter();
    let has_labels = selected.all(|(key, value)| node.labels.get(key) == Some(value));
    let terms = placement.node_terms.as_ref();
    has_labels && terms.is_none_or(|terms| terms.iter().any(|term| matches(term, node)))
}

fn matches(term: &NodeTerm, node: &NodeFacts) -> bool {
    let name = StringMap::from([("metadata.name".to_owned(), node.name.clone())]);
    let is_empty = term.labels.is_empty() && term.fields.is_empty();
    !is_empty
        && term.labels.iter().all(|one| holds(one, &node.labels))
        && term.fields.iter().all(|one| holds(one, &name))
}

fn holds(requirement: &NodeRequirement, labels: &StringMap) -> bool {
    let value = labels.get(&requirement.key);
    let is_listed = |value: &String| requirement.values.contains(value);
    match requirement.operator {
        NodeOperator::In => value.is_some_and(is_listed),
        NodeOperator::NotIn => !value.is_some_and(is_listed),
        NodeOperator::Exists => value.is_some(),
        NodeOperator::DoesNotExist => value.is_none(),
        NodeOperator::Gt => numbers(requirement, value).is_some_and(|(own, bound)| own > bound),
        NodeOperator::Lt => numbers(requirement, value).is_some_and(|(own, bound)| own < bound),
    }
}

/// The node's number and the one it is compared with.
fn numbers(requirement: &NodeRequirement, value: Option<&String>) -> Option<(i64, i64)> {
    let [bound] = requirement.values.as_slice() else {
        return None;
    };
    Some((value?.parse().ok()?, bound.parse().ok()?))
}
