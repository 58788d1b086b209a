//! How others reach the task that owns a pod: commands go in, snapshots come out.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tracing::Span;

use crate::lifecycle::error::LifecycleError;
use crate::model::config::{PodResources, Resources};
use crate::model::{
    ContainerConfig, ContainerId, ContainerRecord, SandboxId, SandboxRecord, SandboxState,
};

/// What a pod looks like at one moment.
#[derive(Clone, Debug)]
pub struct PodSnapshot {
    /// The sandbox.
    pub sandbox: SandboxRecord,
    /// Its containers.
    pub containers: BTreeMap<ContainerId, ContainerRecord>,
}

/// How far the making of a sandbox has come.
#[derive(Clone, Debug)]
pub(super) enum BringUp {
    Underway,
    Done,
    Failed(LifecycleError),
}

/// Where the outcome of a command is sent.
pub(super) type Reply<T> = oneshot::Sender<Result<T, LifecycleError>>;

/// Everything that changes a pod. Commands are carried out one after the other.
#[derive(Debug)]
pub(super) enum Command {
    StopSandbox(Reply<()>),
    RemoveSandbox(Reply<()>),
    CreateContainer(Box<ContainerConfig>, Reply<ContainerId>),
    StartContainer(ContainerId, Reply<()>),
    Signal(ContainerId, Signal, Reply<()>),
    RemoveContainer(ContainerId, Reply<()>),
    UpdateContainer(ContainerId, Box<Resources>, Reply<()>),
    UpdateSandbox(Box<PodResources>, Reply<()>),
}

/// A command, and the call that it belongs to.
pub(super) type Asked = (Command, Span);

/// What is sent to a container.
#[derive(Clone, Copy, Debug)]
pub(in crate::lifecycle) enum Signal {
    /// The signal that asks it to stop, to its first process.
    Stop,
    /// SIGKILL, to every process in it.
    Kill,
}

/// One pod, as the rest of the runtime holds it.
#[derive(Clone, Debug)]
pub struct PodHandle {
    id: SandboxId,
    commands: mpsc::Sender<Asked>,
    snapshot: watch::Receiver<Arc<PodSnapshot>>,
    bring_up: watch::Receiver<BringUp>,
}

/// The other ends of a handle's channels, for the task that owns the pod.
pub(super) struct Ends {
    pub(super) commands: mpsc::Receiver<Asked>,
    pub(super) snapshot: watch::Sender<Arc<PodSnapshot>>,
    pub(super) bring_up: watch::Sender<BringUp>,
}

/// Commands that may wait for a pod that is busy; more wait in their senders.
const INBOX: usize = 16;

/// A handle for `pod`, and the ends that its owner holds.
pub(super) fn pair(pod: PodSnapshot) -> (PodHandle, Ends) {
    let id = pod.sandbox.id.clone();
    let (commands, commands_end) = mpsc::channel(INBOX);
    let (snapshot_end, snapshot) = watch::channel(Arc::new(pod));
    let (bring_up_end, bring_up) = watch::channel(BringUp::Underway);
    let ends = Ends {
        commands: commands_end,
        snapshot: snapshot_end,
        bring_up: bring_up_end,
    };
    (
        PodHandle {
            id,
            commands,
            snapshot,
            bring_up,
        },
        ends,
    )
}

impl PodHandle {
    /// Id of the sandbox.
    pub fn id(&self) -> &SandboxId {
        &self.id
    }

    /// What the pod looks like now.
    pub fn snapshot(&self) -> Arc<PodSnapshot> {
        self.snapshot.borrow().clone()
    }

    /// Waits until the sandbox is ready, however many others wait too.
    pub(in crate::lifecycle) async fn brought_up(&self) -> Result<(), LifecycleError> {
        let mut bring_up = self.bring_up.clone();
        let settled = bring_up
            .wait_for(|now| !matches!(now, BringUp::Underway))
            .await;
        match settled.as_deref() {
            Ok(BringUp::Failed(error)) => Err(error.clone()),
            Ok(_) => Ok(()),
            Err(_) => Err(self.ended()),
        }
    }

    /// Waits until the container has ended; at once when it has, or when it is gone.
    pub(in crate::lifecycle) async fn container_ended(&self, id: &ContainerId) {
        let mut snapshot = self.snapshot.clone();
        // An error says that the owner is gone, and with it the container.
        let _ = snapshot.wait_for(|pod| !pod.is_running(id)).await;
    }

    /// Waits until the sandbox is not ready any more.
    pub(in crate::lifecycle) async fn sandbox_ended(&self) {
        let mut snapshot = self.snapshot.clone();
        // An error says that the owner is gone, and with it the sandbox.
        let _ = snapshot.wait_for(|pod| !pod.sandbox.is_ready()).await;
    }

    pub(in crate::lifecycle) async fn stop(&self) -> Result<(), LifecycleError> {
        self.ask(Command::StopSandbox).await
    }

    pub(in crate::lifecycle) async fn remove(&self) -> Result<(), LifecycleError> {
        self.ask(Command::RemoveSandbox).await
    }

    pub(in crate::lifecycle) async fn create_container(
        &self,
        config: ContainerConfig,
    ) -> Result<ContainerId, LifecycleError> {
        self.ask(|reply| Command::CreateContainer(Box::new(config), reply))
            .await
    }

    pub(in crate::lifecycle) async fn start_container(
        &self,
        id: ContainerId,
    ) -> Result<(), LifecycleError> {
        self.ask(|reply| Command::StartContainer(id, reply)).await
    }

    pub(in crate::lifecycle) async fn signal(
        &self,
        id: ContainerId,
        signal: Signal,
    ) -> Result<(), LifecycleError> {
        self.ask(|reply| Command::Signal(id, signal, reply)).await
    }

    pub(in crate::lifecycle) async fn remove_container(
        &self,
        id: ContainerId,
    ) -> Result<(), LifecycleError> {
        self.ask(|reply| Command::RemoveContainer(id, reply)).await
    }

    pub(in crate::lifecycle) async fn update_container(
        &self,
        id: ContainerId,
        asked: Resources,
    ) -> Result<(), LifecycleError> {
        self.ask(|reply| Command::UpdateContainer(id, Box::new(asked), reply))
            .await
    }

    pub(in crate::lifecycle) async fn update(
        &self,
        asked: PodResources,
    ) -> Result<(), LifecycleError> {
        self.ask(|reply| Command::UpdateSandbox(Box::new(asked), reply))
            .await
    }

    /// Sends a command and waits for its outcome. Once sent, it is carried out whether or not
    /// anybody still waits.
    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, LifecycleError> {
        let (reply, outcome) = oneshot::channel();
        self.commands
            .send((command(reply), Span::current()))
            .await
            .map_err(|_| self.ended())?;
        outcome.await.map_err(|_| self.ended())?
    }

    fn ended(&self) -> LifecycleError {
        LifecycleError::Ended(self.id.to_string())
    }
}

impl PodSnapshot {
    /// Whether this container runs, or is being started.
    pub fn is_running(&self, id: &ContainerId) -> bool {
        use crate::model::ContainerState::{Running, Starting};
        let state = self.containers.get(id).map(|container| &container.state);
        matches!(state, Some(Starting | Running { .. }))
    }

    /// Pid of pause while the sandbox is ready.
    pub fn pause_pid(&self) -> Option<i32> {
        match self.sandbox.state {
            SandboxState::Ready { pause_pid, .. } => Some(pause_pid),
            _ => None,
        }
    }
}
