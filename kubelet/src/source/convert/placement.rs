//! Which node a pod is for, and how much it matters there.

use k8s_openapi::api::core::v1 as core;

use crate::model::{NodeOperator, NodeRequirement, NodeTerm, Placement, StringMap, priority_of};
use crate::source::problem::Problems;

const OPERATORS: &[(&str, NodeOperator)] = &[
    ("In", NodeOperator::In),
    ("NotIn", NodeOperator::NotIn),
    ("Exists", NodeOperator::Exists),
    ("DoesNotExist", NodeOperator::DoesNotExist),
    ("Gt", NodeOperator::Gt),
    ("Lt", NodeOperator::Lt),
];

pub(super) fn placement(spec: &core::PodSpec, problems: &mut Problems) -> Placement {
    let class = spec.priority_class_name.clone();
    let class = class.filter(|name| !name.is_empty());
    Placement {
        priority: priority_of(spec.priority, class.as_deref()),
        priority_class: class,
        node_selector: node_selector(spec),
        node_terms: node_terms(spec, problems),
        os: spec.os.as_ref().map(|os| os.name.clone()),
    }
}

fn node_selector(spec: &core::PodSpec) -> StringMap {
    spec.node_selector.clone().unwrap_or_default()
}

fn node_terms(spec: &core::PodSpec, problems: &mut Problems) -> Option<Vec<NodeTerm>> {
    const FIELD: &str = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
    let affinity = spec.affinity.as_ref()?.node_affinity.as_ref()?;
    let required = affinity
        .required_during_scheduling_ignored_during_execution
        .as_ref()?;
    if required.node_selector_terms.is_empty() {
        problems.required(FIELD);
    }
    let terms = required.node_selector_terms.iter().enumerate();
    let terms = terms.map(|(index, term)| {
        let path = format!("{FIELD}[{index}]");
        let labels = term.match_expressions.iter().flatten();
        let fields = term.match_fields.iter().flatten();
        NodeTerm {
            labels: requirements(&format!("{path}.matchExpressions"), labels, problems),
            fields: requirements(&format!("{path}.matchFields"), fields, problems),
        }
    });
    Some(terms.collect())
}

fn requirements<'a>(
    path: &str,
    requirements: impl Iterator<Item = &'a core::NodeSelectorRequirement>,
    problems: &mut Problems,
) -> Vec<NodeRequirement> {
    let numbered = requirements.enumerate();
    numbered
        .filter_map(|(index, one)| requirement(&format!("{path}[{index}]"), one, problems))
        .collect()
}

fn requirement(
    path: &str,
    requirement: &core::NodeSelectorRequirement,
    problems: &mut Problems,
) -> Option<NodeRequirement> {
    let field = format!("{path}.operator");
    let operator = problems.word(field, &requirement.operator, OPERATORS)?;
    let values = requirement.values.clone().unwrap_or_default();
    let wrong = match operator {
        NodeOperator::In | NodeOperator::NotIn => values
            .is_empty()
            .then_some("Required value: must be specified when `operator` is 'In' or 'NotIn'"),
        NodeOperator::Exists | NodeOperator::DoesNotExist => (!values.is_empty()).then_some(
            "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        ),
        NodeOperator::Gt | NodeOperator::Lt => (values.len() != 1).then_some(
            "Required value: must be specified single value when `operator` is 'Lt' or 'Gt'",
        ),
    };
    if let Some(message) = wrong {
        problems.invalid(format!("{path}.values"), message);
    }
    Some(NodeRequirement {
        key: requirement.key.clone(),
        operator,
        values,
    })
}
