//! One container.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1 as core;

use crate::model::{Container, PullPolicy, TerminationMessage, TerminationMessagePolicy};
use crate::source::container_hash;
use crate::source::problem::Problems;

use super::{
    device, environment, hook, network, probe, resize, resources, restart, security, volume,
};

pub(super) const PULL_POLICIES: &[(&str, PullPolicy)] = &[
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

pub(super) fn container(
    path: &str,
    container: &core::Container,
    spec: &core::PodSpec,
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
        env_from: environment::env_from(path, container, problems),
        env: environment::environment(path, container, spec, problems),
        ports: network::ports(path, container, problems),
        resources: resources::requirements(path, container, problems),
        resize: resize::policy(path, container, spec, problems),
        scalars: resources::scalars(path, container, problems),
        mounts: volume::mounts(path, container, problems),
        devices: device::devices(path, container, problems),
        security: security::container(path, container, spec, problems),
        stdin: container.stdin == Some(true),
        stdin_once: container.stdin_once == Some(true),
        tty: container.tty == Some(true),
        probes: probe::probes(path, container, problems),
        lifecycle: hook::lifecycle(path, container, problems),
        termination_message: termination_message(path, container, problems),
        restart_policy: restart::policy(path, container, problems),
        restart_rules: restart::rules(path, container, problems),
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
