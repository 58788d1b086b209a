//! Ends pods when the machine goes down, and lets it go then.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1 as core;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::plan::{Class, Share, classes, grace, has_ended};
use super::record::Record;
use super::{Machine, News};
use crate::admit::NodeFacts;
use crate::evict::Standing;
use crate::metrics::UpkeepMetrics;
use crate::model::{Demise, Event, EventKind, PodUid};
use crate::server::PodTable;
use crate::sync::{Clock, EventRecorder, Input};
use crate::watched::Watched as _;

/// What a keeper needs.
pub struct KeeperParts {
    /// Takes down what happened.
    pub events: Arc<dyn EventRecorder>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Every pod of the node.
    pub pods: Arc<PodTable>,
    /// Where pods are given up.
    pub inbox: mpsc::Sender<Input>,
    /// Who wants to know how the node stands.
    pub standing: watch::Sender<Standing>,
    /// The node, as pods are let in to it.
    pub node: watch::Sender<Arc<NodeFacts>>,
    /// The node.
    pub node_name: String,
    /// Who has how long.
    pub shares: Vec<Share>,
    /// Where the kubelet's files are.
    pub root: PathBuf,
    /// Where it is told when the last shutdown was.
    pub metrics: UpkeepMetrics,
}

/// Ends pods when the machine goes down.
pub struct Keeper {
    parts: KeeperParts,
    /// What holds the shutdown up as long as it is open.
    lock: Option<OwnedFd>,
}

impl Keeper {
    /// A keeper that has heard of nothing.
    pub fn new(parts: KeeperParts) -> Self {
        Self { parts, lock: None }
    }

    /// Works until `shutdown` of the kubelet, which lets the machine go.
    pub async fn run(mut self, mut news: mpsc::Receiver<News>, shutdown: CancellationToken) {
        self.remember();
        // Pods that were told to end go on ending.
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.work(&mut news) => {}
        }
    }

    async fn work(&mut self, news: &mut mpsc::Receiver<News>) {
        while let Some(one) = news.recv().await {
            match one {
                News::Lock(lock) => self.lock = Some(lock),
                News::GoesDown => self.go_down().await,
                News::Stays => {
                    self.note("Shutdown manager detected shutdown cancellation");
                    self.tell(Machine::Stays);
                }
            }
        }
    }

    async fn go_down(&mut self) {
        self.note("Shutdown manager detected shutdown event");
        self.tell(Machine::GoesDown);
        let mut record = Record {
            began: Some(self.parts.clock.now()),
            ended: None,
        };
        self.record(record);
        let pods = self.parts.pods.all().into_iter();
        let active = pods.filter(|pod| !has_ended(pod)).collect();
        for class in classes(&self.parts.shares, active) {
            self.end(class).await;
        }
        record.ended = Some(self.parts.clock.now());
        self.record(record);
        info!("the machine is not held up any more");
        self.lock = None;
    }

    /// Ends a class of pods, and waits until they have ended or their time is over.
    async fn end(&self, (share, pods): Class) {
        info!(
            priority = share.priority,
            seconds = share.seconds,
            pods = pods.len(),
            "ending pods"
        );
        let mut waited_for = BTreeSet::new();
        for pod in &pods {
            let Some(uid) = pod.metadata.uid.as_deref().map(PodUid::from) else {
                continue;
            };
            let order = Input::Fail {
                uid: uid.clone(),
                demise: Arc::new(Demise::shutdown()),
                grace: Some(grace(share, pod)),
            };
            // A loop that has ended has no pods to end.
            if self.parts.inbox.send(order).await.is_ok() {
                waited_for.insert(uid);
            }
        }
        let ended = self.wait_for(&waited_for);
        if timeout(Duration::from_secs(share.seconds), ended)
            .await
            .is_err()
        {
            warn!(
                priority = share.priority,
                "not all pods have ended in their time"
            );
        }
    }

    async fn wait_for(&self, pods: &BTreeSet<PodUid>) {
        loop {
            let (there, mut news) = self.parts.pods.look();
            let is_left =
                |(uid, pod): (&PodUid, &Arc<core::Pod>)| pods.contains(uid) && !has_ended(pod);
            if !there.iter().any(is_left) {
                return;
            }
            // Whatever it is, everything is looked at again.
            let _ = news.recv().await;
        }
    }

    /// Whoever lets pods in, or shows the node, knows from now on.
    fn tell(&self, machine: Machine) {
        self.parts
            .node
            .send_modify(|node| Arc::make_mut(node).machine = machine);
        self.parts
            .standing
            .send_modify(|standing| standing.machine = machine);
    }

    fn note(&self, message: &str) {
        let (node, kind) = (&self.parts.node_name, EventKind::Normal);
        let event = Event::of_node(node, kind, "NodeShutdown", message.to_owned());
        self.parts.events.record(event);
    }

    fn record(&self, record: Record) {
        if let Err(error) = record.write(&self.parts.root) {
            warn!(%error, "when the shutdown was is not recorded");
        }
        self.parts.metrics.shutdown(record.began, record.ended);
    }

    /// Tells of the shutdown before this kubelet.
    fn remember(&self) {
        match Record::read(&self.parts.root) {
            Ok(record) => self.parts.metrics.shutdown(record.began, record.ended),
            Err(error) => warn!(%error, "when the last shutdown was is not known"),
        }
    }
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
