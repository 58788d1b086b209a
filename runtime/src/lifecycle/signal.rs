//! Signals to containers.

use super::error::LifecycleError;
use super::pod::{Pod, Signal};
use crate::model::{ContainerId, ContainerState};
use crate::monitor::MonitorError;

/// Signals a container. One that does not run needs none.
pub(super) async fn send(
    pod: &mut Pod,
    id: &ContainerId,
    signal: Signal,
) -> Result<(), LifecycleError> {
    let container = pod.container(id)?;
    if !matches!(container.state, ContainerState::Running { .. }) {
        return Ok(());
    }
    let monitor = pod.monitor();
    let sent = match signal {
        Signal::Stop => monitor.signal(id, container.stop_signal).await,
        Signal::Kill => monitor.kill(id).await,
    };
    match sent {
        // It has ended a moment ago; the event that says so is on its way.
        Ok(()) | Err(MonitorError::NoContainer(_)) => Ok(()),
        Err(error) => Err(LifecycleError::failed(
            format!("signal container {id}"),
            error,
        )),
    }
}
