//! What the streaming server asks of the runtime, answered by the lifecycle.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::error::{LifecycleError, chain};
use super::{Lifecycle, attach, exec, port_forward};
use crate::metrics::{SessionKind, Underway};
use crate::model::{ContainerId, SandboxId};
use crate::streaming::{AttachCall, ExecCall, Ports, Process, SessionError, Sessions};

impl Lifecycle {
    /// The whole id of a container that runs, for a call that comes later.
    pub fn running_container(&self, id: &str) -> Result<ContainerId, LifecycleError> {
        let (pod, id) = self.parts.pods.container(id)?;
        exec::require_running(&pod, &id)?;
        Ok(id)
    }

    /// The whole id of a sandbox that is ready, for a call that comes later.
    pub fn ready_sandbox(&self, id: &str) -> Result<SandboxId, LifecycleError> {
        let pod = self.parts.pods.sandbox(id)?;
        port_forward::require_ready(&pod)?;
        Ok(pod.id().clone())
    }
}

impl Sessions for Lifecycle {
    fn exec(&self, call: ExecCall) -> BoxFuture<'_, Result<Process, SessionError>> {
        let parts = Arc::clone(&self.parts);
        async move { exec::exec(&parts, call).await.map_err(tell) }.boxed()
    }

    fn attach(&self, call: AttachCall) -> BoxFuture<'_, Result<Process, SessionError>> {
        let parts = Arc::clone(&self.parts);
        async move { attach::attach(&parts, call).await.map_err(tell) }.boxed()
    }

    fn ports(&self, sandbox: &str) -> Result<Box<dyn Ports>, SessionError> {
        let pod = self.parts.pods.sandbox(sandbox).map_err(tell)?;
        Ok(Box::new(port_forward::PodPorts::new(pod)))
    }

    fn underway(&self, kind: SessionKind) -> Option<Underway> {
        Some(self.parts.metrics.session(kind))
    }
}

pub(super) fn tell(error: LifecycleError) -> SessionError {
    SessionError(chain(&error))
}
