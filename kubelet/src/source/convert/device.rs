//! Volumes that containers see as devices.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1 as core;

use crate::model::VolumeDevice;
use crate::source::problem::Problems;

use super::container::unique;
use super::volume::has_dots;

pub(super) fn devices(
    path: &str,
    container: &core::Container,
    problems: &mut Problems,
) -> Vec<VolumeDevice> {
    let mut seen = BTreeSet::new();
    let mounts = container.volume_mounts.iter().flatten();
    let mounted: BTreeSet<_> = mounts.map(|mount| &mount.name).collect();
    let devices = container.volume_devices.iter().flatten().enumerate();
    devices
        .map(|(index, device)| {
            let path = format!("{path}.volumeDevices[{index}]");
            if device.name.is_empty() {
                problems.required(format!("{path}.name"));
            }
            if mounted.contains(&device.name) {
                let message = "Invalid value: must not already exist in volumeMounts";
                problems.invalid(format!("{path}.name"), message);
            }
            let field = format!("{path}.devicePath");
            if device.device_path.is_empty() {
                problems.required(&field);
            } else if has_dots(&device.device_path) {
                problems.invalid(&field, "Invalid value: must not contain '..'");
            }
            unique(field, device.device_path.clone(), &mut seen, problems);
            VolumeDevice {
                volume: device.name.clone(),
                path: device.device_path.clone(),
            }
        })
        .collect()
}

/// Every volume that a container sees as a device is a claim of the pod.
pub(super) fn are_claims(spec: &core::PodSpec, problems: &mut Problems) {
    let volumes = spec.volumes.as_deref().unwrap_or_default();
    let init = spec.init_containers.as_deref().unwrap_or_default();
    for (list, containers) in [("initContainers", init), ("containers", &spec.containers)] {
        for (index, container) in containers.iter().enumerate() {
            for (at, device) in container.volume_devices.iter().flatten().enumerate() {
                let field = format!("spec.{list}[{index}].volumeDevices[{at}].name");
                let name = &device.name;
                match volumes.iter().find(|volume| volume.name == *name) {
                    None if name.is_empty() => {}
                    None => problems.invalid(field, format!("Not found: {name:?}")),
                    Some(volume) => {
                        if volume.persistent_volume_claim.is_none() && volume.ephemeral.is_none() {
                            let message = format!(
                                "Invalid value: {name:?}: can only use volume source type of \
                                 PersistentVolumeClaim or Ephemeral for block mode"
                            );
                            problems.invalid(field, message);
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_a_claim_of_the_pod_and_is_not_mounted_as_well() {
        let spec: core::PodSpec = serde_json::from_value(serde_json::json!({
            "containers": [{
                "name": "a",
                "volumeMounts": [{ "name": "both", "mountPath": "/m" }],
                "volumeDevices": [
                    { "name": "both", "devicePath": "/dev/x" },
                    { "name": "room", "devicePath": "/dev/x" },
                    { "name": "scratch", "devicePath": "" },
                    { "name": "none", "devicePath": "/dev/../y" },
                ],
            }],
            "volumes": [
                { "name": "both", "persistentVolumeClaim": { "claimName": "c" } },
                { "name": "room", "persistentVolumeClaim": { "claimName": "c" } },
                { "name": "scratch", "emptyDir": {} },
            ],
        }))
        .unwrap();
        let mut problems = Problems::default();
        let read = devices("spec.containers[0]", &spec.containers[0], &mut problems);
        assert_eq!(read.len(), 4);
        are_claims(&spec, &mut problems);
        let told: Vec<_> = problems.0.iter().map(ToString::to_string).collect();
        for expected in [
            "volumeDevices[0].name: Invalid value: must not already exist in volumeMounts",
            "volumeDevices[1].devicePath: Duplicate",
            "volumeDevices[2].devicePath: Required value",
            "volumeDevices[2].name: Invalid value: \"scratch\": can only use",
            "volumeDevices[3].devicePath: Invalid value: must not contain '..'",
            "volumeDevices[3].name: Not found: \"none\"",
        ] {
            assert!(
                told.iter().any(|one| one.contains(expected)),
                "{expected}: {told:#?}"
            );
        }
    }
}
