//! StartContainer: cgroup, then the monitor launches it.

use std::path::PathBuf;

use oci_spec::runtime::LinuxResources;

use super::bundle::{self, Launch};
use super::error::LifecycleError;
use super::events::EventKind;
use super::pod::Pod;
use super::{clock, exits, nri, paths, update_container};
use crate::failpoint;
use crate::metrics::Phase;
use crate::model::{ContainerId, ContainerState, ExitStatus};
use crate::monitor::LaunchError;
use crate::monitor::protocol::Launched;

/// Starts a created container. Starting one that runs already is fine: it is a retry.
pub(super) async fn start(pod: &mut Pod, id: &ContainerId) -> Result<(), LifecycleError> {
    match &pod.container(id)?.state {
        ContainerState::Created => {}
        ContainerState::Running { .. } => return Ok(()),
        state => {
            let state = match state {
                ContainerState::Exited { .. } => "has ended",
                _ => "is not created",
            };
            return Err(LifecycleError::WrongState(format!(
                "container {id} {state}"
            )));
        }
    }
    let underway = pod.parts.nri.underway().await;
    pod.set_container(id, ContainerState::Starting)?;
    failpoint::reach("start_container.starting");
    match launch(pod, id).await {
        Ok(launched) => {
            failpoint::reach("start_container.launched");
            let Launched { pid, started_at } = launched;
            // The container runs whether or not that can be recorded: after a restart the monitor
            // tells it again.
            let recorded = pod.set_container(id, ContainerState::Running { started_at, pid });
            failpoint::reach("start_container.running");
            pod.tell(id.as_str(), EventKind::Started);
            drop(underway);
            nri::container_started(pod, id).await;
            recorded
        }
        Err(error) => {
            fail(pod, id, &error).await;
            Err(error)
        }
    }
}

async fn launch(pod: &Pod, id: &ContainerId) -> Result<Launched, LifecycleError> {
    nri::start_container(pod, id).await?;
    let dir = pod.parts.layout.container_dir(id);
    let Launch {
        limits,
        mut request,
    } = bundle::read_launch(&dir)
        .map_err(|error| LifecycleError::failed("read what CreateContainer prepared", error))?;
    let limits = update_container::at_start(limits, pod, id)?;
    let metrics = &pod.parts.metrics;
    request.cgroup_dirs = metrics
        .phase(Phase::StartCgroup, make_cgroup(pod, id, limits))
        .await?;
    failpoint::reach("start_container.cgroup");
    metrics
        .phase(Phase::StartLaunch, pod.monitor().launch(request))
        .await
        .map_err(|error| match error {
            LaunchError::Failed(failure) => {
                LifecycleError::failed(format!("start container {id}"), failure)
            }
            LaunchError::Monitor(error) => {
                LifecycleError::failed(format!("have container {id} started"), error)
            }
        })
}

async fn make_cgroup(
    pod: &Pod,
    id: &ContainerId,
    limits: LinuxResources,
) -> Result<Vec<PathBuf>, LifecycleError> {
    let path = paths::cgroup(&pod.parts, &pod.sandbox, id.as_str())?;
    let cgroups = pod.parts.cgroups.clone();
    paths::blocking(format!("make cgroup {path}"), move || {
        cgroups.create(&path, &limits)
    })
    .await
}

/// A container that could not be started has ended; its cgroup goes at once.
async fn fail(pod: &mut Pod, id: &ContainerId, error: &LifecycleError) {
    let removed = exits::remove_cgroup(pod, id).await;
    let exit = ExitStatus::StartFailed {
        code: bundle::start_failure_code(error),
        message: super::error::chain(error),
    };
    let state = ContainerState::Exited {
        started_at: 0,
        finished_at: clock::now(),
        exit,
    };
    let recorded = pod.set_container(id, state);
    pod.tell(id.as_str(), EventKind::Stopped);
    nri::container_ended(pod, id);
    if let Err(error) = removed.and(recorded) {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(container = %id, error, "a failed start left something behind");
    }
}
