//! What waits for the machine's shutdown, when somebody shall.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Kubelet;
use crate::shutdown::{Keeper, KeeperParts, LogindWatch, total};
use crate::sync::{Input, SystemClock};

/// News that wait for the keeper while it ends pods.
const NEWS: usize = 16;

impl Kubelet {
    /// Starts who ends pods before the machine goes down, and who hears of that.
    pub(super) fn start_shutdown(
        &self,
        parts: &mut JoinSet<&'static str>,
        inbox: &mpsc::Sender<Input>,
        stop: &CancellationToken,
    ) {
        let settings = &self.settings;
        if settings.shutdown.is_empty() {
            return;
        }
        let (tell, news) = mpsc::channel(NEWS);
        let watch = LogindWatch {
            needed: total(&settings.shutdown),
            drop_ins: settings.logind_drop_ins.clone(),
        };
        let to_watch = stop.clone();
        parts.spawn(async move {
            watch.run(tell, to_watch).await;
            "watch of the machine's shutdown"
        });
        let keeper = Keeper::new(KeeperParts {
            events: Arc::clone(&self.events) as _,
            clock: Arc::new(SystemClock),
            pods: Arc::clone(&self.pods),
            inbox: inbox.clone(),
            standing: self.standing.clone(),
            node: self.node.clone(),
            node_name: settings.node_name.clone(),
            shares: settings.shutdown.clone(),
            root: settings.root.clone(),
            metrics: self.metrics.upkeep().clone(),
        });
        let stop = stop.clone();
        parts.spawn(async move {
            keeper.run(news, stop).await;
            "keeper of the machine's shutdown"
        });
    }
}
