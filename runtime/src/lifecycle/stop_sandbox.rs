//! StopPodSandbox, and the end of a sandbox that broke.

use std::fs;
use std::io;

use super::error::LifecycleError;
use super::events::EventKind;
use super::pod::Pod;
use super::{adopt, exits, nri, tear_down};
use crate::failpoint;
use crate::model::{ContainerId, SandboxState};
use crate::monitor;
use crate::monitor::Events as MonitorEvents;

/// Ends everything that runs in the pod. Idempotent; an error of a network plugin alone leaves a
/// stopped sandbox, from which the network is taken when this is asked again.
pub(super) async fn stop(
    pod: &mut Pod,
    events: &mut Option<MonitorEvents>,
) -> Result<(), LifecycleError> {
    if matches!(pod.sandbox.state, SandboxState::Stopped) {
        return leave_network(pod).await;
    }
    nri::end_containers(pod, events).await;
    if matches!(pod.sandbox.state, SandboxState::Stopped) {
        return leave_network(pod).await;
    }
    let left = bring_down(pod, "the pod was stopped and its monitor left no record").await?;
    *events = None;
    left
}

/// Takes the network from a sandbox that has been stopped, if that is still to be done.
pub(super) async fn leave_network(pod: &Pod) -> Result<(), LifecycleError> {
    tear_down::leave_network(&pod.parts, &pod.sandbox, &[]).await
}

/// Looks what to do when the monitor is not heard any more, or says that pause ended.
///
/// A monitor that only lost patience with a slow reader is listened to again. Otherwise the sandbox
/// cannot be mended: what still runs in it is ended, and the client sees it as not ready.
pub(super) async fn broken(pod: &mut Pod, events: &mut Option<MonitorEvents>, why: &'static str) {
    let run_dir = pod.parts.layout.sandbox_run_dir(&pod.sandbox.id);
    let lives = monitor::is_alive(&run_dir).unwrap_or(false);
    *events = if lives {
        adopt::listen_again(pod).await
    } else {
        pod.parts.metrics.lost_monitor();
        None
    };
    if events.is_none() {
        give_up(pod, why).await;
    }
}

/// Ends a sandbox that cannot be mended.
pub(super) async fn give_up(pod: &mut Pod, why: &'static str) {
    tracing::warn!(sandbox = %pod.sandbox.id, why, "the sandbox broke and is being stopped");
    if let Err(error) = bring_down(pod, why).await.flatten() {
        let error = &error as &dyn std::error::Error;
        // It is not ready in any case; StopPodSandbox tries again.
        tracing::error!(sandbox = %pod.sandbox.id, error, "the sandbox was not wholly stopped");
    }
}

/// The inner result is the network's: whatever plugins say, nothing of the pod runs any more.
async fn bring_down(
    pod: &mut Pod,
    why_unknown: &str,
) -> Result<Result<(), LifecycleError>, LifecycleError> {
    let containers: Vec<ContainerId> = pod.containers.keys().cloned().collect();
    nri::stop_pod(pod).await;
    let left = tear_down::leave_network(&pod.parts, &pod.sandbox, &containers).await;
    tear_down::end(&pod.parts, &pod.sandbox, &containers).await?;
    let settled = exits::settle(pod, why_unknown);
    // A state that cannot be recorded does not keep a pod from being stopped: at the next start the
    // monitor is found dead, which says the same.
    if let Err(error) = pod.set_sandbox(SandboxState::Stopped) {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(sandbox = %pod.sandbox.id, error, "the stop was not recorded");
    }
    // Exit codes that could not be recorded stay in the run directory for the next start.
    if settled.is_ok() {
        remove_run_dir(pod)?;
    }
    failpoint::reach("stop_sandbox.stopped");
    let id = pod.sandbox.id.clone();
    pod.tell(id.as_str(), EventKind::Stopped);
    Ok(left)
}

/// Removes what the monitor kept. The exit records in it are in the containers' own records now.
pub(super) fn remove_run_dir(pod: &Pod) -> Result<(), LifecycleError> {
    let run_dir = pod.parts.layout.sandbox_run_dir(&pod.sandbox.id);
    match fs::remove_dir_all(&run_dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(LifecycleError::failed(
            "remove the sandbox's run directory",
            error,
        )),
        _ => Ok(()),
    }
}
