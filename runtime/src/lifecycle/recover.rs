//! What is done at start, before the first request: every record gets an owner again, and what has
//! no record is removed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::error::LifecycleError;
use super::parts::Parts;
use super::paths;
use super::pod::{self, PodHandle, PodSnapshot};
use crate::model::{ContainerId, ContainerRecord, ContainerState, SandboxId, SandboxRecord};
use crate::monitor::{self, MonitorClient};
use crate::store::{Found, Record, Records};

/// Gives every recorded pod an owner and waits until each has taken over.
pub(super) async fn recover(parts: &Arc<Parts>) -> Result<(), LifecycleError> {
    let mut sandboxes = whole_records(&parts.store.sandboxes)?;
    let containers = whole_records(&parts.store.containers)?;
    let known: HashSet<SandboxId> = sandboxes.iter().map(|sandbox| sandbox.id.clone()).collect();
    end_unknown_monitors(parts, &known).await?;
    let mut of_sandbox = sort_containers(parts, containers, &known)?;
    let mut handles = Vec::new();
    // Whole sandboxes claim their names first.
    sandboxes.sort_by_key(SandboxRecord::is_unfinished);
    for sandbox in sandboxes {
        let containers = of_sandbox.remove(&sandbox.id).unwrap_or_default();
        handles.extend(own(parts, sandbox, containers));
    }
    for handle in &handles {
        // A pod that was never finished is undone, which its client learns by asking.
        let _ = handle.brought_up().await;
    }
    free_addresses(parts).await?;
    check_networks(parts);
    sweep(parts).await
}

/// Has plugins look at the pods' networks, in the background: nobody waits for what they say.
fn check_networks(parts: &Parts) {
    let network = Arc::clone(&parts.network);
    parts.tasks.spawn_blocking(move || {
        if let Err(error) = network.check_all() {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(
                error,
                "cannot look whether pods are still on their networks"
            );
        }
    });
}

/// Deletes what was discarded, by this run or by one that died before it came to it.
async fn sweep(parts: &Arc<Parts>) -> Result<(), LifecycleError> {
    let store = parts.store.clone();
    paths::blocking("delete what was removed".to_owned(), move || {
        store.containers.sweep()?;
        store.sandboxes.sweep()
    })
    .await?;
    let users = Arc::clone(parts);
    let collected = parts.images.collect(move || users.pods.images_in_use());
    let collected = collected.await;
    collected.map_err(|error| LifecycleError::failed("delete layers that nobody uses", error))
}

/// Takes the network from sandboxes that have no record. Those that could not be undone yet have one.
async fn free_addresses(parts: &Parts) -> Result<(), LifecycleError> {
    let sandboxes = whole_records(&parts.store.sandboxes)?;
    let live = sandboxes.into_iter().map(|sandbox| sandbox.id).collect();
    let network = Arc::clone(&parts.network);
    let attempted = "take the network from pods that are gone".to_owned();
    let freed = paths::blocking(attempted, move || network.retain(&live)).await?;
    for sandbox in freed {
        tracing::warn!(%sandbox, "it was gone and still on the network");
    }
    Ok(())
}

fn own(
    parts: &Arc<Parts>,
    sandbox: SandboxRecord,
    containers: BTreeMap<ContainerId, ContainerRecord>,
) -> Option<PodHandle> {
    let metadata = sandbox.config.metadata.clone();
    let (handle, unowned) = pod::prepare(PodSnapshot {
        sandbox,
        containers,
    });
    match parts.pods.claim(&metadata, handle.clone()) {
        super::pods::Claim::Entered => {
            parts
                .tasks
                .spawn(pod::run(Arc::clone(parts), unowned, pod::Origin::Found));
            Some(handle)
        }
        super::pods::Claim::Taken(_) if unowned.is_unfinished() => {
            // A try that failed and could not be undone: a later one has the name.
            parts
                .tasks
                .spawn(pod::run(Arc::clone(parts), unowned, pod::Origin::Found));
            None
        }
        super::pods::Claim::Taken(other) => {
            let (this, other) = (handle.id(), other.id());
            tracing::error!(%this, %other, "two records of one pod and attempt: one is left alone");
            None
        }
    }
}

/// The records of one kind. Remains of ones that never became whole are removed.
fn whole_records<R: Record>(records: &Records<R>) -> Result<Vec<R>, LifecycleError> {
    let found = records
        .load()
        .map_err(|error| LifecycleError::failed("load the records", error))?;
    let mut whole = Vec::new();
    for one in found {
        match one {
            Found::Record(record) => whole.push(record),
            Found::Remains(id) => remove(records, &id)?,
        }
    }
    Ok(whole)
}

/// Containers by sandbox. Ones that were never made whole, or whose sandbox is gone, are removed:
/// nothing of them can run.
fn sort_containers(
    parts: &Parts,
    containers: Vec<ContainerRecord>,
    known: &HashSet<SandboxId>,
) -> Result<HashMap<SandboxId, BTreeMap<ContainerId, ContainerRecord>>, LifecycleError> {
    let mut sorted: HashMap<_, BTreeMap<_, _>> = HashMap::new();
    for container in containers {
        let is_whole = container.state != ContainerState::Reserved;
        if is_whole && known.contains(&container.sandbox_id) {
            let of_sandbox = sorted.entry(container.sandbox_id.clone()).or_default();
            of_sandbox.insert(container.id.clone(), container);
        } else {
            remove(&parts.store.containers, &container.id)?;
        }
    }
    Ok(sorted)
}

fn remove<R: Record>(records: &Records<R>, id: &R::Id) -> Result<(), LifecycleError> {
    records
        .discard(id)
        .map_err(|error| LifecycleError::failed("remove what was half made", error))
}

/// Ends monitors whose record is gone, and removes run directories that nobody needs.
async fn end_unknown_monitors(
    parts: &Parts,
    known: &HashSet<SandboxId>,
) -> Result<(), LifecycleError> {
    let failed = |error| LifecycleError::failed("look through the run directories", error);
    for entry in fs::read_dir(parts.layout.sandbox_run_dirs()).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let is_known = SandboxId::try_from(name).is_ok_and(|id| known.contains(&id));
        if !is_known {
            end_unknown_monitor(&entry.path()).await?;
        }
    }
    Ok(())
}

async fn end_unknown_monitor(run_dir: &Path) -> Result<(), LifecycleError> {
    let failed = |error| LifecycleError::failed(format!("clear {}", run_dir.display()), error);
    if monitor::is_alive(run_dir).map_err(failed)? {
        tracing::warn!(run_dir = %run_dir.display(), "ending a monitor without a record");
        let ended = MonitorClient::open(run_dir).shutdown().await;
        ended.map_err(|error| LifecycleError::failed("end a monitor without a record", error))?;
    }
    fs::remove_dir_all(run_dir).map_err(failed)
}
