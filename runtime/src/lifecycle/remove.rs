//! RemoveContainer and RemovePodSandbox: by force, and idempotent.

use std::sync::Arc;

use super::error::LifecycleError;
use super::events::EventKind;
use super::parts::Parts;
use super::pod::{Pod, Signal};
use super::{exits, nri, oci_state, signal, stop_sandbox};
use crate::failpoint;
use crate::model::ContainerId;
use crate::monitor::{Events as MonitorEvents, MonitorError};
use crate::store::{Record, Records};

/// Removes a container with all that it has written; ends it before if it runs.
pub(super) async fn container(
    pod: &mut Pod,
    id: &ContainerId,
    events: &mut Option<MonitorEvents>,
) -> Result<(), LifecycleError> {
    pod.container(id)?;
    end(pod, id, events).await?;
    oci_state::delete(&pod.parts, &pod.sandbox, std::slice::from_ref(id)).await?;
    exits::remove_cgroup(pod, id).await?;
    forget_at_monitor(pod, id, events.is_some()).await?;
    let farewell = nri::farewell_to_container(pod, id);
    let discarded = pod.parts.store.containers.discard(id);
    discarded.map_err(|error| LifecycleError::failed(format!("remove container {id}"), error))?;
    failpoint::reach("remove_container.directory_gone");
    sweep(&pod.parts, pod.parts.store.containers.clone());
    pod.containers.remove(id);
    pod.publish();
    collect_images(&pod.parts);
    pod.tell(id.as_str(), EventKind::Deleted);
    nri::say(&pod.parts, farewell).await;
    Ok(())
}

/// Deletes, in the background, layers of removed images that this container was the last to use.
fn collect_images(parts: &Arc<Parts>) {
    let parts = Arc::clone(parts);
    parts.tasks.clone().spawn(async move {
        let users = Arc::clone(&parts);
        let collected = parts.images.collect(move || users.pods.images_in_use());
        if let Err(error) = collected.await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "cannot delete layers that nobody uses");
        }
    });
}

/// Deletes what was discarded, in the background. What fails is tried again with the next removal,
/// and at the next start.
fn sweep<R: Record + Send + 'static>(parts: &Parts, records: Records<R>) {
    parts.tasks.spawn_blocking(move || {
        if let Err(error) = records.sweep() {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "cannot delete what was removed");
        }
    });
}

/// Kills the container if it runs and takes its end in.
pub(super) async fn end(
    pod: &mut Pod,
    id: &ContainerId,
    events: &mut Option<MonitorEvents>,
) -> Result<(), LifecycleError> {
    signal::send(pod, id, Signal::Kill).await?;
    while pod
        .containers
        .get(id)
        .is_some_and(|container| container.running_pid().is_some())
    {
        match exits::next(events).await {
            exits::Heard::Exited(record) => exits::record(pod, &record).await,
            exits::Heard::Broken(why) => stop_sandbox::broken(pod, events, why).await,
        }
    }
    Ok(())
}

async fn forget_at_monitor(
    pod: &Pod,
    id: &ContainerId,
    monitor_lives: bool,
) -> Result<(), LifecycleError> {
    if !monitor_lives {
        return Ok(());
    }
    match pod.monitor().forget(id).await {
        Ok(()) | Err(MonitorError::NoContainer(_)) => Ok(()),
        Err(error) => Err(LifecycleError::failed(
            format!("forget container {id}"),
            error,
        )),
    }
}

/// Removes the sandbox with all its containers; stops it before if need be.
pub(super) async fn sandbox(
    pod: &mut Pod,
    events: &mut Option<MonitorEvents>,
) -> Result<(), LifecycleError> {
    stop_sandbox::stop(pod, events).await?;
    for id in pod.containers.keys().cloned().collect::<Vec<_>>() {
        container(pod, &id, events).await?;
    }
    let farewell = nri::farewell_to_pod(pod);
    let id = pod.sandbox.id.clone();
    let discarded = pod.parts.store.sandboxes.discard(&id);
    discarded.map_err(|error| LifecycleError::failed(format!("remove sandbox {id}"), error))?;
    failpoint::reach("remove_sandbox.directory_gone");
    sweep(&pod.parts, pod.parts.store.sandboxes.clone());
    pod.parts.pods.forget(&pod.sandbox.config.metadata, &id);
    pod.tell(id.as_str(), EventKind::Deleted);
    nri::say(&pod.parts, farewell).await;
    Ok(())
}
