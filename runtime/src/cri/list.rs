//! What the list calls answer, whole or in batches. Pure: from snapshots of the pods, which are shared,
//! so that only what is answered is copied.
#![deny(clippy::disallowed_methods)]

use std::sync::Arc;

use podling_proto::Message;
use podling_proto::runtime::v1 as cri;
use tonic::{Response, Status};

use super::encode;
use super::filter::{wants_container, wants_sandbox};
use super::server::MESSAGE_LIMIT;
use crate::lifecycle::PodSnapshot;
use crate::model::{ContainerRecord, SandboxRecord};

/// The sandboxes that a filter wants. One that is being made is not there yet: its client has no id of
/// it, and plugins may refuse it.
pub(super) fn sandboxes<'a>(
    pods: &'a [Arc<PodSnapshot>],
    filter: Option<&'a cri::PodSandboxFilter>,
) -> impl Iterator<Item = &'a SandboxRecord> {
    pods.iter()
        .map(|pod| &pod.sandbox)
        .filter(move |sandbox| !sandbox.is_unfinished() && wants_sandbox(filter, sandbox))
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

/// A list that can be had in one message or streamed.
pub(super) trait Listed: Message {
    /// The call that streams it.
    const STREAMED: &'static str;
}

macro_rules! listed {
    ($($list:ident, $streamed:literal;)*) => {
        $(impl Listed for cri::$list {
            const STREAMED: &'static str = $streamed;
        })*
    };
}

listed! {
    ListPodSandboxResponse, "StreamPodSandboxes";
    ListContainersResponse, "StreamContainers";
    ListContainerStatsResponse, "StreamContainerStats";
    ListPodSandboxStatsResponse, "StreamPodSandboxStats";
    ListPodSandboxMetricsResponse, "StreamPodSandboxMetrics";
    ListImagesResponse, "StreamImages";
}

/// A list as one message, if clients take one so large; the call that streams it takes any.
pub(super) fn answer<T: Listed>(list: T) -> Result<Response<T>, Status> {
    let bytes = list.encoded_len();
    if bytes <= MESSAGE_LIMIT {
        return Ok(Response::new(list));
    }
    Err(Status::resource_exhausted(format!(
        "the list takes {bytes} bytes, and a message holds {MESSAGE_LIMIT}: ask with a filter, or \
         use {}",
        T::STREAMED
    )))
}

#[cfg(test)]
mod tests;
