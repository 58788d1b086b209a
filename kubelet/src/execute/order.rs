//! Who waits for whom when containers end together.

use std::collections::HashMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::model::{ContainerId, KillContainer};

/// The containers that end, each with a token that says when it has.
pub(super) struct Order {
    ended: HashMap<ContainerId, CancellationToken>,
}

impl Order {
    /// The order of these containers.
    pub(super) fn of(kills: &[KillContainer]) -> Self {
        let ended = kills
            .iter()
            .map(|kill| (kill.id.clone(), CancellationToken::new()));
        Self {
            ended: ended.collect(),
        }
    }

    /// Waits until those before a container have ended, but no longer than its grace period.
    pub(super) async fn wait_for_turn(&self, kill: &KillContainer, grace: Duration) {
        let before = kill.after.iter().filter_map(|id| self.ended.get(id));
        let all = async {
            for ended in before {
                ended.cancelled().await;
            }
        };
        // Who has waited for as long as it may waits no more.
        let _ = tokio::time::timeout(grace, all).await;
    }

    /// A container has ended, or will not: whoever waits for it need not any more.
    pub(super) fn has_ended(&self, kill: &KillContainer) {
        if let Some(ended) = self.ended.get(&kill.id) {
            ended.cancel();
        }
    }
}
