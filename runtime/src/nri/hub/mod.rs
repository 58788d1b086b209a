//! The task that asks the plugins: it alone knows who is there, and asks one after the other, in the
//! order of their indices, about one thing at a time.
//!
//! ```text
//! lifecycle ── Ask ──► hub ──► 10-a ──► 20-b ──► … ──► answer
//! sessions ── Join ──►  └──► changes of other containers
//! ```
//!
//! A plugin that does not answer in time, or not sensibly, is left alone from then on; one that says
//! no fails what was asked about.

mod questions;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use podling_proto::nri::{self as wire, Event};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Activity;
use super::apply::Adjustment;
use super::changes::Work;
use super::connection::CallError;
use super::describe::{self, LONGEST_REQUEST};
use super::domain::Domain;
use super::error::NriError;
use super::events;
use super::ledger::{Ledger, State};
use super::merge::Changes;
use super::plugin::{Notice, Plugin, SynchronizeError};

/// How long plugins may take to say goodbye.
const GOODBYE: Duration = Duration::from_millis(500);

/// Where an answer is sent.
pub(super) type Reply<T> = oneshot::Sender<Result<T, NriError>>;

/// A container and its pod.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) pod: wire::PodSandbox,
    pub(super) container: wire::Container,
}

/// What is asked of the hub.
#[derive(Debug)]
pub(super) enum Ask {
    /// Tell what happened.
    Notify(Box<Notice>, Reply<()>),
    /// A container is being made.
    Create(Box<Subject>, Reply<Adjustment>),
    /// A container gets new limits.
    Update(
        Box<Subject>,
        Box<wire::LinuxResources>,
        Reply<Option<wire::LinuxResources>>,
    ),
    /// A container has ended.
    Stop(Box<Subject>, Option<Reply<()>>),
    /// A plugin wants to be asked from now on.
    Join(Box<Plugin>, oneshot::Sender<Result<(), SynchronizeError>>),
    /// A plugin has gone.
    Sweep,
}

/// The hub.
#[derive(Debug)]
pub(super) struct Hub {
    plugins: Vec<Arc<Plugin>>,
    ledger: Ledger,
    domain: Arc<dyn Domain>,
    changes: mpsc::UnboundedSender<Work>,
    activity: Activity,
}

impl Hub {
    pub(super) fn new(
        domain: Arc<dyn Domain>,
        changes: mpsc::UnboundedSender<Work>,
        activity: Activity,
    ) -> Self {
        Self {
            plugins: Vec::new(),
            ledger: Ledger::default(),
            domain,
            changes,
            activity,
        }
    }

    /// Answers until the runtime stops.
    pub(super) async fn run(
        mut self,
        mut asks: mpsc::UnboundedReceiver<Ask>,
        shutdown: CancellationToken,
    ) {
        loop {
            let ask = tokio::select! {
                // Cancelling loses nothing: nobody is asked about what the runtime does not do.
                () = shutdown.cancelled() => break,
                ask = asks.recv() => ask,
            };
            let Some(ask) = ask else { break };
            self.answer(ask).await;
            self.sweep();
        }
        // From here on nobody waits for plugins, and what waits already is told so.
        self.activity.set(false);
        drop(asks);
        let goodbyes = join_all(self.plugins.iter().map(|plugin| plugin.say_goodbye()));
        // Whoever does not answer is left all the same.
        let _ = timeout(GOODBYE, goodbyes).await;
        for plugin in &self.plugins {
            plugin.connection.close();
        }
    }

    /// A failed `send` says that nobody waits for the answer any more.
    async fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Notify(notice, reply) => {
                let _ = reply.send(self.notify(&notice).await);
            }
            Ask::Create(subject, reply) => {
                let _ = reply.send(self.create(*subject).await);
            }
            Ask::Update(subject, resources, reply) => {
                let _ = reply.send(self.update(*subject, *resources).await);
            }
            Ask::Stop(subject, reply) => {
                let stopped = self.stop(*subject).await;
                match (reply, stopped) {
                    (Some(reply), stopped) => drop(reply.send(stopped)),
                    (None, Ok(())) => {}
                    (None, Err(error)) => error.log(),
                }
            }
            Ask::Join(plugin, reply) => {
                let _ = reply.send(self.join(*plugin).await);
            }
            Ask::Sweep => {}
        }
    }

    async fn notify(&mut self, notice: &Notice) -> Result<(), NriError> {
        let id = match &notice.container {
            Some(container) => container.id.as_str(),
            None => notice.pod.id.as_str(),
        };
        match notice.event {
            Event::RunPodSandbox => {
                self.ledger.made(id);
                let told = self.tell(notice).await;
                if told.is_err() {
                    self.take_back(&notice.pod).await;
                }
                return told;
            }
            Event::StopPodSandbox if !self.ledger.ended(id) => return Ok(()),
            Event::RemovePodSandbox if !self.ledger.removed(id) => return Ok(()),
            Event::RemoveContainer => {
                if let Some(container) = &notice.container {
                    let subject = Subject {
                        pod: notice.pod.clone(),
                        container: container.clone(),
                    };
                    // It is being removed whatever plugins say.
                    if let Err(error) = self.stop(subject).await {
                        error.log();
                    }
                }
                if !self.ledger.removed(id) {
                    return Ok(());
                }
            }
            _ => {}
        }
        self.tell(notice).await
    }

    async fn tell(&mut self, notice: &Notice) -> Result<(), NriError> {
        for plugin in self.plugins.clone() {
            if let Err(error) = plugin.notify(notice).await {
                fatal_or(&plugin, notice.event, error)?;
            }
        }
        Ok(())
    }

    /// A pod that a plugin refuses was stopped and removed, for those who heard of it.
    async fn take_back(&mut self, pod: &wire::PodSandbox) {
        for event in [Event::StopPodSandbox, Event::RemovePodSandbox] {
            let notice = Notice {
                event,
                pod: pod.clone(),
                container: None,
                pod_resources: None,
            };
            if let Err(error) = self.tell(&notice).await {
                error.log();
            }
        }
        self.ledger.removed(&pod.id);
    }

    fn change(&self, changes: Changes) {
        if !changes.is_empty() {
            let work = Work {
                changes,
                failed: None,
            };
            // Nobody carries out any more: the runtime stops.
            let _ = self.changes.send(work);
        }
    }

    async fn join(&mut self, plugin: Plugin) -> Result<(), SynchronizeError> {
        let inventory = self.domain.inventory().await;
        for pod in &inventory.pods {
            let state = match pod.sandbox.is_ready() {
                true => State::Running,
                false => State::Stopped,
            };
            self.ledger.found(pod.sandbox.id.as_str(), state);
        }
        let has_ended = |container: &describe::ContainerFacts| {
            let state = &container.record.state;
            matches!(state, crate::model::ContainerState::Exited { .. })
        };
        for container in &inventory.containers {
            let state = match has_ended(container) {
                false => State::Running,
                true => State::Stopped,
            };
            self.ledger.found(container.record.id.as_str(), state);
        }
        let pods = inventory.pods.iter().map(describe::pod).collect();
        let alive = inventory.containers.iter().filter(|one| !has_ended(one));
        let containers = alive.map(describe::container).collect();
        let requests = describe::requests(pods, containers, LONGEST_REQUEST);
        let updates = plugin.synchronize(requests).await?;
        tracing::info!(plugin = %plugin.identity, "an NRI plugin is connected and synchronized");
        self.plugins.push(Arc::new(plugin));
        self.plugins.sort_by(|a, b| a.identity.cmp(&b.identity));
        self.change(Changes {
            updates,
            evictions: Vec::new(),
        });
        Ok(())
    }

    /// Forgets plugins that are gone.
    fn sweep(&mut self) {
        self.plugins.retain(|plugin| !plugin.connection.is_closed());
        if self.plugins.is_empty() {
            self.ledger.clear();
        }
        self.activity.set(!self.plugins.is_empty());
    }
}

/// Leaves a plugin alone that cannot be asked any more; any other error is its answer.
fn fatal_or(plugin: &Plugin, event: Event, error: CallError) -> Result<(), NriError> {
    if !error.is_fatal() {
        return Err(refusal(plugin, event, error));
    }
    let method = events::method(event);
    let error = &error as &dyn std::error::Error;
    tracing::error!(plugin = %plugin.identity, method, error, "an NRI plugin is not asked any more");
    plugin.connection.close();
    Ok(())
}

fn refusal(plugin: &Plugin, event: Event, source: CallError) -> NriError {
    NriError::Plugin {
        plugin: plugin.identity.to_string(),
        method: events::method(event),
        source,
    }
}
