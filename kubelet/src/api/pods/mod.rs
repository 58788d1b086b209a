//! Pods of the API server: those that shall run here, and what is told of each.
//!
//! ```text
//! reflect ─► source ─┬─► read (pure) ─► Saying ─► Gatherer ─► sync ─► PodTable ──┐
//!                    └─► RemotePods ─────────────────────────────────────────────┤
//! Gatherer ─► StaticPods ────────────────────────────────────────────────────────┤
//!                    keeper ◄────────────────────────────────────────────────────┘
//!                      └─► plan (pure) ─► patch a status, make or remove a mirror pod, remove a pod
//! ```

mod diff;
mod finish;
mod keeper;
mod mirror;
mod plan;
mod read;
mod remote;
mod source;
#[cfg(test)]
mod tests;

pub(crate) use keeper::{StatusKeeper, StatusKeeperParts};
pub(crate) use remote::RemotePods;
pub(crate) use source::ApiSource;

use k8s_openapi::api::core::v1 as core;

use crate::model::PodName;

/// Which static pod a mirror pod shows: the hash of what its manifest says.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// The hash of what a static pod's manifest says.
const HASH: &str = "kubernetes.io/config.hash";

fn annotation<'a>(pod: &'a core::Pod, name: &str) -> Option<&'a str> {
    let annotations = pod.metadata.annotations.as_ref()?;
    annotations.get(name).map(String::as_str)
}

/// Whether it only shows a static pod.
fn is_mirror(pod: &core::Pod) -> bool {
    annotation(pod, MIRROR).is_some()
}

fn uid(pod: &core::Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap_or_default()
}

fn name_of(pod: &core::Pod) -> PodName {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    PodName::new(&text(&pod.metadata.namespace), &text(&pod.metadata.name))
}

/// The path of a pod.
fn path(name: &PodName) -> String {
    format!("/api/v1/namespaces/{}/pods/{}", name.namespace, name.name)
}

/// Whether a phase is one that nothing follows.
fn is_terminal(phase: Option<&str>) -> bool {
    matches!(phase, Some("Succeeded" | "Failed"))
}
