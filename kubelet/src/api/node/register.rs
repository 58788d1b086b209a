//! Registers the Node, and tells its status.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::plan::Placing;
use super::twin::{self, RegisterError};
use super::{NodeWishes, path, plan};
use crate::admit::NodeFacts;
use crate::api::client::{Client, Patch};
use crate::api::csi::NodeVolumes;
use crate::api::objects::age_of;
use crate::api::reflect::{News, Reflector};
use crate::cri::Runtime;
use crate::evict::Standing;
use crate::host;
use crate::metrics::StartupMetrics;
use crate::model::{Event, EventKind, StringMap};
use crate::node::Portrait;
use crate::sync::EventRecorder;

/// The first wait before a registration is tried again, and the longest, as upstream has it.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(7);

/// How often a Node is told to look at its status while it is not ready.
const UNREADY: Duration = Duration::from_secs(1);

/// What a registrar is made of.
pub(crate) struct RegistrarParts {
    pub(crate) client: Client,
    pub(crate) name: String,
    pub(crate) wishes: NodeWishes,
    pub(crate) portrait: Arc<Portrait>,
    /// What the node is short of: news of it are told at once.
    pub(crate) standing: watch::Receiver<Standing>,
    pub(crate) events: Arc<dyn EventRecorder>,
    /// The node as pods are let in to it: its labels are the cluster's.
    pub(crate) facts: watch::Sender<Arc<NodeFacts>>,
    /// Which volumes are in use, and which are attached.
    pub(crate) volumes: NodeVolumes,
    /// Where the Node's UID is told.
    pub(crate) uid: watch::Sender<Option<String>>,
    /// Where it is told how long answers about ConfigMaps and Secrets count.
    pub(crate) answers_age: watch::Sender<Option<Duration>>,
    /// Where it is told that no other machine has the node's name.
    pub(crate) alone: watch::Sender<bool>,
    /// Who is told which addresses pods get.
    pub(crate) runtime: Arc<dyn Runtime>,
    /// Where it is timed how a new node comes to be.
    pub(crate) startup: StartupMetrics,
}

/// Registers the Node, and tells its status.
pub(crate) struct Registrar {
    parts: RegistrarParts,
    /// As the server has it.
    node: Value,
    told: Instant,
    /// The addresses of pods, as the runtime was told last.
    pod_cidr: String,
    /// The machine that has the name, too, if that was told.
    twin: Option<String>,
    /// How its pods are placed, as was told last.
    placing: Placing,
    /// Whether this kubelet has told how it finds the node.
    is_introduced: bool,
}

impl Registrar {
    /// One that has told nothing yet.
    pub(crate) fn new(parts: RegistrarParts) -> Self {
        Self {
            parts,
            node: Value::Null,
            told: Instant::now(),
            pod_cidr: String::new(),
            twin: None,
            placing: Placing::Schedulable,
            is_introduced: false,
        }
    }

    /// Works until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        // What is given up is said by the next kubelet.
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.work(&shutdown) => {}
        }
    }

    async fn work(&mut self, shutdown: &CancellationToken) {
        self.meet().await;
        let path = format!(
            "/api/v1/nodes?fieldSelector=metadata.name%3D{}",
            self.parts.name
        );
        let (tell, mut news) = mpsc::channel(1);
        let reflector = Reflector::new(self.parts.client.clone(), path);
        let mut reflecting = std::pin::pin!(reflector.run(tell, shutdown.clone()));
        let mut next = Instant::now();
        loop {
            tokio::select! {
                () = &mut reflecting => return,
                Some(news) = news.recv() => self.hear(news),
                () = self.parts.volumes.changed() => next = self.tell().await,
                Ok(()) = self.parts.standing.changed() => next = self.tell().await,
                () = sleep_until(next) => next = self.tell().await,
            }
        }
    }

    /// Tries until the Node is there.
    async fn meet(&mut self) {
        let mut wait = FIRST_WAIT;
        loop {
            match self.register().await {
                Ok(node) => {
                    info!(
                        node = self.parts.name,
                        server = self.parts.client.server(),
                        "joined the cluster"
                    );
                    self.parts.alone.send_replace(true);
                    return self.know(node);
                }
                Err(error) => {
                    // Nobody has a Node that is not there.
                    if error.is_not_found() {
                        self.parts.alone.send_replace(true);
                    }
                    let error = &error as &dyn std::error::Error;
                    warn!(error, "cannot register the node; trying again");
                }
            }
            sleep(wait).await;
            wait = (2 * wait).min(LONGEST_WAIT);
        }
    }

    async fn register(&self) -> Result<Value, RegisterError> {
        let RegistrarParts {
            client,
            name,
            wishes,
            portrait,
            ..
        } = &self.parts;
        let path = path(name);
        let portrait = portrait.object().await;
        if wishes.register {
            let ours = plan::new_node(portrait.clone(), wishes);
            let startup = &self.parts.startup;
            startup.registering(Timestamp::now());
            match client.create("/api/v1/nodes", &ours).await {
                Ok(made) => {
                    startup.registered(Timestamp::now(), host::booted_at());
                    return Ok(made);
                }
                // It is there, or it may not be made and is there all the same.
                Err(error) if error.is_conflict() => {}
                Err(error) if client.get(&path).await.is_err() => return Err(error.into()),
                Err(_) => {}
            }
        }
        let existing = client.get(&path).await?;
        if let Some(machine) = plan::other_machine(&existing, &portrait)
            && twin::lives(client, name).await?
        {
            let name = name.clone();
            return Err(RegisterError::Twin { name, machine });
        }
        if plan::has_rebooted(&existing, &portrait) {
            let boot = &portrait["status"]["nodeInfo"]["bootID"];
            let boot = boot.as_str().unwrap_or_default();
            self.note(
                EventKind::Warning,
                "Rebooted",
                format!("Node {name} has been rebooted, boot id: {boot}"),
            );
        }
        match plan::reconcile(&existing, &portrait, wishes) {
            Some(patch) if wishes.register => Ok(client.patch(&path, Patch::Merge, &patch).await?),
            _ => Ok(existing),
        }
    }

    fn hear(&mut self, news: News) {
        match news {
            News::All(mut nodes) => match nodes.pop() {
                Some(node) => self.know(node),
                None => warn!(
                    node = self.parts.name,
                    "the cluster has no such Node any more"
                ),
            },
            News::Set(node) => self.know(node),
            News::Gone(_) => warn!(
                node = self.parts.name,
                "the Node was deleted from the cluster"
            ),
        }
    }

    fn know(&mut self, node: Value) {
        let uid = node["metadata"]["uid"].as_str().map(str::to_owned);
        self.parts.uid.send_if_modified(|known| {
            let is_new = *known != uid;
            *known = uid;
            is_new
        });
        self.parts.answers_age.send_replace(age_of(&node));
        let labels: StringMap =
            serde_json::from_value(node["metadata"]["labels"].clone()).unwrap_or_default();
        self.parts.facts.send_if_modified(|facts| {
            let is_new = facts.labels != labels;
            if is_new {
                Arc::make_mut(facts).labels = labels;
            }
            is_new
        });
        self.parts.volumes.know(&node);
        let placing = Placing::of(&node);
        if placing != self.placing {
            self.placing = placing;
            self.note_turn(placing.event());
        }
        self.node = node;
    }

    /// Tells the status if it is time; when it is looked at next.
    async fn tell(&mut self) -> Instant {
        self.hand_over_pod_cidr().await;
        let mut portrait = self.parts.portrait.object().await;
        self.look_for_twin(&portrait);
        self.introduce(&portrait);
        self.parts.volumes.describe(&mut portrait, &self.node);
        let wishes = &self.parts.wishes;
        let change = plan::status(&self.node, &portrait);
        let mut pause = wishes.update;
        if change.is_news || self.told.elapsed() >= wishes.report {
            let path = format!("{}/status", path(&self.parts.name));
            let client = self.parts.client.unpaced();
            let told = client.patch(&path, Patch::Strategic, &change.patch);
            match told.await {
                Ok(node) => {
                    self.note_turn_of_readiness(&node);
                    self.know(node);
                    if is_ready(&self.node) {
                        let startup = &self.parts.startup;
                        startup.ready(Timestamp::now(), host::booted_at());
                    }
                    self.told = Instant::now();
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    warn!(error, "the node's status is not told");
                }
            }
        }
        if !is_ready(&self.node) {
            pause = pause.min(UNREADY);
        }
        Instant::now() + pause
    }

    /// The cluster says which addresses the pods of its nodes get.
    async fn hand_over_pod_cidr(&mut self) {
        let cidr = pod_cidr(&self.node);
        if cidr.is_empty() || cidr == self.pod_cidr {
            return;
        }
        match self.parts.runtime.set_pod_cidr(&cidr).await {
            Ok(()) => {
                info!(original = self.pod_cidr, new = cidr, "updating Pod CIDR");
                self.pod_cidr = cidr;
            }
            Err(error) => warn!(%error, cidr, "failed to update pod CIDR"),
        }
    }

    /// A machine that comes later with the same name tells what it is over what this one has told.
    fn look_for_twin(&mut self, portrait: &Value) {
        let twin = plan::other_machine(&self.node, portrait);
        if let Some(machine) = &twin
            && self.twin != twin
        {
            let name = &self.parts.name;
            let message = format!(
                "another machine ({machine}) tells its status as node {name}: give one of both another \
                 name (--node-name)"
            );
            warn!("{message}");
            self.note(EventKind::Warning, "NodeNameConflict", message);
        }
        self.twin = twin.or(self.twin.take());
    }

    /// Each kubelet tells once how it finds the node; of pressures that come and go from then on tells who
    /// looks after them.
    fn introduce(&mut self, portrait: &Value) {
        if std::mem::replace(&mut self.is_introduced, true) {
            return;
        }
        for (kind, on, off) in [
            (
                "MemoryPressure",
                "NodeHasInsufficientMemory",
                "NodeHasSufficientMemory",
            ),
            (
                "DiskPressure",
                "NodeHasDiskPressure",
                "NodeHasNoDiskPressure",
            ),
            (
                "PIDPressure",
                "NodeHasInsufficientPID",
                "NodeHasSufficientPID",
            ),
        ] {
            if let Some(holds) = holds(portrait, kind) {
                self.note_turn(if holds { on } else { off });
            }
        }
    }

    /// An event of the node that has become ready, or is not any more.
    fn note_turn_of_readiness(&self, now: &Value) {
        let (before, now) = (holds(&self.node, "Ready"), holds(now, "Ready"));
        if let Some(now) = now.filter(|now| before != Some(*now)) {
            self.note_turn(if now { "NodeReady" } else { "NodeNotReady" });
        }
    }

    fn note_turn(&self, reason: &'static str) {
        let message = format!("Node {} status is now: {reason}", self.parts.name);
        self.note(EventKind::Normal, reason, message);
    }

    fn note(&self, kind: EventKind, reason: &'static str, message: String) {
        let event = Event::of_node(&self.parts.name, kind, reason, message);
        self.parts.events.record(event);
    }
}

/// Whether a condition of a Node holds; nothing when it has none.
fn holds(node: &Value, kind: &str) -> Option<bool> {
    let mut conditions = node["status"]["conditions"].as_array()?.iter();
    let condition = conditions.find(|one| one["type"] == kind)?;
    Some(condition["status"] == "True")
}

/// `podCIDRs`, or the only one.
fn pod_cidr(node: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match node["spec"]["podCIDRs"].as_array() {
        Some(all) => all.iter().map(text).collect::<Vec<_>>().join(","),
        None => text(&node["spec"]["podCIDR"]),
    }
}

fn is_ready(node: &Value) -> bool {
    holds(node, "Ready") == Some(true)
}
