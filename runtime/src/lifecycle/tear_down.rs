//! The one way down. Ends whatever exists of a sandbox, whichever step it had come to, and may be
//! called any number of times: failure, StopPodSandbox, RemovePodSandbox and a restart all use it.
//!
//! Everything is found by the sandbox's id, not by what a record says was finished. What is on disk
//! (records, exit records, writable layers) is left to whoever removes the sandbox.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::error::LifecycleError;
use super::parts::Parts;
use super::{oci_state, paths, scope};
use crate::cgroup::CgroupPath;
use crate::failpoint;
use crate::model::{ContainerId, SandboxRecord};
use crate::monitor::{self, MonitorClient};

/// How long a monitor may take to end everything before it is ended itself.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Takes the network, every process and the cgroups from the sandbox and from `containers`.
pub(super) async fn tear_down(
    parts: &Parts,
    sandbox: &SandboxRecord,
    containers: &[ContainerId],
) -> Result<(), LifecycleError> {
    let left = leave_network(parts, sandbox, containers).await;
    end(parts, sandbox, containers).await?;
    left
}

/// Has network plugins let go of the pod. They want its network namespace, so they come before pause
/// ends, and its containers are killed before they come. An error leaves everything else to be ended
/// all the same; this is repeated then until it succeeds.
pub(super) async fn leave_network(
    parts: &Parts,
    sandbox: &SandboxRecord,
    containers: &[ContainerId],
) -> Result<(), LifecycleError> {
    let attempted = || format!("take sandbox {} from its network", sandbox.id);
    let needed = parts.network.needs_detaching(&sandbox.id);
    if !needed.map_err(|error| LifecycleError::failed(attempted(), error))? {
        return Ok(());
    }
    let monitor = MonitorClient::open(&parts.layout.sandbox_run_dir(&sandbox.id));
    for container in containers {
        // Whatever does not run needs no end, and without a monitor nothing runs.
        let _ = monitor.kill(container).await;
    }
    let (network, id) = (Arc::clone(&parts.network), sandbox.id.clone());
    paths::blocking(attempted(), move || network.detach(&id)).await
}

/// Ends every process of the sandbox and of `containers`, its cgroups, and its hold on addresses of
/// the built-in bridge. The veth, namespaces and mounts end with the processes.
pub(super) async fn end(
    parts: &Parts,
    sandbox: &SandboxRecord,
    containers: &[ContainerId],
) -> Result<(), LifecycleError> {
    end_monitor(parts, sandbox).await?;
    failpoint::reach("stop_sandbox.monitor_gone");
    oci_state::delete(parts, sandbox, containers).await?;
    remove_cgroups(parts, sandbox, containers).await?;
    scope::end(parts, sandbox).await?;
    failpoint::reach("stop_sandbox.cgroups_gone");
    let (network, id) = (Arc::clone(&parts.network), sandbox.id.clone());
    paths::blocking("give the pod's address back".to_owned(), move || {
        network.release(&id)
    })
    .await?;
    failpoint::reach("stop_sandbox.address_free");
    Ok(())
}

/// Asks the monitor to end everything and itself. One that was just spawned may not listen yet, so
/// asking is repeated as long as it lives.
async fn end_monitor(parts: &Parts, sandbox: &SandboxRecord) -> Result<(), LifecycleError> {
    let run_dir = parts.layout.sandbox_run_dir(&sandbox.id);
    let client = MonitorClient::open(&run_dir);
    let deadline = Instant::now() + PATIENCE;
    let alive = || {
        monitor::is_alive(&run_dir)
            .map_err(|error| LifecycleError::failed("look whether the monitor lives", error))
    };
    while alive()? {
        let Err(error) = client.shutdown().await else {
            continue;
        };
        if Instant::now() > deadline {
            return Err(LifecycleError::failed("end the pod's monitor", error));
        }
        sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

async fn remove_cgroups(
    parts: &Parts,
    sandbox: &SandboxRecord,
    containers: &[ContainerId],
) -> Result<(), LifecycleError> {
    let names = containers
        .iter()
        .map(ContainerId::as_str)
        .chain([sandbox.id.as_str()]);
    let paths: Vec<CgroupPath> = names
        .map(|name| paths::cgroup(parts, sandbox, name))
        .collect::<Result<_, _>>()?;
    let cgroups = parts.cgroups.clone();
    let attempted = format!("remove the cgroups of sandbox {}", sandbox.id);
    let remove = move || {
        paths
            .iter()
            .try_for_each(|path| cgroups.remove(path, PATIENCE))
    };
    paths::blocking(attempted, remove).await
}
