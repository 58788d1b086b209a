//! What a container's status says beside its state: who it runs as, what it mounts, what it may use.

use k8s_openapi::api::core::v1 as core;

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

/// What it may use, as its manifest says, once it was made.
pub(super) fn resources(
    pod: &Pod,
    name: &ContainerName,
    newest: Option<&ContainerObservation>,
) -> Option<core::ResourceRequirements> {
    newest?;
    let spec = pod.manifest.spec.as_ref();
    let written = spec.and_then(|spec| {
        let init = spec.init_containers.iter().flatten();
        let mut all = init.chain(&spec.containers);
        all.find(|one| one.name == name.as_str())
    });
    Some(
        written
            .and_then(|one| one.resources.clone())
            .unwrap_or_default(),
    )
}
