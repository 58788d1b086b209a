//! The owner of a pod: one task that holds its records and carries out what is asked, one command
//! after the other.
//!
//! ```text
//!   RPCs ── Command ──►┌───────────┐── watch: PodSnapshot ──► lists, statuses, waits
//!                      │  run()    │
//! monitor ── events ──►└───────────┘── Events ──► subscribers
//! ```
//!
//! What takes long (a container's grace period, an exec) is waited for outside, on the snapshot;
//! no command here lasts longer than its work.

mod handle;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) use handle::Signal;
use handle::{BringUp, Command, Ends};
pub use handle::{PodHandle, PodSnapshot};
use tokio::sync::watch;
use tracing::{Instrument, Span};

use super::error::LifecycleError;
use super::events::{Event, EventKind};
use super::parts::Parts;
use super::{
    adopt, clock, create_container, exits, remove, run_sandbox, signal, start_container,
    stop_sandbox, update_container, update_sandbox,
};
use crate::model::config::Resources;
use crate::model::{ContainerId, ContainerRecord, ContainerState, SandboxRecord, SandboxState};
use crate::monitor::Events as MonitorEvents;
use crate::monitor::MonitorClient;

/// A pod in the hands of its owner.
pub(super) struct Pod {
    pub(super) parts: Arc<Parts>,
    pub(super) sandbox: SandboxRecord,
    pub(super) containers: BTreeMap<ContainerId, ContainerRecord>,
    snapshot: watch::Sender<Arc<PodSnapshot>>,
}

/// How a pod comes into its owner's hands.
pub(super) enum Origin {
    /// It is to be made, for this call.
    New(Span),
    /// A former daemon has left it.
    Found,
}

/// A pod that nobody owns yet.
pub(super) struct Unowned {
    pod: PodSnapshot,
    ends: Ends,
}

impl Unowned {
    /// Whether the sandbox was never made whole.
    pub(super) fn is_unfinished(&self) -> bool {
        self.pod.sandbox.is_unfinished()
    }
}

/// A handle for `pod` and what its owner will need.
pub(super) fn prepare(pod: PodSnapshot) -> (PodHandle, Unowned) {
    let (handle, ends) = handle::pair(pod.clone());
    (handle, Unowned { pod, ends })
}

/// Owns a pod until it is removed or the runtime stops.
pub(super) async fn run(parts: Arc<Parts>, unowned: Unowned, origin: Origin) {
    let Unowned {
        pod: PodSnapshot {
            sandbox,
            containers,
        },
        ends,
    } = unowned;
    let Ends {
        mut commands,
        snapshot,
        bring_up,
    } = ends;
    let mut pod = Pod {
        parts,
        sandbox,
        containers,
        snapshot,
    };
    let begun = match origin {
        Origin::New(call) => {
            let made = run_sandbox::bring_up(&mut pod).instrument(call).await;
            made.map(Some)
        }
        Origin::Found => adopt::take_over(&mut pod).await,
    };
    let mut events = match begun {
        Ok(events) => events,
        Err(error) => {
            let undone = run_sandbox::undo(&pod).await;
            bring_up.send_replace(BringUp::Failed(error));
            if let Err(error) = undone {
                run_sandbox::keep_undoing(&pod, error).await;
            }
            return;
        }
    };
    bring_up.send_replace(BringUp::Done);
    let shutdown = pod.parts.shutdown.clone();
    loop {
        tokio::select! {
            // Cancelling loses nothing: pods go on without their owner, which comes back at start.
            () = shutdown.cancelled() => return,
            command = commands.recv() => {
                let Some((command, call)) = command else { return };
                let carried_out = pod.carry_out(command, &mut events).instrument(call).await;
                if let Next::Gone = carried_out { return }
            }
            // Cancelling loses nothing: an event is taken whole or not at all.
            event = exits::next(&mut events) => pod.hear(event, &mut events).await,
        }
    }
}

/// Whether a pod still needs its owner.
enum Next {
    On,
    Gone,
}

impl Pod {
    async fn carry_out(&mut self, command: Command, events: &mut Option<MonitorEvents>) -> Next {
        // A failed `send` says that nobody waits for the outcome any more.
        match command {
            Command::StopSandbox(reply) => {
                let _ = reply.send(stop_sandbox::stop(self, events).await);
            }
            Command::RemoveSandbox(reply) => {
                let outcome = remove::sandbox(self, events).await;
                let next = if outcome.is_ok() {
                    Next::Gone
                } else {
                    Next::On
                };
                let _ = reply.send(outcome);
                return next;
            }
            Command::CreateContainer(config, reply) => {
                let _ = reply.send(create_container::create(self, *config).await);
            }
            Command::StartContainer(id, reply) => {
                let _ = reply.send(start_container::start(self, &id).await);
            }
            Command::Signal(id, what, reply) => {
                let _ = reply.send(signal::send(self, &id, what).await);
            }
            Command::RemoveContainer(id, reply) => {
                let _ = reply.send(remove::container(self, &id, events).await);
            }
            Command::UpdateContainer(id, asked, reply) => {
                let _ = reply.send(update_container::update(self, &id, *asked).await);
            }
            Command::UpdateSandbox(asked, reply) => {
                let _ = reply.send(update_sandbox::update(self, *asked));
            }
        }
        Next::On
    }

    async fn hear(&mut self, event: exits::Heard, events: &mut Option<MonitorEvents>) {
        match event {
            exits::Heard::Exited(record) => exits::record(self, &record).await,
            exits::Heard::Broken(why) => stop_sandbox::broken(self, events, why).await,
        }
    }

    /// The monitor of this pod, alive or not.
    pub(super) fn monitor(&self) -> MonitorClient {
        MonitorClient::open(&self.parts.layout.sandbox_run_dir(&self.sandbox.id))
    }

    /// Records a new state of the sandbox and shows it.
    pub(super) fn set_sandbox(&mut self, state: SandboxState) -> Result<(), LifecycleError> {
        self.sandbox.state = state;
        let saved = self.parts.store.sandboxes.save(&self.sandbox);
        self.publish();
        saved.map_err(|error| LifecycleError::failed("record the sandbox's state", error))
    }

    /// Records a new state of a container and shows it.
    pub(super) fn set_container(
        &mut self,
        id: &ContainerId,
        state: ContainerState,
    ) -> Result<(), LifecycleError> {
        let Some(container) = self.containers.get_mut(id) else {
            return Ok(());
        };
        container.state = state;
        let saved = self.parts.store.containers.save(container);
        self.publish();
        saved.map_err(|error| LifecycleError::failed("record the container's state", error))
    }

    /// Records a container's new resources and shows them; what is not recorded is not shown.
    pub(super) fn set_resources(
        &mut self,
        id: &ContainerId,
        resources: Resources,
    ) -> Result<(), LifecycleError> {
        let mut updated = self.container(id)?.clone();
        updated.config.resources = resources;
        let saved = self.parts.store.containers.save(&updated);
        saved.map_err(|error| LifecycleError::failed("record the container's resources", error))?;
        self.containers.insert(id.clone(), updated);
        self.publish();
        Ok(())
    }

    /// Shows what the pod looks like now.
    pub(super) fn publish(&self) {
        self.snapshot.send_replace(Arc::new(self.look()));
    }

    /// Tells subscribers what happened to a container, or to the sandbox itself, with the pod as it
    /// was published last.
    pub(super) fn tell(&self, id: &str, kind: EventKind) {
        let pod = Arc::clone(&self.snapshot.borrow());
        self.parts.events.tell(Event {
            id: id.to_owned(),
            kind,
            at: clock::now(),
            pod,
        });
    }

    fn look(&self) -> PodSnapshot {
        PodSnapshot {
            sandbox: self.sandbox.clone(),
            containers: self.containers.clone(),
        }
    }

    /// The container, or an error for the client that named it.
    pub(super) fn container(&self, id: &ContainerId) -> Result<&ContainerRecord, LifecycleError> {
        self.containers
            .get(id)
            .ok_or_else(|| LifecycleError::NotFound {
                kind: "container",
                id: id.to_string(),
            })
    }
}
