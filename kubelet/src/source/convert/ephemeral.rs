//! Containers that are added to a pod while it runs.

use k8s_openapi::api::core::v1 as core;

use crate::model::EphemeralContainer;
use crate::source::problem::Problems;

use super::container;

const FORBIDDEN: &str = "Forbidden: cannot be set for an Ephemeral Container";

/// The ephemeral containers of a pod that has them, with everything that is wrong with them.
pub(super) fn containers(spec: &core::PodSpec, problems: &mut Problems) -> Vec<EphemeralContainer> {
    let list = spec.ephemeral_containers.as_deref().unwrap_or_default();
    let converted = list.iter().enumerate().map(|(index, one)| {
        let path = format!("spec.ephemeralContainers[{index}]");
        refuse(&path, one, problems);
        named_once(&path, one, (spec, index), problems);
        EphemeralContainer {
            container: container::container(&path, &common(one), spec, problems),
            target: target(&path, one, spec, problems),
        }
    });
    converted.collect()
}

/// What holds for every kind of container.
fn common(one: &core::EphemeralContainer) -> core::Container {
    let one = one.clone();
    core::Container {
        name: one.name,
        image: one.image,
        command: one.command,
        args: one.args,
        working_dir: one.working_dir,
        env: one.env,
        env_from: one.env_from,
        volume_mounts: one.volume_mounts,
        termination_message_path: one.termination_message_path,
        termination_message_policy: one.termination_message_policy,
        image_pull_policy: one.image_pull_policy,
        security_context: one.security_context,
        stdin: one.stdin,
        stdin_once: one.stdin_once,
        tty: one.tty,
        ..core::Container::default()
    }
}

/// What would concern the pod's service or its place on the node is not for who looks around.
fn refuse(path: &str, one: &core::EphemeralContainer, problems: &mut Problems) {
    let fields = [
        ("ports", one.ports.is_some()),
        ("livenessProbe", one.liveness_probe.is_some()),
        ("readinessProbe", one.readiness_probe.is_some()),
        ("startupProbe", one.startup_probe.is_some()),
        ("lifecycle", one.lifecycle.is_some()),
        ("resources", one.resources.is_some()),
        ("resizePolicy", one.resize_policy.is_some()),
        ("restartPolicy", one.restart_policy.is_some()),
        ("volumeDevices", one.volume_devices.is_some()),
    ];
    for (field, _) in fields.iter().filter(|(_, is_set)| *is_set) {
        problems.invalid(format!("{path}.{field}"), FORBIDDEN);
    }
    for (at, mount) in one.volume_mounts.iter().flatten().enumerate() {
        if mount.sub_path.is_some() {
            problems.invalid(format!("{path}.volumeMounts[{at}].subPath"), FORBIDDEN);
        }
        if mount.sub_path_expr.is_some() {
            problems.invalid(format!("{path}.volumeMounts[{at}].subPathExpr"), FORBIDDEN);
        }
    }
}

/// All containers of a pod share one space of names.
fn named_once(
    path: &str,
    one: &core::EphemeralContainer,
    (spec, index): (&core::PodSpec, usize),
    problems: &mut Problems,
) {
    let before = spec.ephemeral_containers.iter().flatten().take(index);
    let mut taken = spec
        .containers
        .iter()
        .chain(spec.init_containers.iter().flatten())
        .map(|container| &container.name)
        .chain(before.map(|container| &container.name));
    if taken.any(|name| *name == one.name) {
        let message = format!("Duplicate value: {:?}", one.name);
        problems.invalid(format!("{path}.name"), message);
    }
}

fn target(
    path: &str,
    one: &core::EphemeralContainer,
    spec: &core::PodSpec,
    problems: &mut Problems,
) -> Option<crate::model::ContainerName> {
    let name = one.target_container_name.as_deref();
    let name = name.filter(|name| !name.is_empty())?;
    let init = spec.init_containers.iter().flatten();
    if !spec
        .containers
        .iter()
        .chain(init)
        .any(|one| one.name == name)
    {
        let field = format!("{path}.targetContainerName");
        problems.invalid(field, format!("Not found: {name:?}"));
    }
    Some(name.into())
}
