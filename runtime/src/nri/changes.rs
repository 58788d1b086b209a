//! Carries out what plugins want of containers that are there.
//!
//! One after the other, and by a task of its own: whoever makes a container does not wait for others
//! to get new limits, for they may wait in turn.

use std::sync::Arc;

use podling_proto::nri as wire;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::apply;
use super::domain::{BoxError, Domain};
use super::merge::Changes;

/// Changes to carry out, and who wants to know how that went.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) changes: Changes,
    /// Gets the updates that failed.
    pub(super) failed: Option<oneshot::Sender<Vec<wire::ContainerUpdate>>>,
}

/// Carries work out until the runtime stops.
pub(super) async fn run(
    domain: Arc<dyn Domain>,
    mut work: mpsc::UnboundedReceiver<Work>,
    shutdown: CancellationToken,
) {
    loop {
        let next = tokio::select! {
            // Cancelling loses nothing: what is left was never promised.
            () = shutdown.cancelled() => return,
            next = work.recv() => next,
        };
        let Some(Work { changes, failed }) = next else {
            return;
        };
        let left = carry_out(&*domain, changes).await;
        if let Some(failed) = failed {
            // Whoever asked may be gone.
            let _ = failed.send(left);
        }
    }
}

async fn carry_out(domain: &dyn Domain, changes: Changes) -> Vec<wire::ContainerUpdate> {
    for wire::ContainerEviction {
        container_id,
        reason,
    } in changes.evictions
    {
        tracing::info!(container = container_id, reason, "an NRI plugin evicts");
        if let Err(error) = domain.evict(container_id.clone()).await {
            tracing::warn!(
                container = container_id,
                error = &*error as &dyn std::error::Error,
                "the eviction of an NRI plugin failed"
            );
        }
    }
    let mut failed = Vec::new();
    for wanted in changes.updates {
        if let Err(error) = update(domain, &wanted).await {
            tracing::warn!(
                container = wanted.container_id,
                error = &*error as &dyn std::error::Error,
                "the update of an NRI plugin failed"
            );
            if !wanted.ignore_failure {
                failed.push(wanted);
            }
        }
    }
    failed
}

async fn update(domain: &dyn Domain, wanted: &wire::ContainerUpdate) -> Result<(), BoxError> {
    let linux = wanted.linux.as_ref();
    let Some(resources) = linux.and_then(|linux| linux.resources.as_ref()) else {
        return Ok(());
    };
    let limits = apply::limits(resources)?;
    domain.update(wanted.container_id.clone(), limits).await
}
