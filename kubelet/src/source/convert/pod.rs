//! The pod as a whole.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1 as core;

use crate::model::{Namespaces, NetworkMode, PidMode, PodSpec, RestartPolicy, UserMode};
use crate::source::problem::Problems;

use super::{
    container, device, hook, network, placement, probe, resources, security, volume, whole,
};

pub(super) const RESTART_POLICIES: &[(&str, RestartPolicy)] = &[
    ("Always", RestartPolicy::Always),
    ("OnFailure", RestartPolicy::OnFailure),
    ("Never", RestartPolicy::Never),
];

pub(super) fn pod(pod: &core::Pod, problems: &mut Problems) -> PodSpec {
    metadata(pod, problems);
    let empty = core::PodSpec::default();
    let spec = pod.spec.as_ref().unwrap_or(&empty);
    let volumes = volume::volumes(pod, spec, problems);
    let namespaces = namespaces(spec, problems);
    let init = spec.init_containers.as_deref().unwrap_or_default();
    let mut init_containers = containers("spec.initContainers", init, spec, problems);
    let mut containers = containers("spec.containers", &spec.containers, spec, problems);
    names(spec, problems);
    security::app_armor_annotations(pod, &mut init_containers, &mut containers, problems);
    probe::refuse_for_init(spec, problems);
    hook::sleeps_fit(spec, problems);
    network::ports_of_host(spec, problems);
    volume::mounts_exist(spec, problems);
    device::are_claims(spec, problems);
    if containers.is_empty() {
        problems.required("spec.containers");
    }
    let restart_policy = spec.restart_policy.as_deref().unwrap_or_default();
    let (whole, scalars) = whole::resources(spec, problems);
    PodSpec {
        placement: placement::placement(spec, problems),
        restart_policy: problems
            .word("spec.restartPolicy", restart_policy, RESTART_POLICIES)
            .unwrap_or_default(),
        termination_grace_period: grace(spec, problems),
        active_deadline: deadline(spec, problems),
        runtime_class: runtime_class(spec, problems),
        overhead: resources::overhead(
            "spec.overhead",
            &spec.overhead.clone().unwrap_or_default(),
            problems,
        ),
        pull_secrets: pull_secrets(spec),
        resources: whole,
        scalars,
        init_containers,
        containers,
        ephemeral_containers: Vec::new(),
        readiness_gates: gates(spec),
        volumes,
        namespaces,
        hostname: label("spec.hostname", spec.hostname.as_deref(), problems),
        subdomain: label("spec.subdomain", spec.subdomain.as_deref(), problems),
        hostname_as_fqdn: spec.set_hostname_as_fqdn == Some(true),
        hostname_override: hostname_override(spec, problems),
        host_aliases: network::host_aliases(spec, problems),
        dns_policy: network::dns_policy(spec, problems),
        dns: network::dns(spec, problems),
        security: security::pod(spec, problems),
    }
}

/// An entry without a name has always been let pass.
fn pull_secrets(spec: &core::PodSpec) -> Vec<String> {
    let secrets = spec.image_pull_secrets.iter().flatten();
    let names = secrets.map(|secret| secret.name.clone());
    names.filter(|name| !name.is_empty()).collect()
}

fn metadata(pod: &core::Pod, problems: &mut Problems) {
    match pod.metadata.name.as_deref().unwrap_or_default() {
        "" => problems.required("metadata.name"),
        name => problems.dns_subdomain("metadata.name", name),
    }
    problems.dns_label(
        "metadata.namespace",
        pod.metadata.namespace.as_deref().unwrap_or_default(),
    );
}

fn containers(
    list: &str,
    containers: &[core::Container],
    spec: &core::PodSpec,
    problems: &mut Problems,
) -> Vec<crate::model::Container> {
    let containers = containers.iter().enumerate();
    containers
        .map(|(index, one)| container::container(&format!("{list}[{index}]"), one, spec, problems))
        .collect()
}

/// Init and regular containers share one space of names.
fn names(spec: &core::PodSpec, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    let init = spec.init_containers.as_deref().unwrap_or_default();
    let lists = [
        ("spec.initContainers", init),
        ("spec.containers", spec.containers.as_slice()),
    ];
    for (list, containers) in lists {
        for (index, container) in containers.iter().enumerate() {
            if !seen.insert(&container.name) {
                let message = format!("Duplicate value: {:?}", container.name);
                problems.invalid(format!("{list}[{index}].name"), message);
            }
        }
    }
}

fn namespaces(spec: &core::PodSpec, problems: &mut Problems) -> Namespaces {
    let is = |flag: Option<bool>| flag == Some(true);
    let pid = match (is(spec.host_pid), is(spec.share_process_namespace)) {
        (true, true) => {
            let message = "ShareProcessNamespace and HostPID cannot both be enabled";
            problems.invalid("spec.shareProcessNamespace", message);
            PidMode::Host
        }
        (true, false) => PidMode::Host,
        (false, true) => PidMode::Pod,
        (false, false) => PidMode::Container,
    };
    let network = if is(spec.host_network) {
        NetworkMode::Host
    } else {
        NetworkMode::Pod
    };
    Namespaces {
        network,
        pid,
        host_ipc: is(spec.host_ipc),
        user: user_mode(spec, problems),
    }
}

/// Users of its own have no rights in a namespace of the host.
fn user_mode(spec: &core::PodSpec, problems: &mut Problems) -> UserMode {
    if spec.host_users != Some(false) {
        return UserMode::Host;
    }
    let shared = [
        ("spec.hostPID", spec.host_pid),
        ("spec.hostIPC", spec.host_ipc),
        ("spec.hostNetwork", spec.host_network),
    ];
    for (field, _) in shared.iter().filter(|(_, is)| *is == Some(true)) {
        problems.invalid(field, "Forbidden: when `hostUsers` is false");
    }
    UserMode::Pod
}

fn grace(spec: &core::PodSpec, problems: &mut Problems) -> Duration {
    let seconds = spec.termination_grace_period_seconds.unwrap_or_default();
    u64::try_from(seconds)
        .map(Duration::from_secs)
        .unwrap_or_else(|_| {
            let message = format!("Invalid value: {seconds}: must be greater than or equal to 0");
            problems.invalid("spec.terminationGracePeriodSeconds", message);
            Duration::ZERO
        })
}

fn deadline(spec: &core::PodSpec, problems: &mut Problems) -> Option<Duration> {
    let seconds = spec.active_deadline_seconds?;
    let whole = u32::try_from(seconds)
        .ok()
        .filter(|one| (1..=i32::MAX.unsigned_abs()).contains(one));
    if whole.is_none() {
        let message = format!(
            "Invalid value: {seconds}: must be between 1 and {}",
            i32::MAX
        );
        problems.invalid("spec.activeDeadlineSeconds", message);
    }
    whole.map(|seconds| Duration::from_secs(u64::from(seconds)))
}

fn gates(spec: &core::PodSpec) -> Vec<String> {
    let gates = spec.readiness_gates.iter().flatten();
    gates.map(|gate| gate.condition_type.clone()).collect()
}

fn label(field: &str, value: Option<&str>, problems: &mut Problems) -> Option<String> {
    let value = value.filter(|value| !value.is_empty())?;
    problems.dns_label(field, value);
    Some(value.to_owned())
}

/// A name that says all by itself.
fn hostname_override(spec: &core::PodSpec, problems: &mut Problems) -> Option<String> {
    const FIELD: &str = "spec.hostnameOverride";
    let name = spec.hostname_override.clone()?;
    if spec.set_hostname_as_fqdn == Some(true) {
        let message = "Forbidden: may not be specified when setHostnameAsFQDN is true";
        problems.invalid(FIELD, message);
    }
    if spec.host_network == Some(true) {
        let message = "Forbidden: may not be specified when hostNetwork is true";
        problems.invalid(FIELD, message);
    }
    if name.len() > 64 {
        problems.invalid(FIELD, "Too long: may not be more than 64 bytes");
    }
    problems.dns_subdomain(FIELD, &name);
    Some(name)
}

fn runtime_class(spec: &core::PodSpec, problems: &mut Problems) -> Option<String> {
    let name = spec.runtime_class_name.clone()?;
    problems.dns_subdomain("spec.runtimeClassName", &name);
    Some(name)
}
