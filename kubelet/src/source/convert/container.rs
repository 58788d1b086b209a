//! One container.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1 as core;

use crate::model::{
    Container, EnvValue, EnvVar, PullPolicy, TerminationMessage, TerminationMessagePolicy,
};
use crate::source::container_hash;
use crate::source::problem::Problems;

use super::{network, resources, security, volume};

const PULL_POLICIES: &[(&str, PullPolicy)] = &[
    ("Always", PullPolicy::Always),
    ("IfNotPresent", PullPolicy::IfNotPresent),
    ("Never", PullPolicy::Never),
];

const MESSAGE_POLICIES: &[(&str, TerminationMessagePolicy)] = &[
    ("File", TerminationMessagePolicy::File),
    (
        "FallbackToLogsOnError",
        TerminationMessagePolicy::FallbackToLogsOnError,
    ),
];

/// Fields of a pod that an environment variable may show.
const FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

pub(super) fn container(
    path: &str,
    container: &core::Container,
    problems: &mut Problems,
) -> Container {
    match container.name.as_str() {
        "" => problems.required(format!("{path}.name")),
        name => problems.dns_label(format!("{path}.name"), name),
    }
    let image = image(path, container, problems);
    let pull_policy = container.image_pull_policy.as_deref().unwrap_or_default();
    Container {
        name: container.name.as_str().into(),
        pull_policy: problems
            .word(
                format!("{path}.imagePullPolicy"),
                pull_policy,
                PULL_POLICIES,
            )
            .unwrap_or(PullPolicy::IfNotPresent),
        command: container.command.clone().unwrap_or_default(),
        args: container.args.clone().unwrap_or_default(),
        working_dir: container.working_dir.clone().filter(|dir| !dir.is_empty()),
        env: environment(path, container, problems),
        ports: network::ports(path, container, problems),
        resources: resources::requirements(path, container, problems),
        mounts: volume::mounts(path, container, problems),
        security: security::container(path, container, problems),
        stdin: container.stdin == Some(true),
        stdin_once: container.stdin_once == Some(true),
        tty: container.tty == Some(true),
        termination_message: termination_message(path, container, problems),
        hash: container_hash(&container.name, &image),
        image,
    }
}

fn image(path: &str, container: &core::Container, problems: &mut Problems) -> String {
    let image = container.image.clone().unwrap_or_default();
    let field = format!("{path}.image");
    if image.is_empty() {
        problems.required(field);
    } else if image.trim() != image {
        let message =
            format!("Invalid value: {image:?}: must not have leading or trailing whitespace");
        problems.invalid(field, message);
    }
    image
}

fn environment(path: &str, container: &core::Container, problems: &mut Problems) -> Vec<EnvVar> {
    let variables = container.env.iter().flatten().enumerate();
    variables
        .filter_map(|(index, variable)| {
            let path = format!("{path}.env[{index}]");
            env_name(&path, &variable.name, problems);
            let value = env_value(&path, variable, problems)?;
            Some(EnvVar {
                name: variable.name.clone(),
                value,
            })
        })
        .collect()
}

fn env_name(path: &str, name: &str, problems: &mut Problems) {
    let is_allowed = |c: char| (' '..='~').contains(&c) && c != '=';
    if name.is_empty() {
        problems.required(format!("{path}.name"));
    } else if !name.chars().all(is_allowed) {
        let message =
            format!("Invalid value: {name:?}: must be printable ASCII characters other than '='");
        problems.invalid(format!("{path}.name"), message);
    }
}

/// `None` for sources that are not handled yet, which are told of elsewhere: the variable is unset.
fn env_value(path: &str, variable: &core::EnvVar, problems: &mut Problems) -> Option<EnvValue> {
    let value = variable.value.clone().unwrap_or_default();
    let Some(from) = &variable.value_from else {
        return Some(EnvValue::Literal(value));
    };
    if !value.is_empty() {
        let message = "Invalid value: may not be specified when `value` is not empty";
        problems.invalid(format!("{path}.valueFrom"), message);
    }
    let field = from.field_ref.as_ref()?;
    let known = is_subscripted(&field.field_path) || FIELDS.contains(&field.field_path.as_str());
    if !known {
        problems.unsupported(
            format!("{path}.valueFrom.fieldRef.fieldPath"),
            &field.field_path,
            FIELDS,
        );
    }
    Some(EnvValue::Field(field.field_path.clone()))
}

/// `metadata.labels['key']` or `metadata.annotations['key']`.
fn is_subscripted(path: &str) -> bool {
    let rest = path
        .strip_prefix("metadata.labels['")
        .or_else(|| path.strip_prefix("metadata.annotations['"));
    rest.and_then(|rest| rest.strip_suffix("']"))
        .is_some_and(|key| !key.is_empty())
}

fn termination_message(
    path: &str,
    container: &core::Container,
    problems: &mut Problems,
) -> TerminationMessage {
    let policy = container
        .termination_message_policy
        .as_deref()
        .unwrap_or_default();
    TerminationMessage {
        path: container
            .termination_message_path
            .clone()
            .unwrap_or_default(),
        policy: problems
            .word(
                format!("{path}.terminationMessagePolicy"),
                policy,
                MESSAGE_POLICIES,
            )
            .unwrap_or(TerminationMessagePolicy::File),
    }
}

/// Adds a problem when a value stands twice in a container's list.
pub(super) fn unique<T: Ord + std::fmt::Debug>(
    field: String,
    value: T,
    seen: &mut BTreeSet<T>,
    problems: &mut Problems,
) {
    let message = format!("Duplicate value: {value:?}");
    if !seen.insert(value) {
        problems.invalid(field, message);
    }
}
