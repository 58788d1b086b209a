//! What a container's status says beside its state: who it runs as, what it mounts, what it may use.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::model::{
    Container, ContainerName, ContainerObservation, LinuxUser, Pod, RecursiveReadOnly, VolumeMount,
};

/// Who its first process was started as, once it was.
pub(super) fn user(newest: Option<&ContainerObservation>) -> Option<core::ContainerUser> {
    let LinuxUser {
        uid,
        gid,
        supplemental_groups,
    } = newest?.told.user.clone()?;
    Some(core::ContainerUser {
        linux: Some(core::LinuxContainerUser {
            uid,
            gid,
            supplemental_groups: Some(supplemental_groups).filter(|groups| !groups.is_empty()),
        }),
    })
}

/// Its volumes. Only a runtime knows whether it could make one read-only with all that is below.
pub(super) fn volume_mounts(
    container: &Container,
    newest: Option<&ContainerObservation>,
) -> Option<Vec<core::VolumeMountStatus>> {
    let mounts = container.mounts.iter();
    let all: Vec<_> = mounts.map(|mount| volume_mount(mount, newest)).collect();
    Some(all).filter(|all| !all.is_empty())
}

fn volume_mount(
    mount: &VolumeMount,
    newest: Option<&ContainerObservation>,
) -> core::VolumeMountStatus {
    let is_recursive = || match newest {
        Some(newest) => {
            let mut paths = newest.told.recursive_read_only.iter();
            paths.any(|path| path.trim_start_matches('/') == mount.path.trim_start_matches('/'))
        }
        None => mount.recursive_read_only == RecursiveReadOnly::Enabled,
    };
    let recursive = || match is_recursive() {
        true => "Enabled",
        false => "Disabled",
    };
    core::VolumeMountStatus {
        name: mount.volume.clone(),
        mount_path: mount.path.clone(),
        read_only: mount.read_only.then_some(true),
        recursive_read_only: mount.read_only.then(|| recursive().to_owned()),
        ..core::VolumeMountStatus::default()
    }
}

/// What it may use, once it was made: what it was given, where it runs and has not got that yet what
/// it has.
pub(super) fn resources(
    pod: &Pod,
    container: &Container,
    newest: Option<&ContainerObservation>,
) -> Option<core::ResourceRequirements> {
    let newest = newest?;
    let mut told = given(pod, &container.name);
    let has = newest.size.filter(|_| newest.state.may_run());
    let shall = pod.spec.size_of(container);
    if let Some(has) = has.filter(|has| *has != shall) {
        let (cpu, memory) = (has.cpu_millis, has.memory_bytes);
        tell(&mut told.requests, cpu.request, memory.request);
        tell(&mut told.limits, cpu.limit, memory.limit);
    }
    Some(told)
}

/// What it was given of what it asks for, once it was made.
pub(super) fn allocated(
    pod: &Pod,
    container: &Container,
    newest: Option<&ContainerObservation>,
) -> Option<BTreeMap<String, Quantity>> {
    newest?;
    given(pod, &container.name).requests
}

/// What a container was given, as it is written.
fn given(pod: &Pod, name: &ContainerName) -> core::ResourceRequirements {
    if let Some(given) = pod.resize.allocated.get(name) {
        return given.clone();
    }
    let spec = pod.manifest.spec.as_ref();
    let written = spec.and_then(|spec| {
        let init = spec.init_containers.iter().flatten();
        let mut all = init.chain(&spec.containers);
        all.find(|one| one.name == name.as_str())
    });
    written
        .and_then(|one| one.resources.clone())
        .unwrap_or_default()
}

/// Only a list that is there tells what is in it.
fn tell(list: &mut Option<BTreeMap<String, Quantity>>, cpu: Option<u64>, memory: Option<u64>) {
    let Some(list) = list else { return };
    let mut set = |name: &str, value: Option<String>| match value {
        Some(value) => drop(list.insert(name.to_owned(), Quantity(value))),
        None => drop(list.remove(name)),
    };
    set("cpu", cpu.map(in_cores));
    set("memory", memory.map(in_bytes));
}

/// `500m`, `2`.
fn in_cores(millis: u64) -> String {
    if millis.is_multiple_of(1000) {
        (millis / 1000).to_string()
    } else {
        format!("{millis}m")
    }
}

/// `64Mi`.
fn in_bytes(bytes: u64) -> String {
    let (mut value, mut suffix) = (bytes, "");
    for larger in ["Ki", "Mi", "Gi", "Ti", "Pi"] {
        if value == 0 || !value.is_multiple_of(1024) {
            break;
        }
        (value, suffix) = (value / 1024, larger);
    }
    format!("{value}{suffix}")
}
