//! UpdatePodSandboxResources: its client has resized the pod's own cgroup, and tells.
//!
//! There is nothing to apply: that cgroup is the client's, and containers are told of one by one. It
//! is kept, so that a verbose status shows it.

use super::error::LifecycleError;
use super::pod::Pod;
use crate::model::config::PodResources;

/// Keeps what the pod may use now.
pub(super) fn update(pod: &mut Pod, asked: PodResources) -> Result<(), LifecycleError> {
    if !pod.sandbox.is_ready() {
        return Err(LifecycleError::WrongState(format!(
            "sandbox {} is not ready",
            pod.sandbox.id
        )));
    }
    let mut updated = pod.sandbox.clone();
    updated.config.resources = asked;
    let saved = pod.parts.store.sandboxes.save(&updated);
    saved.map_err(|error| LifecycleError::failed("record the pod's resources", error))?;
    pod.sandbox = updated;
    pod.publish();
    Ok(())
}
