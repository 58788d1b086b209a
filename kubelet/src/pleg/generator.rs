//! The generator's one task: events as they come, a relist as the safety net.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::observer::RuntimeObserver;
use super::snapshot::Snapshot;
use crate::cri::{Runtime, RuntimeError, RuntimeEvent, Scope};
use crate::metrics::Metrics;
use crate::model::PodUid;
use crate::pulse::Pulse;
use crate::sync::{Input, RuntimePod};

/// How often everything is listed.
#[derive(Clone, Copy, Debug)]
pub struct Intervals {
    /// While the runtime pushes events.
    pub with_events: Duration,
    /// While it does not.
    pub without_events: Duration,
}

impl Default for Intervals {
    fn default() -> Self {
        Self {
            with_events: Duration::from_secs(60),
            without_events: Duration::from_secs(1),
        }
    }
}

/// What a generator is made of.
pub struct Parts {
    /// Whom it asks.
    pub runtime: Arc<dyn Runtime>,
    /// Whose memory it keeps short.
    pub observer: Arc<RuntimeObserver>,
    /// Whom it tells.
    pub inbox: mpsc::Sender<Input>,
    /// How often it lists everything.
    pub intervals: Intervals,
    /// Where it counts.
    pub metrics: Metrics,
    /// What its relists are a beat of.
    pub pulse: Pulse,
}

/// Tells the sync loop which pods changed.
pub struct Generator {
    runtime: Arc<dyn Runtime>,
    observer: Arc<RuntimeObserver>,
    inbox: mpsc::Sender<Input>,
    intervals: Intervals,
    metrics: Metrics,
    pulse: Pulse,
    began_last: Option<Instant>,
    previous: Snapshot,
    source: Source,
}

type EventStream = BoxStream<'static, Result<RuntimeEvent, RuntimeError>>;

/// Where changes are learnt from.
enum Source {
    /// The runtime pushes.
    Events(EventStream),
    /// It does not now; subscribing is tried again before each relist.
    Polling,
    /// It never will.
    PollingOnly,
}

/// What ended a wait.
enum Woken {
    Shutdown,
    Event(RuntimeEvent),
    EventsEnded(Option<RuntimeError>),
    RelistDue,
}

/// The inbox is gone: the sync loop has ended.
struct LoopEnded;

impl Generator {
    /// A generator that has not looked yet.
    pub fn new(parts: Parts) -> Self {
        let Parts {
            runtime,
            observer,
            inbox,
            intervals,
            metrics,
            pulse,
        } = parts;
        Self {
            runtime,
            observer,
            inbox,
            intervals,
            metrics,
            pulse,
            began_last: None,
            previous: Snapshot::default(),
            source: Source::Polling,
        }
    }

    /// Works until `shutdown`, or until the sync loop is gone.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut relist_at = Instant::now();
        loop {
            match self.wait(relist_at, &shutdown).await {
                Woken::Shutdown => return,
                Woken::Event(event) => {
                    let Ok(all_known) = self.pass_on(event).await else {
                        return;
                    };
                    if !all_known {
                        relist_at = Instant::now();
                    }
                }
                Woken::EventsEnded(cause) => {
                    self.stop_listening(cause);
                    relist_at = relist_at.min(Instant::now() + self.intervals.without_events);
                }
                Woken::RelistDue => {
                    // Subscribed first, so that nothing falls between the list and the events.
                    self.subscribe();
                    if self.relist().await.is_err() {
                        return;
                    }
                    relist_at = Instant::now() + self.interval();
                }
            }
        }
    }

    async fn wait(&mut self, relist_at: Instant, shutdown: &CancellationToken) -> Woken {
        let source = &mut self.source;
        let event = async {
            match source {
                Source::Events(stream) => stream.next().await,
                Source::Polling | Source::PollingOnly => std::future::pending().await,
            }
        };
        tokio::select! {
            // Nothing is lost by stopping here.
            () = shutdown.cancelled() => Woken::Shutdown,
            // A stream keeps what was not taken from it.
            event = event => match event {
                Some(Ok(event)) => Woken::Event(event),
                Some(Err(error)) => Woken::EventsEnded(Some(error)),
                None => Woken::EventsEnded(None),
            },
            () = tokio::time::sleep_until(relist_at) => Woken::RelistDue,
        }
    }

    /// Opens the stream as part of reading it: some runtimes answer only with the first event.
    fn subscribe(&mut self) {
        if let Source::Polling = self.source {
            let runtime = Arc::clone(&self.runtime);
            let opened = async move { runtime.events().await };
            self.source = Source::Events(stream::once(opened).try_flatten().boxed());
        }
    }

    fn stop_listening(&mut self, cause: Option<RuntimeError>) {
        self.source = match cause {
            Some(error) if error.is_unimplemented() => {
                info!("the runtime pushes no events: everything is listed each second");
                Source::PollingOnly
            }
            cause => {
                debug!(
                    cause = cause.map(|error| error.to_string()),
                    "the event stream ended"
                );
                Source::Polling
            }
        };
    }

    fn interval(&self) -> Duration {
        match self.source {
            Source::Events(_) => self.intervals.with_events,
            Source::Polling | Source::PollingOnly => self.intervals.without_events,
        }
    }

    /// Tells about the event, and about all that wait behind it; a burst about one pod is one
    /// change. Says whether the pod of each was known.
    async fn pass_on(&mut self, first: RuntimeEvent) -> Result<bool, LoopEnded> {
        let mut events = vec![first];
        if let Source::Events(stream) = &mut self.source {
            while let Some(Some(Ok(event))) = stream.next().now_or_never() {
                events.push(event);
            }
        }
        let owners: Vec<Option<PodUid>> = events.iter().map(|event| self.owner(event)).collect();
        let all_known = owners.iter().all(Option::is_some);
        tell(&self.inbox, owners.into_iter().flatten().collect()).await?;
        Ok(all_known)
    }

    fn owner(&self, event: &RuntimeEvent) -> Option<PodUid> {
        event
            .pod_uid
            .clone()
            .or_else(|| self.previous.owner(&event.container).cloned())
    }

    /// Lists everything and tells what changed; a runtime that cannot be reached has not changed.
    async fn relist(&mut self) -> Result<(), LoopEnded> {
        let began = Instant::now();
        if let Some(last) = self.began_last.replace(began) {
            self.metrics.relisting(began - last);
        }
        let (sandboxes, containers) = tokio::join!(
            self.runtime.list_sandboxes(Scope::All),
            self.runtime.list_containers(Scope::All),
        );
        let snapshot = match (sandboxes, containers) {
            (Ok(sandboxes), Ok(containers)) => Snapshot::of(&sandboxes, &containers),
            (Err(error), _) | (_, Err(error)) => {
                warn!(%error, "cannot list what the runtime has");
                return Ok(());
            }
        };
        self.metrics.relisted(began.elapsed());
        self.pulse.relisted();
        self.observer.keep_only(&snapshot.containers());
        let changed = snapshot.changed_since(&self.previous);
        let all = self.all_pods(&snapshot);
        self.previous = snapshot;
        tell(&self.inbox, changed).await?;
        self.inbox
            .send(Input::Relisted(all))
            .await
            .map_err(|_| LoopEnded)
    }

    /// What the runtime has, and pods that have only a directory left.
    fn all_pods(&self, snapshot: &Snapshot) -> Vec<RuntimePod> {
        let mut all = snapshot.pods();
        match self.observer.on_disk() {
            Ok(on_disk) => {
                all.extend(on_disk.into_iter().filter(|pod| !snapshot.has(&pod.uid)));
            }
            Err(error) => warn!(%error, "cannot look for directories of pods that are gone"),
        }
        all
    }
}

/// A pod that changed twice is told once.
async fn tell(inbox: &mpsc::Sender<Input>, pods: BTreeSet<PodUid>) -> Result<(), LoopEnded> {
    for uid in pods {
        inbox
            .send(Input::RuntimeChanged(uid))
            .await
            .map_err(|_| LoopEnded)?;
    }
    Ok(())
}
