//! Volumes and how containers mount them.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1 as core;
use serde_json::Value;

use crate::model::{HostPathKind, Medium, Volume, VolumeMount, VolumeSource};
use crate::source::problem::Problems;

use super::container::unique;
use super::resources::quantity;

const HOST_PATH_KINDS: &[(&str, HostPathKind)] = &[
    ("", HostPathKind::Unchecked),
    ("DirectoryOrCreate", HostPathKind::DirectoryOrCreate),
    ("Directory", HostPathKind::Directory),
    ("FileOrCreate", HostPathKind::FileOrCreate),
    ("File", HostPathKind::File),
    ("Socket", HostPathKind::Socket),
    ("CharDevice", HostPathKind::CharDevice),
    ("BlockDevice", HostPathKind::BlockDevice),
];

const MEDIA: &[(&str, Medium)] = &[("", Medium::Disk), ("Memory", Medium::Memory)];

pub(super) fn volumes(spec: &core::PodSpec, problems: &mut Problems) -> Vec<Volume> {
    let mut names = BTreeSet::new();
    let volumes = spec.volumes.iter().flatten().enumerate();
    volumes
        .map(|(index, volume)| {
            let path = format!("spec.volumes[{index}]");
            problems.dns_label(format!("{path}.name"), &volume.name);
            unique(
                format!("{path}.name"),
                volume.name.clone(),
                &mut names,
                problems,
            );
            Volume {
                name: volume.name.clone(),
                source: source(&path, volume, problems),
            }
        })
        .collect()
}

fn source(path: &str, volume: &core::Volume, problems: &mut Problems) -> VolumeSource {
    let kinds = kinds(volume);
    if kinds.len() > 1 {
        let message = format!(
            "Forbidden: may not specify more than 1 volume type: {}",
            kinds.join(", ")
        );
        problems.invalid(path, message);
    }
    if let Some(dir) = &volume.empty_dir {
        return empty_dir(&format!("{path}.emptyDir"), dir, problems);
    }
    if let Some(host) = &volume.host_path {
        return host_path(&format!("{path}.hostPath"), host, problems);
    }
    VolumeSource::NotHandled {
        kind: kinds.first().cloned().unwrap_or_default(),
    }
}

/// The manifest's names of all kinds that a volume claims to be.
fn kinds(volume: &core::Volume) -> Vec<String> {
    match serde_json::to_value(volume) {
        Ok(Value::Object(fields)) => fields
            .into_iter()
            .map(|(key, _)| key)
            .filter(|key| key != "name")
            .collect(),
        _ => Vec::new(),
    }
}

fn empty_dir(
    path: &str,
    dir: &core::EmptyDirVolumeSource,
    problems: &mut Problems,
) -> VolumeSource {
    let medium = dir.medium.as_deref().unwrap_or_default();
    let limit = dir.size_limit.as_ref();
    let limit = limit.and_then(|limit| quantity(&format!("{path}.sizeLimit"), &limit.0, problems));
    VolumeSource::EmptyDir {
        medium: problems
            .word(format!("{path}.medium"), medium, MEDIA)
            .unwrap_or_default(),
        size_limit: limit.map(|limit| u64::try_from(limit.units()).unwrap_or(u64::MAX)),
    }
}

fn host_path(
    path: &str,
    host: &core::HostPathVolumeSource,
    problems: &mut Problems,
) -> VolumeSource {
    if host.path.is_empty() {
        problems.required(format!("{path}.path"));
    } else if has_dots(&host.path) {
        problems.invalid(
            format!("{path}.path"),
            "Invalid value: must not contain '..'",
        );
    }
    let kind = host.type_.as_deref().unwrap_or_default();
    VolumeSource::HostPath {
        path: host.path.clone(),
        kind: problems
            .word(format!("{path}.type"), kind, HOST_PATH_KINDS)
            .unwrap_or_default(),
    }
}

pub(super) fn mounts(
    path: &str,
    container: &core::Container,
    problems: &mut Problems,
) -> Vec<VolumeMount> {
    let mut paths = BTreeSet::new();
    let mounts = container.volume_mounts.iter().flatten().enumerate();
    mounts
        .map(|(index, mount)| {
            let path = format!("{path}.volumeMounts[{index}]");
            if mount.name.is_empty() {
                problems.required(format!("{path}.name"));
            }
            if mount.mount_path.is_empty() {
                problems.required(format!("{path}.mountPath"));
            }
            unique(
                format!("{path}.mountPath"),
                mount.mount_path.clone(),
                &mut paths,
                problems,
            );
            VolumeMount {
                volume: mount.name.clone(),
                path: mount.mount_path.clone(),
                sub_path: sub_path(&path, mount, problems),
                read_only: mount.read_only == Some(true),
            }
        })
        .collect()
}

fn sub_path(path: &str, mount: &core::VolumeMount, problems: &mut Problems) -> Option<String> {
    let sub_path = mount
        .sub_path
        .clone()
        .filter(|sub_path| !sub_path.is_empty())?;
    if sub_path.starts_with('/') {
        problems.invalid(
            format!("{path}.subPath"),
            "Invalid value: must be a relative path",
        );
    }
    if has_dots(&sub_path) {
        problems.invalid(
            format!("{path}.subPath"),
            "Invalid value: must not contain '..'",
        );
    }
    Some(sub_path)
}

pub(super) fn has_dots(path: &str) -> bool {
    path.split('/').any(|part| part == "..")
}

/// Every volume that a container mounts is one of the pod's.
pub(super) fn mounts_exist(spec: &core::PodSpec, problems: &mut Problems) {
    let known: BTreeSet<_> = spec
        .volumes
        .iter()
        .flatten()
        .map(|volume| &volume.name)
        .collect();
    let init = spec.init_containers.as_deref().unwrap_or_default();
    for (list, containers) in [("initContainers", init), ("containers", &spec.containers)] {
        for (index, container) in containers.iter().enumerate() {
            for (at, mount) in container.volume_mounts.iter().flatten().enumerate() {
                if !mount.name.is_empty() && !known.contains(&mount.name) {
                    let field = format!("spec.{list}[{index}].volumeMounts[{at}].name");
                    problems.invalid(field, format!("Not found: {:?}", mount.name));
                }
            }
        }
    }
}
