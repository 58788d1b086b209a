//! StopContainer: ask, wait, kill. The waiting happens here, beside the pod's owner, so that the pod
//! goes on while a container takes its time.

use std::time::Duration;

use tokio::time::timeout;

use super::error::LifecycleError;
use super::pod::{PodHandle, Signal};
use crate::model::ContainerId;

/// How long the kernel may take to end killed processes (a process in an uninterruptible system call
/// ends only after it).
const KILL_DEADLINE: Duration = Duration::from_secs(60);

/// Ends a container: the stop signal, then after `grace` SIGKILL to everything in it. A grace of
/// zero kills at once. Idempotent; a second call with a shorter grace shortens the first.
pub(super) async fn stop(
    pod: &PodHandle,
    id: &ContainerId,
    grace: Duration,
) -> Result<(), LifecycleError> {
    if !pod.snapshot().is_running(id) {
        return Ok(());
    }
    if !grace.is_zero() {
        pod.signal(id.clone(), Signal::Stop).await?;
        if timeout(grace, pod.container_ended(id)).await.is_ok() {
            return Ok(());
        }
    }
    pod.signal(id.clone(), Signal::Kill).await?;
    timeout(KILL_DEADLINE, pod.container_ended(id))
        .await
        .map_err(|elapsed| {
            let attempted = format!("end container {id}: killed, but the kernel has not ended it");
            LifecycleError::failed(attempted, elapsed)
        })
}
