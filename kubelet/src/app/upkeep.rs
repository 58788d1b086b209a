//! What keeps the node in order beside its pods.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Kubelet;
use crate::rotate::Rotator;
use crate::sync::SystemClock;

impl Kubelet {
    /// Starts the parts that need nothing of the sync loop.
    pub(super) fn start_upkeep(&self, parts: &mut JoinSet<&'static str>, stop: &CancellationToken) {
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
