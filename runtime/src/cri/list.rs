//! What the list calls answer, whole or in batches. Pure: from snapshots of the pods, which are shared,
//! so that only what is answered is copied.
#![deny(clippy::disallowed_methods)]

use std::sync::Arc;

use podling_proto::runtime::v1 as cri;

use super::encode;
use super::filter::{wants_container, wants_sandbox};
use crate::lifecycle::PodSnapshot;
use crate::model::{ContainerRecord, SandboxRecord};

/// The sandboxes that a filter wants.
pub(super) fn sandboxes<'a>(
    pods: &'a [Arc<PodSnapshot>],
    filter: Option<&'a cri::PodSandboxFilter>,
) -> impl Iterator<Item = &'a SandboxRecord> {
    pods.iter()
        .map(|pod| &pod.sandbox)
        .filter(move |sandbox| wants_sandbox(filter, sandbox))
}

/// The containers that a filter wants.
pub(super) fn containers<'a>(
    pods: &'a [Arc<PodSnapshot>],
    filter: Option<&'a cri::ContainerFilter>,
) -> impl Iterator<Item = &'a ContainerRecord> {
    pods.iter()
        .flat_map(|pod| pod.containers.values())
        .filter(move |container| wants_container(filter, container))
}

/// ListPodSandbox.
pub(super) fn pod_sandboxes(
    pods: &[Arc<PodSnapshot>],
    filter: Option<&cri::PodSandboxFilter>,
) -> Vec<cri::PodSandbox> {
    sandboxes(pods, filter).map(encode::sandbox).collect()
}

/// ListContainers.
pub(super) fn pod_containers(
    pods: &[Arc<PodSnapshot>],
    filter: Option<&cri::ContainerFilter>,
) -> Vec<cri::Container> {
    containers(pods, filter).map(encode::container).collect()
}

#[cfg(test)]
mod tests;
