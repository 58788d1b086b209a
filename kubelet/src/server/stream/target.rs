//! Which container or sandbox of the runtime a path means.

use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;

use super::Named;
use crate::cri::{Container, ContainerPhase, Sandbox, Scope};
use crate::model::{ContainerId, PodUid, SandboxId, SandboxState};
use crate::server::Shown;
use crate::server::refusal::Refusal;

/// The pod of that name.
pub(super) fn pod(shown: &Shown, named: &Named) -> Result<(PodUid, Arc<core::Pod>), Refusal> {
    let found = shown.exhibits.pods.named(&named.namespace, &named.pod);
    found.ok_or_else(|| Refusal::not_found("pod does not exist"))
}

/// The container that runs under that name now.
pub(super) async fn container(
    shown: &Shown,
    (uid, _): &(PodUid, Arc<core::Pod>),
    named: &Named,
) -> Result<ContainerId, Refusal> {
    let name = named.container.as_deref().unwrap_or_default();
    let not_found = || Refusal::internal(format!("container not found ({name:?})"));
    if !is_meant(uid, named) {
        return Err(not_found());
    }
    let all = shown
        .exhibits
        .runtime
        .list_containers(Scope::Pod(uid.clone()))
        .await?;
    let of_name = all.into_iter().filter(|one| one.metadata.name == name);
    let newest = of_name
        .max_by_key(|one: &Container| (one.phase == ContainerPhase::Running, one.created_at));
    newest.map(|one| one.id).ok_or_else(not_found)
}

/// The sandbox that is ready.
pub(super) async fn sandbox(
    shown: &Shown,
    (uid, _): &(PodUid, Arc<core::Pod>),
    named: &Named,
) -> Result<SandboxId, Refusal> {
    if !is_meant(uid, named) {
        return Err(Refusal::not_found("pod not found"));
    }
    let all = shown
        .exhibits
        .runtime
        .list_sandboxes(Scope::Pod(uid.clone()))
        .await?;
    let ready = all
        .into_iter()
        .filter(|one| one.state == SandboxState::Ready);
    let newest = ready.max_by_key(|one: &Sandbox| one.created_at);
    newest
        .map(|one| one.id)
        .ok_or_else(|| Refusal::internal(format!("failed to find sandboxID for pod {}", named.pod)))
}

/// A path may name the UID too, and then means only that pod.
fn is_meant(uid: &PodUid, named: &Named) -> bool {
    named
        .uid
        .as_ref()
        .is_none_or(|wanted| wanted == uid.as_str())
}
