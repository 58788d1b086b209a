//! What keeps the node in order beside its pods.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Kubelet;
use crate::collect::ImageCollector;
use crate::oom::OomWatcher;
use crate::rotate::Rotator;
use crate::sync::SystemClock;

impl Kubelet {
    /// Starts the parts that need nothing of the sync loop.
    pub(super) fn start_upkeep(&self, parts: &mut JoinSet<&'static str>, stop: &CancellationToken) {
        let (images, _) = ImageCollector::new(
            Arc::clone(&self.runtime),
            Arc::clone(&self.events) as _,
            Arc::new(SystemClock),
            (&self.settings.node_name, self.settings.image_collection),
        );
        let to_images = stop.clone();
        parts.spawn(async move {
            images.run(to_images).await;
            "image collector"
        });
        let oom = OomWatcher::new(Arc::clone(&self.events) as _, &self.settings.node_name);
        let to_oom = stop.clone();
        parts.spawn(async move {
            oom.run(to_oom).await;
            "OOM watcher"
        });
        if let Some(policy) = self.settings.log_rotation {
            let rotator = Rotator::new(Arc::clone(&self.runtime), Arc::new(SystemClock), policy);
            let stop = stop.clone();
            parts.spawn(async move {
                rotator.run(stop).await;
                "log rotator"
            });
        }
    }
}
