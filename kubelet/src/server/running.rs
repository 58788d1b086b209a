//! `/runningpods/`: what the runtime runs, whoever has asked for it, as a v1 PodList.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::IntoResponse;
use serde_json::{Value, json as object};

use super::refusal::Refusal;
use super::{Shown, json};
use crate::cri::{ContainerPhase, Scope};
use crate::model::{SandboxId, SandboxState};

pub(super) async fn list(State(shown): State<Shown>) -> Result<impl IntoResponse, Refusal> {
    let runtime = &shown.exhibits.runtime;
    let (sandboxes, containers) = tokio::try_join!(
        runtime.list_sandboxes(Scope::All),
        runtime.list_containers(Scope::All)
    )?;
    let mut of_sandbox: BTreeMap<SandboxId, Vec<Value>> = BTreeMap::new();
    for container in containers {
        if container.phase != ContainerPhase::Running {
            continue;
        }
        // One that has ended meanwhile does not run any more.
        let Ok(status) = runtime.container_status(container.id).await else {
            continue;
        };
        let shown = object!({
            "name": container.metadata.name,
            "image": status.image,
            "resources": {},
        });
        of_sandbox.entry(container.sandbox).or_default().push(shown);
    }
    let ready = sandboxes
        .into_iter()
        .filter(|one| one.state == SandboxState::Ready);
    let items: Vec<_> = ready
        .map(|sandbox| {
            let containers = of_sandbox.remove(&sandbox.id).unwrap_or_default();
            object!({
                "metadata": {
                    "name": sandbox.metadata.name,
                    "namespace": sandbox.metadata.namespace,
                    "uid": sandbox.metadata.uid,
                },
                "spec": { "containers": containers },
                "status": {},
            })
        })
        .collect();
    Ok(json(
        &object!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items }),
    ))
}
