//! The Node Resource Interface, v0.12: plugins that hear of pods and containers, and have a say in
//! what becomes of them.
//!
//! ```text
//! socket ─► listener ──┐                                ┌─► merge P ─► apply P ─► request, spec
//! installed programs ─┴─► session ─► hub ─► plugins ────┤
//!                            ▲        ▲                 └─► changes ─► lifecycle
//!                            └ codec P └── Nri ◄── lifecycle: what happens
//! ```
//!
//! `Nri` is what the lifecycle holds. While no plugin is connected it does nothing: what happens is
//! not even described.

mod apply;
mod changes;
mod codec;
mod connection;
mod describe;
mod domain;
mod error;
mod events;
mod hub;
mod installed;
mod ledger;
mod listener;
mod merge;
mod plugin;
mod service;
mod session;
mod settings;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use apply::{AdjustError, Adjustment};
pub use describe::{ContainerFacts, PodFacts};
pub use domain::{BoxError, Domain, Inventory};
pub use error::NriError;
use hub::{Ask, Subject};
use plugin::Notice;
use podling_proto::nri::Event;
pub use service::{Service, StartError, prepare};
pub use settings::{REGISTRATION_TIMEOUT, REQUEST_TIMEOUT, Settings, Socket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::model::config::{PodResources, Resources};

/// Plugins, as the rest of the runtime reaches them.
#[derive(Clone, Debug)]
pub struct Nri {
    asks: mpsc::UnboundedSender<Ask>,
    activity: Activity,
    gate: Gate,
}

/// Whether anybody is connected.
#[derive(Clone, Debug, Default)]
struct Activity(Arc<AtomicBool>);

impl Activity {
    fn set(&self, is_active: bool) {
        self.0.store(is_active, Ordering::Release);
    }
}

/// Keeps a plugin from being told what is there while something is half made: it would neither find
/// it nor hear of it.
#[derive(Clone, Debug)]
struct Gate(Arc<Semaphore>);

/// Something is being made; held from the moment that plugins hear of it until it is shown.
#[derive(Debug)]
pub struct Underway {
    // Nobody closes the gate, so that there always is one.
    _permit: Option<OwnedSemaphorePermit>,
}

/// How much may be made at once.
const WIDTH: u32 = 1 << 16;

impl Gate {
    fn new() -> Self {
        Self(Arc::new(Semaphore::new(WIDTH as usize)))
    }

    async fn one(&self) -> Underway {
        Underway {
            _permit: Arc::clone(&self.0).acquire_owned().await.ok(),
        }
    }

    async fn everything(&self) -> Underway {
        Underway {
            _permit: Arc::clone(&self.0).acquire_many_owned(WIDTH).await.ok(),
        }
    }
}

impl Nri {
    /// Whether any plugin is connected, and what happens is worth describing.
    pub fn is_active(&self) -> bool {
        self.activity.0.load(Ordering::Acquire)
    }

    /// Something is about to be made.
    pub async fn underway(&self) -> Underway {
        self.gate.one().await
    }

    /// A pod is about to be ready.
    pub async fn run_pod(&self, pod: &PodFacts) -> Result<(), NriError> {
        self.notify(Event::RunPodSandbox, pod, None).await
    }

    /// A pod's own cgroup has been resized, which is about to be noted.
    pub async fn update_pod(&self, pod: &PodFacts, asked: &PodResources) -> Result<(), NriError> {
        let wire_of = |asked: &Option<Resources>| asked.as_ref().map(describe::resources::asked);
        let notice = Notice {
            event: Event::UpdatePodSandbox,
            pod: describe::pod(pod),
            container: None,
            pod_resources: Some([wire_of(&asked.overhead), wire_of(&asked.containers)]),
        };
        self.send(notice).await
    }

    /// That was noted.
    pub async fn pod_updated(&self, pod: &PodFacts) -> Result<(), NriError> {
        self.notify(Event::PostUpdatePodSandbox, pod, None).await
    }

    /// The containers of a pod have ended, and its network is about to.
    pub async fn stop_pod(&self, pod: &PodFacts) -> Result<(), NriError> {
        self.notify(Event::StopPodSandbox, pod, None).await
    }

    /// A pod is gone.
    pub async fn remove_pod(&self, pod: &PodFacts) -> Result<(), NriError> {
        self.notify(Event::RemovePodSandbox, pod, None).await
    }

    /// A container is being made: what is to be made of it?
    pub async fn create_container(
        &self,
        pod: &PodFacts,
        container: &ContainerFacts,
    ) -> Result<Adjustment, NriError> {
        let subject = Box::new(subject(pod, container));
        self.ask(|reply| Ask::Create(subject, reply)).await
    }

    /// It was made.
    pub async fn container_created(
        &self,
        pod: &PodFacts,
        container: &ContainerFacts,
    ) -> Result<(), NriError> {
        self.notify(Event::PostCreateContainer, pod, Some(container))
            .await
    }

    /// A container is about to start.
    pub async fn start_container(
        &self,
        pod: &PodFacts,
        container: &ContainerFacts,
    ) -> Result<(), NriError> {
        self.notify(Event::StartContainer, pod, Some(container))
            .await
    }

    /// It runs.
    pub async fn container_started(
        &self,
        pod: &PodFacts,
        container: &ContainerFacts,
    ) -> Result<(), NriError> {
        self.notify(Event::PostStartContainer, pod, Some(container))
            .await
    }

    /// A container is about to get new limits: which, in the end?
    pub async fn update_container(
        &self,
        pod: &PodFacts,
        container: &ContainerFacts,
        asked: Resources,
    ) -> Result<Resources, NriError> {
        let subject = Box::new(subject(pod, container));
        let wanted = Box::new(describe::resources::asked(&asked));
        let limits = self
            .ask(|reply| Ask::Update(subject, wanted, reply))
            .await?;
        match limits {
            None => Ok(asked),
            Some(limits) => Ok(apply::limits(&limits)?),
        }
    }

    /// It has them.
    pub async fn container_updated(
        &self,
        pod: &PodFacts,
        container: &ContainerFacts,
    ) -> Result<(), NriError> {
        self.notify(Event::PostUpdateContainer, pod, Some(container))
            .await
    }

    /// A container has ended; returns when every plugin knows.
    pub async fn stop_container(
        &self,
        pod: &PodFacts,
        container: &ContainerFacts,
    ) -> Result<(), NriError> {
        let subject = Box::new(subject(pod, container));
        self.ask(|reply| Ask::Stop(subject, Some(reply))).await
    }

    /// The same, without waiting for anybody.
    pub fn container_ended(&self, pod: &PodFacts, container: &ContainerFacts) {
        let subject = Box::new(subject(pod, container));
        // The runtime stops: then nobody hears any more.
        let _ = self.asks.send(Ask::Stop(subject, None));
    }

    /// A container is gone.
    pub async fn remove_container(
        &self,
        pod: &PodFacts,
        container: &ContainerFacts,
    ) -> Result<(), NriError> {
        self.notify(Event::RemoveContainer, pod, Some(container))
            .await
    }

    async fn notify(
        &self,
        event: Event,
        pod: &PodFacts,
        container: Option<&ContainerFacts>,
    ) -> Result<(), NriError> {
        self.send(Notice {
            event,
            pod: describe::pod(pod),
            container: container.map(describe::container),
            pod_resources: None,
        })
        .await
    }

    async fn send(&self, notice: Notice) -> Result<(), NriError> {
        let told = self.ask(|reply| Ask::Notify(Box::new(notice), reply)).await;
        match told {
            // Nobody is there any more who could be told: as without plugins.
            Err(NriError::Stopping) => Ok(()),
            told => told,
        }
    }

    async fn ask<T>(&self, ask: impl FnOnce(hub::Reply<T>) -> Ask) -> Result<T, NriError> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(ask(reply)).map_err(|_| NriError::Stopping)?;
        answer.await.map_err(|_| NriError::Stopping)?
    }
}

fn subject(pod: &PodFacts, container: &ContainerFacts) -> Subject {
    Subject {
        pod: describe::pod(pod),
        container: describe::container(container),
    }
}
