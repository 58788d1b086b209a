//! What happens after a container exits, where that differs from its pod.

use k8s_openapi::api::core::v1 as core;

use crate::model::{ExitCodes, RestartAction, RestartPolicy, RestartRule};
use crate::source::problem::Problems;

use super::pod::RESTART_POLICIES;

const ACTIONS: &[(&str, RestartAction)] = &[
    ("Restart", RestartAction::Restart),
    ("RestartAllContainers", RestartAction::RestartAllContainers),
];

/// How a set of exit codes is made from those that are written.
type Operator = fn(Vec<i32>) -> ExitCodes;

const OPERATORS: &[(&str, Operator)] = &[("In", ExitCodes::In), ("NotIn", ExitCodes::NotIn)];

/// No container has more rules.
const MOST_RULES: usize = 20;
/// No rule names more exit codes.
const MOST_CODES: usize = 255;

pub(super) fn policy(
    path: &str,
    container: &core::Container,
    problems: &mut Problems,
) -> Option<RestartPolicy> {
    let policy = container.restart_policy.as_deref()?;
    problems.word(format!("{path}.restartPolicy"), policy, RESTART_POLICIES)
}

pub(super) fn rules(
    path: &str,
    container: &core::Container,
    problems: &mut Problems,
) -> Vec<RestartRule> {
    let rules = container.restart_policy_rules.as_deref();
    let rules = rules.unwrap_or_default();
    if !rules.is_empty() && container.restart_policy.is_none() {
        problems.invalid(
            format!("{path}.restartPolicy"),
            "Required value: must specify restartPolicy when restart rules are used",
        );
    }
    let path = format!("{path}.restartPolicyRules");
    at_most(&path, rules.len(), MOST_RULES, problems);
    let rules = rules.iter().enumerate();
    rules
        .filter_map(|(index, rule)| one(&format!("{path}[{index}]"), rule, problems))
        .collect()
}

fn one(
    path: &str,
    rule: &core::ContainerRestartRule,
    problems: &mut Problems,
) -> Option<RestartRule> {
    let action = problems.word(format!("{path}.action"), &rule.action, ACTIONS);
    let path = format!("{path}.exitCodes");
    let Some(codes) = &rule.exit_codes else {
        problems.invalid(path, "Required value: must be specified");
        return None;
    };
    let set = problems.word(format!("{path}.operator"), &codes.operator, OPERATORS);
    let values = codes.values.clone().unwrap_or_default();
    at_most(
        &format!("{path}.values"),
        values.len(),
        MOST_CODES,
        problems,
    );
    Some(RestartRule {
        action: action?,
        exits: set?(values),
    })
}

fn at_most(field: &str, count: usize, most: usize, problems: &mut Problems) {
    if count > most {
        let message = format!("Too many: {count}: must have at most {most} items");
        problems.invalid(field, message);
    }
}
