//! How a worker waits between its steps.

use std::time::Duration;

use crate::sync::Roles;
use crate::sync::pace::DEAF_AFTER_ERROR;

use super::{Next, State, Worker};

impl<R: Roles> Worker<R> {
    /// Waits as told; whether the worker goes on.
    pub(super) async fn rest(&mut self, next: Next) -> bool {
        // Waiting is cancelled by any arm without loss: orders and verdicts stay in their channels.
        match next {
            Next::Step => true,
            Next::Gone => false,
            Next::Sleep => self.orders.changed().await.is_ok(),
            Next::Pause(pause) => self.pause(pause).await,
            Next::Retry(pause) => {
                let deaf = pause.min(DEAF_AFTER_ERROR);
                self.rest_deaf(deaf).await && self.pause(pause - deaf).await
            }
        }
    }

    /// Waits, or until the goal changes; whether the loop still gives orders.
    async fn rest_deaf(&mut self, deaf: Duration) -> bool {
        let current = (self.state == State::Syncing)
            .then(|| self.pod.clone())
            .flatten();
        let mut orders = self.orders.clone();
        let news = orders.wait_for(|new| new.is_news_to(current.as_ref()));
        match tokio::time::timeout(deaf, news).await {
            Ok(Ok(_)) | Err(_) => true,
            Ok(Err(_)) => false,
        }
    }

    async fn pause(&mut self, pause: Duration) -> bool {
        let mut news = self.probing.news();
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            () = news.come() => true,
            changed = self.orders.changed() => changed.is_ok(),
        }
    }
}
