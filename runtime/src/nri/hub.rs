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
use super::merge::{Changes, Creation, Updating};
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

    async fn create(&mut self, subject: Subject) -> Result<Adjustment, NriError> {
        let event = Event::CreateContainer;
        let Subject { pod, container } = subject;
        self.ledger.made(&container.id);
        let has_validators = self
            .plugins
            .iter()
            .any(|plugin| plugin.wants(Event::ValidateContainerAdjustment));
        let pristine = has_validators.then(|| container.clone());
        let mut creation = Creation::begin(wire::CreateContainerRequest {
            pod: Some(pod),
            container: Some(container),
        });
        for plugin in self.plugins.clone() {
            if !plugin.wants(event) {
                continue;
            }
            match plugin.ask(event, creation.request()).await {
                Ok(answer) => creation.take(answer, &plugin.identity.to_string())?,
                Err(error) => fatal_or(&plugin, event, error)?,
            }
        }
        self.validate(&creation, pristine).await?;
        let merged = creation.finish();
        self.change(merged.changes);
        Ok(Adjustment(merged.adjustment))
    }

    async fn validate(
        &self,
        creation: &Creation,
        pristine: Option<wire::Container>,
    ) -> Result<(), NriError> {
        let event = Event::ValidateContainerAdjustment;
        let there = || {
            self.plugins
                .iter()
                .filter(|one| !one.connection.is_closed())
        };
        let asked = there().map(|plugin| wire::PluginInstance {
            name: plugin.identity.name().to_owned(),
            index: plugin.identity.index().to_owned(),
        });
        let validators: Vec<_> = there().filter(|one| one.wants(event)).collect();
        if validators.is_empty() {
            return Ok(());
        }
        let request = creation.validation(pristine, asked.collect());
        for plugin in validators {
            let answer: Result<wire::ValidateContainerAdjustmentResponse, _> =
                plugin.ask(event, &request).await;
            match answer {
                Ok(answer) if answer.reject => {
                    return Err(NriError::Rejected {
                        plugin: plugin.identity.to_string(),
                        reason: match answer.reason.as_str() {
                            "" => "unknown rejection reason".to_owned(),
                            reason => reason.to_owned(),
                        },
                    });
                }
                Ok(_) => {}
                // Unlike others, one that is to say yes cannot be passed over.
                Err(error) => {
                    if error.is_fatal() {
                        plugin.connection.close();
                    }
                    return Err(refusal(plugin, event, error));
                }
            }
        }
        Ok(())
    }

    async fn update(
        &mut self,
        subject: Subject,
        resources: wire::LinuxResources,
    ) -> Result<Option<wire::LinuxResources>, NriError> {
        let event = Event::UpdateContainer;
        let mut updating = Updating::begin(wire::UpdateContainerRequest {
            pod: Some(subject.pod),
            container: Some(subject.container),
            linux_resources: Some(resources),
        });
        for plugin in self.plugins.clone() {
            if !plugin.wants(event) {
                continue;
            }
            match plugin.ask(event, updating.request()).await {
                Ok(answer) => updating.take(answer, &plugin.identity.to_string())?,
                Err(error) => fatal_or(&plugin, event, error)?,
            }
        }
        let (limits, changes) = updating.finish();
        self.change(changes);
        Ok(limits)
    }

    async fn stop(&mut self, subject: Subject) -> Result<(), NriError> {
        let event = Event::StopContainer;
        if !self.ledger.ended(&subject.container.id) {
            return Ok(());
        }
        let request = wire::StopContainerRequest {
            pod: Some(subject.pod),
            container: Some(subject.container),
        };
        let mut updating = Updating::begin(wire::UpdateContainerRequest::default());
        for plugin in self.plugins.clone() {
            if !plugin.wants(event) {
                continue;
            }
            let answer: Result<wire::StopContainerResponse, _> = plugin.ask(event, &request).await;
            match answer {
                Ok(answer) => {
                    let answer = wire::UpdateContainerResponse {
                        update: answer.update,
                        evict: Vec::new(),
                    };
                    updating.take(answer, &plugin.identity.to_string())?;
                }
                Err(error) => fatal_or(&plugin, event, error)?,
            }
        }
        self.change(updating.finish().1);
        Ok(())
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
