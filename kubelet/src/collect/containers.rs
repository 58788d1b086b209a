//! The task that removes dead containers for the sake of the whole node: beyond the limit over all pods,
//! now and then, and all that nobody needs when it is asked to.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::dead::{Limit, Pods, beyond, of_settled, sandboxes_of_settled};
use crate::causes::chain;
use crate::cri::{Container, Runtime, RuntimeError, Scope};
use crate::labels;
use crate::layout::Layout;
use crate::log_links;
use crate::model::{ContainerName, Event, EventKind, PodName, PodUid};
use crate::sync::{Clock, EventRecorder, Tenants};

/// From one look to the next.
const PERIOD: Duration = Duration::from_secs(60);
/// From one look to the next while the API server has not been told of the end of a pod.
const AGAIN: Duration = Duration::from_secs(1);
/// Who asks waits for his answer.
const REQUESTS: usize = 4;

/// Why dead containers are still there.
#[derive(Debug, thiserror::Error)]
pub enum DeadError {
    /// The runtime does not say what it has.
    #[error("cannot see which containers are dead")]
    Look(#[source] RuntimeError),
    /// Some would not go.
    #[error("cannot remove {count} dead containers and sandboxes; of the first")]
    Remove {
        /// How many.
        count: usize,
        /// Why the first of them not.
        #[source]
        source: RuntimeError,
    },
    /// The kubelet is ending.
    #[error("nobody removes containers any more")]
    Ended,
}

/// Who removes dead containers, for those who need room.
#[derive(Clone, Debug)]
pub struct DeadContainers(mpsc::Sender<oneshot::Sender<Result<(), DeadError>>>);

impl DeadContainers {
    /// Removes everything of pods that have ended, as the API server knows, and what is beyond the limit.
    pub async fn remove_unused(&self) -> Result<(), DeadError> {
        let (answer, answered) = oneshot::channel();
        let asked = self.0.send(answer).await;
        asked.map_err(|_| DeadError::Ended)?;
        answered.await.unwrap_or(Err(DeadError::Ended))
    }
}

/// What a collector needs.
pub struct DeadParts {
    /// Has the containers.
    pub runtime: Arc<dyn Runtime>,
    /// Takes down what went wrong.
    pub events: Arc<dyn EventRecorder>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where links to logs are.
    pub layout: Layout,
    /// The node.
    pub node_name: String,
    /// How many may stay, if that is limited.
    pub limit: Option<Limit>,
    /// The pods of the node.
    pub tenants: watch::Receiver<Tenants>,
    /// Who knows of a pod that it has ended, and will when nothing of it is left here.
    pub remembers: Remembers,
}

/// Whether somebody else knows that a pod has ended.
pub type Remembers = Arc<dyn Fn(&PodUid) -> bool + Send + Sync>;

/// Removes dead containers.
pub struct ContainerCollector {
    parts: DeadParts,
    requests: mpsc::Receiver<oneshot::Sender<Result<(), DeadError>>>,
}

impl ContainerCollector {
    /// A collector, and a way to ask it.
    pub fn new(parts: DeadParts) -> (Self, DeadContainers) {
        let (sender, requests) = mpsc::channel(REQUESTS);
        (Self { parts, requests }, DeadContainers(sender))
    }

    /// Works until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (is_limited, mut news) = (self.parts.limit.is_some(), self.parts.tenants.clone());
        let mut settled = BTreeSet::new();
        loop {
            let is_awaited = settled.iter().any(|uid| !(self.parts.remembers)(uid));
            // A tick or a request that is not taken stays where it is.
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick(), if is_limited => {
                    let collected = self.collect().await;
                    self.tell(collected);
                }
                // Which pods may go is looked up again.
                Ok(new) = newly_settled(&mut news, &settled), if is_limited => {
                    settled = new;
                    let collected = self.collect().await;
                    self.tell(collected);
                }
                () = sleep(AGAIN), if is_limited && is_awaited => {
                    let collected = self.collect().await;
                    self.tell(collected);
                }
                Some(answer) = self.requests.recv() => {
                    // Who has left does not need the room any more.
                    let _ = answer.send(self.remove_unused().await);
                }
            }
        }
    }

    fn tell(&self, collected: Result<(), DeadError>) {
        let Err(error) = collected else { return };
        let event = Event::of_node(
            &self.parts.node_name,
            EventKind::Warning,
            "ContainerGCFailed",
            chain(&error),
        );
        self.parts.events.record(event);
    }

    /// One look at what is beyond the limit.
    pub(super) async fn collect(&self) -> Result<(), DeadError> {
        let Some(limit) = self.parts.limit else {
            return Ok(());
        };
        let all = self.containers().await?;
        let tenants = self.tenants();
        // Until every source has spoken nobody knows whose containers these are.
        let Some(pods) = pods(&tenants) else {
            return Ok(());
        };
        let gone = beyond(&all, pods, limit, self.parts.clock.now());
        outcome(self.remove(&gone).await)
    }

    async fn remove_unused(&self) -> Result<(), DeadError> {
        let collected = self.collect().await;
        let tenants = self.tenants();
        let Some(pods) = pods(&tenants).filter(|pods| !pods.settled.is_empty()) else {
            return collected;
        };
        info!("removing what is left of pods that have ended");
        let all = self.containers().await?;
        let mut failures = self.remove(&of_settled(&all, pods)).await;
        failures.extend(self.remove_sandboxes(pods).await?);
        collected.and(outcome(failures))
    }

    /// The pods, of which only those have ended that somebody else remembers.
    fn tenants(&self) -> Tenants {
        let mut tenants = self.parts.tenants.borrow().clone();
        tenants.settled.retain(|uid| (self.parts.remembers)(uid));
        tenants
    }

    async fn containers(&self) -> Result<Vec<Container>, DeadError> {
        let all = self.parts.runtime.list_containers(Scope::All).await;
        all.map_err(DeadError::Look)
    }

    /// Why those that would not go did not.
    async fn remove(&self, dead: &[&Container]) -> Vec<RuntimeError> {
        failures(dead.iter().map(|one| async {
            let removed = self.parts.runtime.remove_container(one.id.clone()).await;
            if removed.is_ok() {
                self.unlink_log(one);
            }
            removed
        }))
        .await
    }

    async fn remove_sandboxes(&self, pods: Pods<'_>) -> Result<Vec<RuntimeError>, DeadError> {
        let runtime = &self.parts.runtime;
        let all = runtime.list_sandboxes(Scope::All).await;
        let all = all.map_err(DeadError::Look)?;
        let dead = sandboxes_of_settled(&all, pods).into_iter();
        Ok(failures(dead.map(|one| runtime.remove_sandbox(one.id.clone()))).await)
    }

    /// What is left behind is swept later.
    fn unlink_log(&self, dead: &Container) {
        let label = |name| {
            dead.labels
                .get(name)
                .map(String::as_str)
                .unwrap_or_default()
        };
        let pod = PodName::new(label(labels::POD_NAMESPACE), label(labels::POD_NAME));
        let name = ContainerName::from(dead.metadata.name.as_str());
        if let Err(error) = log_links::remove(&self.parts.layout, &pod, &name, &dead.id) {
            warn!(%pod, container = %name, %error, "cannot remove the link to a log");
        }
    }
}

/// Which pods have ended, once they are others than these.
async fn newly_settled(
    news: &mut watch::Receiver<Tenants>,
    before: &BTreeSet<PodUid>,
) -> Result<BTreeSet<PodUid>, watch::error::RecvError> {
    let tenants = news.wait_for(|tenants| tenants.settled != *before).await?;
    Ok(tenants.settled.clone())
}

/// Whose containers there are, once that is known.
fn pods(tenants: &Tenants) -> Option<Pods<'_>> {
    let known: &BTreeSet<PodUid> = tenants.known.as_ref()?;
    Some(Pods {
        known,
        settled: &tenants.settled,
    })
}

/// Why some failed, one after the other; what is gone already is no failure.
async fn failures(
    removals: impl Iterator<Item = impl Future<Output = Result<(), RuntimeError>>>,
) -> Vec<RuntimeError> {
    let mut failures = Vec::new();
    for removal in removals {
        let removed = removal.await;
        failures.extend(removed.err().filter(|error| !error.is_not_found()));
    }
    failures
}

fn outcome(failures: Vec<RuntimeError>) -> Result<(), DeadError> {
    let count = failures.len();
    match failures.into_iter().next() {
        Some(source) => Err(DeadError::Remove { count, source }),
        None => Ok(()),
    }
}
