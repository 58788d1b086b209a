//! What changes a pod while it runs: a restart of its containers, a container that is added.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use http::Uri;
use k8s_openapi::api::core::v1 as core;
use serde_json::json as object;

use super::query::Query;
use super::refusal::Refusal;
use super::table::container_status;
use super::{Shown, json};
use crate::addition::AddError;
use crate::model::PodUid;
use crate::sync::Input;

/// `POST /pods/{namespace}/{pod}/restart?container=…`: containers begin anew, all of them if none is
/// named. Says which, with the ids that they had.
pub(super) async fn restart(
    State(shown): State<Shown>,
    Path((namespace, name)): Path<(String, String)>,
    uri: Uri,
) -> Result<impl IntoResponse, Refusal> {
    let (uid, pod) = find(&shown, &namespace, &name)?;
    let named = Query::of(&uri).all("container");
    let names = match named.is_empty() {
        true => restartable(&pod),
        false => named,
    };
    let mut containers = BTreeSet::new();
    let mut told = Vec::new();
    for name in names {
        let (id, count) = standing(&pod, &name)?;
        told.push(object!({ "name": name, "containerID": id, "restartCount": count }));
        containers.insert(bare(&id).into());
    }
    tell(&shown, Input::Restart { uid, containers }).await?;
    Ok(json(&object!({ "containers": told })))
}

/// `POST /pods/{namespace}/{pod}/ephemeralcontainers`: adds a v1 EphemeralContainer. Says how the pod
/// is then.
pub(super) async fn add(
    State(shown): State<Shown>,
    Path((namespace, name)): Path<(String, String)>,
    body: Bytes,
) -> Result<impl IntoResponse, Refusal> {
    let container: core::EphemeralContainer = serde_json::from_slice(&body)
        .map_err(|error| Refusal::bad_request(format!("no EphemeralContainer: {error}")))?;
    let (uid, pod) = find(&shown, &namespace, &name)?;
    if !is_running(&pod) {
        return Err(Refusal::bad_request(format!("pod {name:?} does not run")));
    }
    let (additions, owner) = (Arc::clone(&shown.exhibits.additions), uid.clone());
    let added = tokio::task::spawn_blocking(move || additions.add(&owner, &pod, container));
    let added = added
        .await
        .map_err(|error| Refusal::internal(error.to_string()))?;
    let pod = added.map_err(|error| match error {
        AddError::Invalid { .. } => {
            Refusal::new(http::StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
        }
        AddError::NotStarted(_) => Refusal::bad_request(error.to_string()),
        AddError::Keep { source, .. } => Refusal::internal(format!("cannot be kept: {source}")),
    })?;
    tell(&shown, Input::Added(uid)).await?;
    Ok(json(&pod))
}

fn find(shown: &Shown, namespace: &str, name: &str) -> Result<(PodUid, Arc<core::Pod>), Refusal> {
    let found = shown.exhibits.pods.named(namespace, name);
    found.ok_or_else(|| Refusal::not_found(format!("pod {name:?} does not exist")))
}

async fn tell(shown: &Shown, input: Input) -> Result<(), Refusal> {
    let told = shown.exhibits.inbox.send(input).await;
    told.map_err(|_| Refusal::internal("the kubelet ends"))
}

fn is_running(pod: &core::Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed"))
}

/// The containers that can begin anew: the pod's own and its sidecars.
fn restartable(pod: &core::Pod) -> Vec<String> {
    let Some(spec) = &pod.spec else {
        return Vec::new();
    };
    let init = spec.init_containers.iter().flatten();
    let sidecars = init.filter(|one| one.restart_policy.as_deref() == Some("Always"));
    let all = sidecars.chain(&spec.containers);
    all.map(|container| container.name.clone()).collect()
}

/// The id and restart count of a container that has been started once.
fn standing(pod: &core::Pod, container: &str) -> Result<(String, i32), Refusal> {
    if !restartable(pod).iter().any(|name| name == container) {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        return Err(Refusal::not_found(format!(
            "container {container:?} not found in pod {name:?}, or it runs only once"
        )));
    }
    if !is_running(pod) {
        return Err(Refusal::bad_request(
            "the pod has ended: its manifest has to be written anew",
        ));
    }
    let status = container_status(pod, container);
    let id = status.and_then(|status| Some((status.container_id.clone()?, status.restart_count)));
    id.ok_or_else(|| {
        Refusal::bad_request(format!("container {container:?} has not been started yet"))
    })
}

/// An id without the name of its runtime.
fn bare(id: &str) -> &str {
    id.split_once("://").map_or(id, |(_, id)| id)
}
