//! Ends of containers, as the monitor tells them, and what they leave to be cleaned up.

use std::future;

use super::error::LifecycleError;
use super::events::EventKind;
use super::pod::Pod;
use super::{clock, nri, paths, tear_down};
use crate::model::{ContainerId, ContainerState, ExitStatus};
use crate::monitor::Events as MonitorEvents;
use crate::monitor::protocol::{ExitRecord, MonitorEvent};

/// What an owner hears of its pod's monitor.
pub(super) enum Heard {
    /// A container has ended.
    Exited(ExitRecord),
    /// The sandbox cannot go on, and why.
    Broken(&'static str),
}

/// The next thing to be heard; never, when there is no monitor. May be cancelled.
pub(super) async fn next(events: &mut Option<MonitorEvents>) -> Heard {
    let Some(monitor) = events else {
        return future::pending().await;
    };
    match monitor.next().await {
        Some(MonitorEvent::ContainerExited(record)) => Heard::Exited(record),
        Some(MonitorEvent::PauseExited) => Heard::Broken("its pause process ended"),
        None => Heard::Broken("its monitor ended"),
    }
}

/// Takes the end of a container into its record, once.
pub(super) async fn record(pod: &mut Pod, exit: &ExitRecord) {
    let id = &exit.container_id;
    let Some(container) = pod.containers.get(id) else {
        return;
    };
    if matches!(container.state, ContainerState::Exited { .. }) {
        return;
    }
    let state = ContainerState::Exited {
        started_at: exit.started_at,
        finished_at: exit.finished_at,
        exit: exit.exit_status(),
    };
    // Shown even when it cannot be recorded: what is told is true, and after a restart the
    // monitor's own exit record tells it again. A cgroup that stays goes with the container.
    let recorded = set_ended(pod, id, state);
    if let Err(error) = recorded.and(remove_cgroup(pod, id).await) {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(container = %id, error, "a container's end left something to be done");
    }
}

/// Every container that has not ended gets the end that the monitor wrote down, or an explicit
/// "unknown". Only when nothing of the pod runs any more. An error says that an end is shown but not
/// recorded.
pub(super) fn settle(pod: &mut Pod, why_unknown: &str) -> Result<(), LifecycleError> {
    let run_dir = pod.parts.layout.sandbox_run_dir(&pod.sandbox.id);
    let unsettled = pod.containers.values().filter_map(|container| {
        let started_at = match container.state {
            ContainerState::Starting => 0,
            ContainerState::Running { started_at, .. } => started_at,
            _ => return None,
        };
        Some((container.id.clone(), started_at))
    });
    let mut outcome = Ok(());
    for (id, started_at) in unsettled.collect::<Vec<_>>() {
        let state = match crate::monitor::read_exit(&run_dir, &id) {
            Some(exit) => ContainerState::Exited {
                started_at: exit.started_at,
                finished_at: exit.finished_at,
                exit: exit.exit_status(),
            },
            None => ContainerState::Exited {
                started_at,
                finished_at: clock::now(),
                exit: ExitStatus::Unknown {
                    message: why_unknown.to_owned(),
                },
            },
        };
        outcome = outcome.and(set_ended(pod, &id, state));
    }
    outcome
}

fn set_ended(pod: &mut Pod, id: &ContainerId, state: ContainerState) -> Result<(), LifecycleError> {
    let recorded = pod.set_container(id, state);
    pod.tell(id.as_str(), EventKind::Stopped);
    nri::container_ended(pod, id);
    recorded
}

/// Removes a container's cgroup, killing what is left in it. Idempotent.
pub(super) async fn remove_cgroup(pod: &Pod, id: &ContainerId) -> Result<(), LifecycleError> {
    let path = paths::cgroup(&pod.parts, &pod.sandbox, id.as_str())?;
    let cgroups = pod.parts.cgroups.clone();
    paths::blocking(format!("remove cgroup {path}"), move || {
        cgroups.remove(&path, tear_down::PATIENCE)
    })
    .await
}
