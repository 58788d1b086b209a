//! Volumes and how containers mount them.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1 as core;
use serde_json::Value;

use crate::model::{
    HostPathKind, Medium, MountPropagation, PullPolicy, Quantity, RecursiveReadOnly, Volume,
    VolumeMount, VolumePath, VolumeSource,
};
use crate::source::problem::Problems;

use super::container::{PULL_POLICIES, unique};
use super::csi;
use super::environment::object_name;
use super::files;
use super::in_tree;
use super::resources::quantity;
use super::whole;

pub(super) const HOST_PATH_KINDS: &[(&str, HostPathKind)] = &[
    ("", HostPathKind::Unchecked),
    ("DirectoryOrCreate", HostPathKind::DirectoryOrCreate),
    ("Directory", HostPathKind::Directory),
    ("FileOrCreate", HostPathKind::FileOrCreate),
    ("File", HostPathKind::File),
    ("Socket", HostPathKind::Socket),
    ("CharDevice", HostPathKind::CharDevice),
    ("BlockDevice", HostPathKind::BlockDevice),
];

const PROPAGATIONS: &[(&str, MountPropagation)] = &[
    ("None", MountPropagation::None),
    ("HostToContainer", MountPropagation::HostToContainer),
    ("Bidirectional", MountPropagation::Bidirectional),
];

const RECURSIVE_READ_ONLY: &[(&str, RecursiveReadOnly)] = &[
    ("Disabled", RecursiveReadOnly::Disabled),
    ("IfPossible", RecursiveReadOnly::IfPossible),
    ("Enabled", RecursiveReadOnly::Enabled),
];

pub(super) fn volumes(
    pod: &core::Pod,
    spec: &core::PodSpec,
    problems: &mut Problems,
) -> Vec<Volume> {
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
            let source = match &volume.ephemeral {
                Some(_) if kinds(volume).len() == 1 => own_claim(pod, &volume.name),
                _ => source(&path, volume, pod, spec, problems),
            };
            Volume {
                name: volume.name.clone(),
                source,
            }
        })
        .collect()
}

fn source(
    path: &str,
    volume: &core::Volume,
    pod: &core::Pod,
    spec: &core::PodSpec,
    problems: &mut Problems,
) -> VolumeSource {
    let kinds = kinds(volume);
    if kinds.len() > 1 {
        let message = format!(
            "Forbidden: may not specify more than 1 volume type: {}",
            kinds.join(", ")
        );
        problems.invalid(path, message);
    }
    if let Some(dir) = &volume.empty_dir {
        return empty_dir(&format!("{path}.emptyDir"), dir, spec, problems);
    }
    if let Some(files) = files::files(path, volume, spec, problems) {
        return VolumeSource::Files(files);
    }
    if let Some(claim) = &volume.persistent_volume_claim {
        let field = format!("{path}.persistentVolumeClaim.claimName");
        object_name(&field, &claim.claim_name, problems);
        return VolumeSource::Claim {
            name: claim.claim_name.clone(),
            read_only: claim.read_only == Some(true),
            is_own: false,
        };
    }
    if let Some(image) = &volume.image {
        return self::image(&format!("{path}.image"), image, problems);
    }
    if let Some(csi) = &volume.csi {
        let inline = csi::inline(&format!("{path}.csi"), csi, problems);
        return VolumeSource::Csi(Box::new(inline));
    }
    if let Some(host) = &volume.host_path {
        return host_path(&format!("{path}.hostPath"), host, problems);
    }
    let namespace = pod.metadata.namespace.as_deref().unwrap_or("default");
    if let Some(old) = in_tree::inline(path, volume, namespace, problems) {
        return old;
    }
    VolumeSource::NotHandled {
        kind: kinds.first().cloned().unwrap_or_default(),
    }
}

/// The claim that a cluster makes for the pod.
fn own_claim(pod: &core::Pod, volume: &str) -> VolumeSource {
    let pod = pod.metadata.name.as_deref().unwrap_or_default();
    VolumeSource::Claim {
        name: format!("{pod}-{volume}"),
        read_only: false,
        is_own: true,
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
    spec: &core::PodSpec,
    problems: &mut Problems,
) -> VolumeSource {
    let limit = dir.size_limit.as_ref();
    let limit = limit.and_then(|limit| quantity(&format!("{path}.sizeLimit"), &limit.0, problems));
    VolumeSource::EmptyDir {
        medium: medium(path, dir, spec, problems).unwrap_or_default(),
        size_limit: limit.map(|limit| u64::try_from(limit.units()).unwrap_or(u64::MAX)),
    }
}

fn medium(
    path: &str,
    dir: &core::EmptyDirVolumeSource,
    spec: &core::PodSpec,
    problems: &mut Problems,
) -> Option<Medium> {
    let field = format!("{path}.medium");
    match dir.medium.as_deref().unwrap_or_default() {
        "" => Some(Medium::Disk),
        "Memory" => Some(Medium::Memory),
        "HugePages" => only_page(&field, spec, problems),
        other => match other.strip_prefix("HugePages-").map(Quantity::parse) {
            Some(Ok(page)) if page.units() > 0 => {
                let page = u64::try_from(page.units()).unwrap_or(u64::MAX);
                let is_asked_for = pages(spec).contains(&page);
                if !is_asked_for {
                    problems.invalid(field, no_pages(other));
                }
                is_asked_for.then_some(Medium::HugePages { page })
            }
            _ => {
                let known = ["", "Memory", "HugePages", "HugePages-<size>"];
                problems.unsupported(field, other, &known);
                None
            }
        },
    }
}

/// What upstream says of a volume of pages that no container asks for.
fn no_pages(medium: &str) -> String {
    format!(
        "Invalid value: medium {medium}: hugePages storage requested, but there is no resource request \
         for huge pages"
    )
}

/// The sizes of huge pages that the pod and its containers ask for.
fn pages(spec: &core::PodSpec) -> BTreeSet<u64> {
    let init = spec.init_containers.iter().flatten();
    let resources = init
        .chain(&spec.containers)
        .filter_map(|one| one.resources.as_ref());
    resources
        .filter_map(|resources| resources.requests.as_ref())
        .flat_map(|requests| requests.keys())
        .filter_map(|name| name.strip_prefix("hugepages-"))
        .chain(whole::pages(spec))
        .filter_map(|size| u64::try_from(Quantity::parse(size).ok()?.units()).ok())
        .collect()
}

/// Without a size, pages are of the one size that the pod's containers ask for.
fn only_page(field: &str, spec: &core::PodSpec, problems: &mut Problems) -> Option<Medium> {
    match pages(spec).iter().copied().collect::<Vec<_>>().as_slice() {
        [page] => return Some(Medium::HugePages { page: *page }),
        [] => problems.invalid(field, no_pages("HugePages")),
        _ => problems.invalid(
            field,
            "Invalid value: medium: HugePages can't be used if container requests multiple huge \
             page sizes",
        ),
    }
    None
}

fn image(path: &str, image: &core::ImageVolumeSource, problems: &mut Problems) -> VolumeSource {
    let reference = image.reference.clone().unwrap_or_default();
    if reference.is_empty() {
        problems.required(format!("{path}.reference"));
    }
    let policy = image.pull_policy.as_deref().unwrap_or_default();
    VolumeSource::Image {
        reference,
        pull_policy: problems
            .word(format!("{path}.pullPolicy"), policy, PULL_POLICIES)
            .unwrap_or(PullPolicy::IfNotPresent),
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
                recursive_read_only: recursive(&path, mount, problems),
                propagation: propagation(&path, mount, container, problems),
            }
        })
        .collect()
}

fn propagation(
    path: &str,
    mount: &core::VolumeMount,
    container: &core::Container,
    problems: &mut Problems,
) -> MountPropagation {
    let field = format!("{path}.mountPropagation");
    let word = mount.mount_propagation.as_deref().unwrap_or("None");
    let propagation = problems
        .word(&field, word, PROPAGATIONS)
        .unwrap_or_default();
    let context = container.security_context.as_ref();
    let is_privileged = context.is_some_and(|context| context.privileged == Some(true));
    if propagation == MountPropagation::Bidirectional && !is_privileged {
        let message = "Forbidden: Bidirectional mount propagation is available only to privileged \
                       containers";
        problems.invalid(field, message);
    }
    propagation
}

/// Nothing writes to it: then nothing below it may be seen to come either.
fn recursive(path: &str, mount: &core::VolumeMount, problems: &mut Problems) -> RecursiveReadOnly {
    let field = format!("{path}.recursiveReadOnly");
    let word = mount.recursive_read_only.as_deref().unwrap_or("Disabled");
    let recursive = problems
        .word(&field, word, RECURSIVE_READ_ONLY)
        .unwrap_or_default();
    if recursive == RecursiveReadOnly::Disabled {
        return recursive;
    }
    if mount.read_only != Some(true) {
        let message = "Forbidden: may only be specified when readOnly is true";
        problems.invalid(&field, message);
    }
    let propagation = mount.mount_propagation.as_deref().unwrap_or("None");
    if propagation != "None" {
        let message = "Forbidden: may only be specified when mountPropagation is None or not \
                       specified";
        problems.invalid(field, message);
    }
    recursive
}

fn sub_path(path: &str, mount: &core::VolumeMount, problems: &mut Problems) -> Option<VolumePath> {
    let written = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (field, text, sub_path) = match (written(&mount.sub_path), written(&mount.sub_path_expr)) {
        (None, None) => return None,
        (Some(text), None) => ("subPath", text.clone(), VolumePath::Literal(text)),
        (None, Some(text)) => ("subPathExpr", text.clone(), VolumePath::Expression(text)),
        (Some(_), Some(_)) => {
            let message = "Invalid value: subPathExpr and subPath are mutually exclusive";
            problems.invalid(format!("{path}.subPathExpr"), message);
            return None;
        }
    };
    if text.starts_with('/') {
        let message = "Invalid value: must be a relative path";
        problems.invalid(format!("{path}.{field}"), message);
    }
    if has_dots(&text) {
        let message = "Invalid value: must not contain '..'";
        problems.invalid(format!("{path}.{field}"), message);
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
