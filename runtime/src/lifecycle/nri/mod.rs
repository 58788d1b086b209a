//! What plugins of the Node Resource Interface hear of pods and containers: the hooks of the use-cases,
//! and what plugins can ask for.
//!
//! Each hook does nothing while no plugin is connected. What a plugin may refuse returns an error; the
//! rest is only told.

mod domain;
mod facts;

use std::net::IpAddr;

use oci_spec::runtime::Spec;
use tokio::time::timeout;

use super::error::LifecycleError;
use super::parts::Parts;
use super::pod::{Pod, PodHandle};
use super::{remove, tear_down};
use crate::model::ContainerId;
use crate::model::config::{PodResources, Resources};
use crate::monitor::Events as MonitorEvents;
use crate::nri::{Adjustment, ContainerFacts, NriError, PodFacts};
use facts::Known;

/// What is told of something that is being removed, once it is gone.
pub(super) struct Farewell {
    pod: PodFacts,
    container: Option<ContainerFacts>,
}

/// The pod is about to be ready.
pub(super) async fn run_pod(
    pod: &Pod,
    ips: &[IpAddr],
    pause_pid: i32,
) -> Result<(), LifecycleError> {
    if !pod.parts.nri.is_active() {
        return Ok(());
    }
    let facts = PodFacts {
        pause_pid: Some(pause_pid),
        ips: ips.to_vec(),
        ..facts::of_pod(&pod.parts, &pod.sandbox)
    };
    let told = pod.parts.nri.run_pod(&facts).await;
    told.map_err(|error| LifecycleError::failed("NRI RunPodSandbox failed", error))
}

/// The pod that plugins heard of is not made after all.
pub(super) async fn pod_undone(pod: &Pod) {
    stop_pod(pod).await;
    say(&pod.parts, farewell_to_pod(pod)).await;
}

/// Ends every container, when plugins want to hear of that before the pod loses its network.
pub(super) async fn end_containers(pod: &mut Pod, events: &mut Option<MonitorEvents>) {
    if !pod.parts.nri.is_active() {
        return;
    }
    for id in pod.containers.keys().cloned().collect::<Vec<_>>() {
        // What does not end here is ended with the pod.
        let ended = timeout(tear_down::PATIENCE, remove::end(pod, &id, events)).await;
        if let Ok(Err(error)) = ended {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(container = %id, error, "it is ended with its pod");
        }
    }
}

/// The containers of the pod have ended, or are ended now whatever plugins say.
pub(super) async fn stop_pod(pod: &Pod) {
    if pod.parts.nri.is_active() {
        let facts = facts::of_pod(&pod.parts, &pod.sandbox);
        logged(pod.parts.nri.stop_pod(&facts).await);
    }
}

/// What will be told when the pod is gone.
pub(super) fn farewell_to_pod(pod: &Pod) -> Option<Farewell> {
    pod.parts.nri.is_active().then(|| Farewell {
        pod: facts::of_pod(&pod.parts, &pod.sandbox),
        container: None,
    })
}

/// What will be told when the container is gone.
pub(super) fn farewell_to_container(pod: &Pod, id: &ContainerId) -> Option<Farewell> {
    let Known { pod, container } = facts::of_owned(pod, id)?;
    Some(Farewell {
        pod,
        container: Some(container),
    })
}

/// It is gone.
pub(super) async fn say(parts: &Parts, farewell: Option<Farewell>) {
    match farewell {
        None => {}
        Some(Farewell {
            pod,
            container: None,
        }) => logged(parts.nri.remove_pod(&pod).await),
        Some(Farewell {
            pod,
            container: Some(container),
        }) => logged(parts.nri.remove_container(&pod, &container).await),
    }
}

/// What is to be made of a container that is being made.
pub(super) async fn create_container(
    pod: &Pod,
    id: &ContainerId,
    spec: &Spec,
) -> Result<Adjustment, LifecycleError> {
    let container = ContainerFacts {
        record: pod.container(id)?.clone(),
        spec: Some(spec.clone()),
    };
    let facts = facts::of_pod(&pod.parts, &pod.sandbox);
    let wanted = pod.parts.nri.create_container(&facts, &container).await;
    wanted.map_err(|error| {
        LifecycleError::failed("failed to get NRI adjustment for container", error)
    })
}

/// It was made.
pub(super) async fn container_created(pod: &Pod, id: &ContainerId) {
    if let Some(known) = facts::of_owned(pod, id) {
        logged(
            pod.parts
                .nri
                .container_created(&known.pod, &known.container)
                .await,
        );
    }
}

/// It was not made after all.
pub(super) async fn container_undone(pod: &Pod, id: &ContainerId) {
    say(&pod.parts, farewell_to_container(pod, id)).await;
}

/// A container is about to start.
pub(super) async fn start_container(pod: &Pod, id: &ContainerId) -> Result<(), LifecycleError> {
    let Some(known) = facts::of_owned(pod, id) else {
        return Ok(());
    };
    let told = pod
        .parts
        .nri
        .start_container(&known.pod, &known.container)
        .await;
    told.map_err(|error| LifecycleError::failed("NRI container start failed", error))
}

/// It runs.
pub(super) async fn container_started(pod: &Pod, id: &ContainerId) {
    if let Some(known) = facts::of_owned(pod, id) {
        logged(
            pod.parts
                .nri
                .container_started(&known.pod, &known.container)
                .await,
        );
    }
}

/// A container has ended. Nobody waits for plugins to hear of it.
pub(super) fn container_ended(pod: &Pod, id: &ContainerId) {
    if let Some(known) = facts::of_owned(pod, id) {
        pod.parts.nri.container_ended(&known.pod, &known.container);
    }
}

/// A container has ended, and its client waits until plugins know.
pub(super) async fn stop_container(parts: &Parts, pod: &PodHandle, id: &ContainerId) {
    if let Some(known) = facts::of_snapshot(parts, &pod.snapshot(), id) {
        logged(parts.nri.stop_container(&known.pod, &known.container).await);
    }
}

/// The limits that a container is to get, when its client asks for these.
pub(super) async fn update_container(
    parts: &Parts,
    pod: &PodHandle,
    id: &ContainerId,
    asked: Resources,
) -> Result<Resources, LifecycleError> {
    let Some(known) = facts::of_snapshot(parts, &pod.snapshot(), id) else {
        return Ok(asked);
    };
    let limits = parts
        .nri
        .update_container(&known.pod, &known.container, asked)
        .await;
    limits.map_err(|error| LifecycleError::failed("NRI container update failed", error))
}

/// It has them.
pub(super) async fn container_updated(parts: &Parts, pod: &PodHandle, id: &ContainerId) {
    if let Some(known) = facts::of_snapshot(parts, &pod.snapshot(), id) {
        logged(
            parts
                .nri
                .container_updated(&known.pod, &known.container)
                .await,
        );
    }
}

/// A pod's own cgroup was resized.
pub(super) async fn update_pod(
    parts: &Parts,
    pod: &PodHandle,
    asked: &PodResources,
) -> Result<(), LifecycleError> {
    if !parts.nri.is_active() {
        return Ok(());
    }
    let facts = facts::of_pod(parts, &pod.snapshot().sandbox);
    let told = parts.nri.update_pod(&facts, asked).await;
    told.map_err(|error| LifecycleError::failed("NRI sandbox update failed", error))
}

/// That is noted.
pub(super) async fn pod_updated(parts: &Parts, pod: &PodHandle) {
    if parts.nri.is_active() {
        let facts = facts::of_pod(parts, &pod.snapshot().sandbox);
        logged(parts.nri.pod_updated(&facts).await);
    }
}

fn logged(told: Result<(), NriError>) {
    if let Err(error) = told {
        error.log();
    }
}
