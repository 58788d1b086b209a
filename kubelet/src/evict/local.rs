//! Whether a pod has written more than it may: limits of its volumes, of itself and of its containers.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;

use super::message::binary;
use super::rank::{Disks, Usage};
use crate::model::Quantity;

const STORAGE: &str = "ephemeral-storage";

/// A limit that a pod has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Excess {
    /// What metrics call the limit.
    pub(super) signal: &'static str,
    /// As the pod's status tells it.
    pub(super) message: String,
}

impl Excess {
    fn of(signal: &'static str) -> impl FnOnce(String) -> Self {
        move |message| Self { signal, message }
    }
}

/// Which limit a pod has passed.
pub(super) fn excess(pod: &core::Pod, usage: &Usage, disks: Disks) -> Option<Excess> {
    let spec = pod.spec.as_ref()?;
    of_volumes(spec, usage)
        .map(Excess::of("emptydirfs.limit"))
        .or_else(|| of_pod(spec, usage).map(Excess::of("ephemeralpodfs.limit")))
        .or_else(|| of_containers(spec, usage, disks).map(Excess::of("ephemeralcontainerfs.limit")))
}

/// Whether there is any such limit.
pub(super) fn has_limits(pod: &core::Pod) -> bool {
    let Some(spec) = &pod.spec else {
        return false;
    };
    let has_limit = |one: &core::Container| limit(one).is_some();
    limited_volumes(spec).next().is_some()
        || spec.containers.iter().any(has_limit)
        || spec.init_containers.iter().flatten().any(has_limit)
}

fn of_volumes(spec: &core::PodSpec, usage: &Usage) -> Option<String> {
    limited_volumes(spec).find_map(|(name, text, bytes)| {
        let used = usage.volumes.get(name)?.bytes;
        (i128::from(used) > bytes)
            .then(|| format!("Usage of EmptyDir volume {name:?} exceeds the limit {text:?}. "))
    })
}

/// Name, limit as it is written, and in bytes.
fn limited_volumes(spec: &core::PodSpec) -> impl Iterator<Item = (&str, &str, i128)> {
    let volumes = spec.volumes.iter().flatten();
    volumes.filter_map(|volume| {
        let text = volume.empty_dir.as_ref()?.size_limit.as_ref()?.0.as_str();
        let bytes = Quantity::parse(text).ok()?.units();
        (bytes > 0).then_some((volume.name.as_str(), text, bytes))
    })
}

/// The sum of the limits, or that of the largest init container with the sidecars before it.
fn of_pod(spec: &core::PodSpec, usage: &Usage) -> Option<String> {
    let bytes = |one: &core::Container| limit(one).map_or(0, |limit| limit.1);
    let init = || spec.init_containers.iter().flatten();
    let is_limited = spec
        .containers
        .iter()
        .chain(init())
        .any(|one| limit(one).is_some());
    let (mut sidecars, mut largest) = (0, 0);
    for one in init() {
        if one.restart_policy.as_deref() == Some("Always") {
            sidecars += bytes(one);
        } else {
            largest = largest.max(sidecars + bytes(one));
        }
    }
    let regular = spec.containers.iter().map(bytes).sum::<i128>() + sidecars;
    let most = regular.max(largest);
    (is_limited && i128::from(usage.ephemeral()) > most).then(|| {
        let only = match (&spec.containers[..], spec.init_containers.as_deref()) {
            ([one], None | Some([])) => limit(one).map(|limit| limit.0.to_owned()),
            _ => None,
        };
        let most = only.unwrap_or_else(|| binary(most));
        format!("Pod ephemeral local storage usage exceeds the total limit of containers {most}. ")
    })
}

/// Where images have a disk of their own, what a container writes into its root is not counted.
fn of_containers(spec: &core::PodSpec, usage: &Usage, disks: Disks) -> Option<String> {
    spec.containers.iter().find_map(|one| {
        let (text, most) = limit(one).filter(|limit| limit.1 > 0)?;
        let of_it = usage.containers.get(&one.name)?;
        let root = match disks {
            Disks::One => of_it.root.bytes,
            Disks::ImagesApart | Disks::ImagesAlone => 0,
        };
        let used = i128::from(of_it.logs.bytes) + i128::from(root);
        (used > most).then(|| {
            let name = &one.name;
            format!("Container {name} exceeded its local ephemeral storage limit {text:?}. ")
        })
    })
}

/// A container's limit as it is written, and in bytes.
fn limit(container: &core::Container) -> Option<(&str, i128)> {
    amount(container.resources.as_ref()?.limits.as_ref()?)
}

fn amount(list: &BTreeMap<String, Text>) -> Option<(&str, i128)> {
    let text = list.get(STORAGE)?.0.as_str();
    Some((text, Quantity::parse(text).ok()?.units()))
}
