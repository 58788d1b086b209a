//! The pod lifecycle event generator: tells the sync loop which pods changed in the runtime.
//!
//! ```text
//! GetContainerEvents ──► generator ──► RuntimeChanged(uid)
//! relist ──► snapshot ──►    │    ──► Relisted(all pods)
//!                            └ slow while events flow, each second without them
//! ```
//!
//! A change only says where to look. What the pod looks like is asked for by its worker, through
//! [`RuntimeObserver`], so a late event can never bring an old picture back.

mod generator;
mod last_words;
mod leftovers;
mod logged;
mod observer;
mod snapshot;
#[cfg(test)]
mod tests;

pub use generator::{Generator, Intervals, Parts};
pub use observer::RuntimeObserver;

use crate::cri::{Runtime, RuntimeError, Scope};
use crate::metrics::Metrics;
use snapshot::Snapshot;

/// Counts what the runtime has now, for whoever reads the metrics: while events flow, a relist may be long ago.
///
/// # Errors
///
/// What the runtime says instead of its lists; the numbers stay as they were then.
pub async fn count(runtime: &dyn Runtime, metrics: &Metrics) -> Result<(), RuntimeError> {
    let sandboxes = runtime.list_sandboxes(Scope::All).await?;
    let containers = runtime.list_containers(Scope::All).await?;
    let snapshot = Snapshot::of(&sandboxes, &containers);
    metrics.running(snapshot.running_pods(), &snapshot.phases());
    Ok(())
}
