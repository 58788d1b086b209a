//! The life of pods: one file a use-case, one owner a pod, one way down.
//!
//! ```text
//!  RunPodSandbox ─► run_sandbox ─┐                      ┌─► tear_down ◄─ failure, Stop, Remove, restart
//!  CreateContainer ─► create_container ├─► pod (owner) ─┤
//!  StartContainer ─► start_container ──┘   adopt, exits └─► events
//! ```
//!
//! `Lifecycle` is what the CRI edge calls. Whoever asks for something that is under way already joins
//! it; whoever stops waiting does not stop the work.

mod adopt;
mod attach;
mod bundle;
mod clock;
mod create_container;
mod descriptors;
mod device_edits;
pub mod error;
pub mod events;
mod exec;
mod exec_sync;
mod exits;
mod image_volumes;
mod inspect;
mod labels;
mod measure;
mod nri;
mod oci_state;
mod parts;
mod paths;
mod pod;
mod pods;
mod port_forward;
mod recover;
mod remove;
mod run_sandbox;
mod scope;
mod sessions;
mod signal;
mod start_container;
mod stop_container;
mod stop_sandbox;
mod tear_down;
mod update_container;
mod update_sandbox;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::Span;

pub use error::LifecycleError;
pub use events::{Event, EventKind, Events};
pub use exec_sync::{Captured, ExecOutcome};
pub use measure::Scope;
pub use parts::{Parts, Programs};
pub use pod::{PodHandle, PodSnapshot};
pub use pods::Pods;

use crate::metrics::{Census, SessionKind};
use crate::model::config::{PodResources, Resources};
use crate::model::{
    ContainerConfig, ContainerId, SandboxConfig, SandboxId, SandboxRecord, SandboxState,
};
use crate::monitor::MonitorClient;
use crate::monitor::MonitorError;
use crate::sys::random;

/// Everything that can be done with sandboxes and containers.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    parts: Arc<Parts>,
}

impl Lifecycle {
    /// Takes over whatever a former daemon left, and returns when that is settled.
    pub async fn start(parts: Parts) -> Result<Self, LifecycleError> {
        let parts = Arc::new(parts);
        recover::recover(&parts).await?;
        Ok(Self { parts })
    }

    /// Makes a sandbox and returns its id when it is ready. Asking again with the same pod uid and
    /// attempt joins the first request.
    pub async fn run_sandbox(&self, config: SandboxConfig) -> Result<SandboxId, LifecycleError> {
        let id = SandboxId::from_random(random::bytes());
        let cgroup_parent = paths::cgroup_parent(&self.parts, &config, &id)?;
        let mut sandbox = SandboxRecord {
            created_at: clock::now(),
            boot_id: self.parts.boot_id.clone(),
            cgroup_parent: Some(cgroup_parent),
            ..SandboxRecord::reserved(id, config)
        };
        // A cgroup parent that is none, or a handler that is not there, is refused before anything exists.
        paths::cgroup(&self.parts, &sandbox, sandbox.id.as_str())?;
        let host = paths::host(&self.parts, &sandbox)?;
        run_sandbox::check_user_namespace(&sandbox.config.security, &host)?;
        let metadata = sandbox.config.metadata.clone();
        let entered = self.parts.pods.enter(&metadata, |levels| {
            sandbox.selinux = labels::of_pod(&sandbox.config.security, &host, levels)?;
            Ok(pod::prepare(PodSnapshot {
                sandbox,
                containers: BTreeMap::new(),
            }))
        })?;
        let handle = match entered {
            pods::Entered::New(handle, unowned) => {
                let origin = pod::Origin::New(Span::current());
                let owner = pod::run(Arc::clone(&self.parts), *unowned, origin);
                self.parts.tasks.spawn(owner);
                handle
            }
            pods::Entered::Taken(first) => first,
        };
        handle.brought_up().await?;
        match handle.snapshot().sandbox.state {
            SandboxState::Ready { .. } => Ok(handle.id().clone()),
            _ => Err(LifecycleError::NameTaken(format!(
                "pod {:?}, attempt {}, has a sandbox that was stopped: {}; \
                 use another attempt or remove it",
                metadata.uid,
                metadata.attempt,
                handle.id(),
            ))),
        }
    }

    /// Ends everything that runs in a sandbox. Idempotent, also for one that does not exist.
    pub async fn stop_sandbox(&self, id: &str) -> Result<(), LifecycleError> {
        match self.parts.pods.sandbox(id) {
            Ok(pod) => gone_is_fine(pod.stop().await),
            Err(error) => gone_is_fine(Err(error)),
        }
    }

    /// Removes a sandbox and its containers by force. Idempotent.
    pub async fn remove_sandbox(&self, id: &str) -> Result<(), LifecycleError> {
        match self.parts.pods.sandbox(id) {
            Ok(pod) => gone_is_fine(pod.remove().await),
            Err(error) => gone_is_fine(Err(error)),
        }
    }

    /// Makes a container in a ready sandbox. Asking again with the same name and attempt gives the
    /// same container.
    pub async fn create_container(
        &self,
        sandbox: &str,
        config: ContainerConfig,
    ) -> Result<ContainerId, LifecycleError> {
        let pod = self.parts.pods.sandbox(sandbox)?;
        // Nobody but plugins knows its id yet.
        if pod.snapshot().sandbox.is_unfinished() {
            return Err(LifecycleError::NotFound {
                kind: "sandbox",
                id: sandbox.to_owned(),
            });
        }
        pod.create_container(config).await
    }

    /// Starts a created container.
    pub async fn start_container(&self, id: &str) -> Result<(), LifecycleError> {
        let (pod, id) = self.parts.pods.container(id)?;
        pod.start_container(id).await
    }

    /// Ends a container, by force after `grace`. Idempotent.
    pub async fn stop_container(&self, id: &str, grace: Duration) -> Result<(), LifecycleError> {
        match self.parts.pods.container(id) {
            Ok((pod, id)) => {
                gone_is_fine(stop_container::stop(&pod, &id, grace).await)?;
                nri::stop_container(&self.parts, &pod, &id).await;
                Ok(())
            }
            Err(error) => gone_is_fine(Err(error)),
        }
    }

    /// Removes a container by force. Idempotent.
    pub async fn remove_container(&self, id: &str) -> Result<(), LifecycleError> {
        match self.parts.pods.container(id) {
            Ok((pod, id)) => gone_is_fine(pod.remove_container(id).await),
            Err(error) => gone_is_fine(Err(error)),
        }
    }

    /// Gives a created or running container new limits; what `asked` leaves open stays as it is.
    pub async fn update_container(&self, id: &str, asked: Resources) -> Result<(), LifecycleError> {
        let (pod, id) = self.parts.pods.container(id)?;
        let asked = nri::update_container(&self.parts, &pod, &id, asked).await?;
        pod.update_container(id.clone(), asked).await?;
        nri::container_updated(&self.parts, &pod, &id).await;
        Ok(())
    }

    /// Keeps what a pod's client has given the pod's own cgroup.
    pub async fn update_sandbox(
        &self,
        id: &str,
        asked: PodResources,
    ) -> Result<(), LifecycleError> {
        let pod = self.parts.pods.sandbox(id)?;
        nri::update_pod(&self.parts, &pod, &asked).await?;
        pod.update(asked).await?;
        nri::pod_updated(&self.parts, &pod).await;
        Ok(())
    }

    /// Runs a command in a running container; `None` sets no time limit.
    pub async fn exec_sync(
        &self,
        id: &str,
        command: Vec<String>,
        limit: Option<Duration>,
    ) -> Result<ExecOutcome, LifecycleError> {
        let (pod, id) = self.parts.pods.container(id)?;
        let _session = self.parts.metrics.session(SessionKind::ExecSync);
        exec_sync::exec_sync(&self.parts, &pod, &id, command, limit).await
    }

    /// Opens a running container's log file anew, after it was renamed.
    pub async fn reopen_log(&self, id: &str) -> Result<(), LifecycleError> {
        let (pod, id) = self.parts.pods.container(id)?;
        let monitor = MonitorClient::open(&self.parts.layout.sandbox_run_dir(pod.id()));
        monitor.reopen_log(&id).await.map_err(|error| match error {
            MonitorError::NoContainer(message) => LifecycleError::WrongState(message),
            error => LifecycleError::failed(format!("reopen the log of container {id}"), error),
        })
    }

    /// What one pod looks like now, by its sandbox's id.
    pub fn sandbox(&self, id: &str) -> Result<Arc<PodSnapshot>, LifecycleError> {
        Ok(self.parts.pods.sandbox(id)?.snapshot())
    }

    /// What the pod of a container looks like now, and the container's whole id.
    pub fn container(&self, id: &str) -> Result<(Arc<PodSnapshot>, ContainerId), LifecycleError> {
        let (pod, id) = self.parts.pods.container(id)?;
        Ok((pod.snapshot(), id))
    }

    /// What every pod looks like now.
    pub fn pods(&self) -> Vec<Arc<PodSnapshot>> {
        self.parts.pods.snapshots()
    }

    /// What there is now, and what was counted, as Prometheus reads it.
    pub fn metrics_text(&self) -> String {
        let census = Census::of(&self.pods(), self.parts.events.subscribers());
        self.parts.metrics.text(&census)
    }

    /// What everything is made with.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Waits until no owner is at work any more. Pods go on without them.
    pub async fn stop(&self) {
        self.parts.shutdown.cancel();
        self.parts.tasks.close();
        self.parts.tasks.wait().await;
    }
}

/// Ending or removing what is not there is done already.
fn gone_is_fine(outcome: Result<(), LifecycleError>) -> Result<(), LifecycleError> {
    match outcome {
        Err(LifecycleError::NotFound { .. } | LifecycleError::Ended(_)) => Ok(()),
        outcome => outcome,
    }
}
