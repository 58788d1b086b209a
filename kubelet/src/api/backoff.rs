//! How long to wait before the API server is asked again that did not answer: longer each time, and
//! never as long as another node, so that they do not come back together.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use tokio::time::Instant;

/// The first wait.
const FIRST: Duration = Duration::from_millis(500);

/// No wait is longer, but for chance.
const LONGEST: Duration = Duration::from_secs(30);

/// Waits that grow.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    waited: Instant,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self {
            next: FIRST,
            waited: Instant::now(),
        }
    }

    /// The next wait. After a time without any it is the first again.
    pub(super) fn next(&mut self) -> Duration {
        if self.waited.elapsed() > 4 * LONGEST {
            self.rest();
        }
        let wait = self.next;
        self.next = (2 * wait).min(LONGEST);
        self.waited = Instant::now();
        wait + Duration::from_millis(self.jitter(wait.as_millis().try_into().unwrap_or(1)))
    }

    /// All is well: the next wait is the first.
    pub(super) fn rest(&mut self) {
        self.next = FIRST;
    }

    /// Any number from 0 to 1.
    pub(super) fn chance(&self) -> f64 {
        const PARTS: u32 = 1 << 20;
        let part = self.jitter(u64::from(PARTS));
        f64::from(u32::try_from(part).unwrap_or(0)) / f64::from(PARTS)
    }

    /// Any number below this one.
    pub(super) fn jitter(&self, below: u64) -> u64 {
        // Each state of the standard library's hashes has random keys.
        RandomState::new().build_hasher().finish() % below.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_grow_to_an_end_and_are_short_again_after_a_success() {
        let mut backoff = Backoff::new();
        let mut last = Duration::ZERO;
        for _ in 0..10 {
            last = backoff.next();
            assert!(last < 2 * LONGEST);
        }
        assert!(last >= LONGEST);
        backoff.rest();
        assert!(backoff.next() < 2 * FIRST);
        backoff.next();
        tokio::time::advance(5 * LONGEST).await;
        assert!(backoff.next() < 2 * FIRST);
    }
}
