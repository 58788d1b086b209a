//! How many images are pulled at once, and how often a pull may begin.

use std::sync::Mutex;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// What is configured about pulls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PullSettings {
    /// How many there are at once; nothing for any number (`serializeImagePulls`,
    /// `maxParallelImagePulls`).
    pub at_once: Option<usize>,
    /// How many begin in a second, in the long run; 0 for any number (`registryPullQPS`).
    pub per_second: u32,
    /// How many may begin at once after a rest (`registryBurst`).
    pub burst: u32,
}

impl Default for PullSettings {
    fn default() -> Self {
        Self {
            at_once: Some(1),
            per_second: 5,
            burst: 10,
        }
    }
}

/// A pull was one too many for now.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("pull QPS exceeded")]
pub(super) struct TooOften;

/// Where pulls wait for their turn, who came first first.
pub(super) struct Gate {
    places: Option<Semaphore>,
    rate: Option<Mutex<Bucket>>,
}

impl Gate {
    pub(super) fn new(settings: PullSettings) -> Self {
        let PullSettings {
            at_once,
            per_second,
            burst,
        } = settings;
        let bucket = Bucket::full(per_second.into(), burst.into(), Instant::now());
        Self {
            places: at_once.map(Semaphore::new),
            rate: (per_second > 0).then(|| Mutex::new(bucket)),
        }
    }

    /// Waits for a place, which is free again when what is returned is dropped.
    pub(super) async fn enter(&self) -> Result<Option<SemaphorePermit<'_>>, TooOften> {
        let place = match &self.places {
            Some(places) => Some(places.acquire().await.expect("it is never closed")),
            None => None,
        };
        let rate = self.rate.as_ref().map(|rate| {
            let mut bucket = rate.lock().expect("no holder of this lock can panic");
            bucket.take(Instant::now())
        });
        match rate {
            None | Some(true) => Ok(place),
            Some(false) => Err(TooOften),
        }
    }
}

/// Tokens that come back with time.
struct Bucket {
    per_second: f64,
    most: f64,
    tokens: f64,
    as_of: Instant,
}

impl Bucket {
    fn full(per_second: f64, most: f64, now: Instant) -> Self {
        Self {
            per_second,
            most,
            tokens: most,
            as_of: now,
        }
    }

    /// Takes a token, if there is one.
    fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.as_of);
        self.as_of = now;
        self.tokens = (self.tokens + passed.as_secs_f64() * self.per_second).min(self.most);
        let is_there = self.tokens >= 1.0;
        if is_there {
            self.tokens -= 1.0;
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn after_a_burst_pulls_begin_as_often_as_tokens_come_back() {
        let start = Instant::now();
        let mut bucket = Bucket::full(5.0, 2.0, start);
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let rows = [
            (0, true),
            (0, true),
            (0, false),
            (150, false),
            (250, true),
            (300, false),
            (60_000, true),
            (60_000, true),
            (60_000, false),
        ];
        for (milliseconds, expected) in rows {
            assert_eq!(bucket.take(at(milliseconds)), expected, "{milliseconds}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_have_a_place_at_once() {
        let gate = Gate::new(PullSettings {
            at_once: Some(1),
            per_second: 0,
            burst: 0,
        });
        let first = gate.enter().await.unwrap();
        let second = tokio::time::timeout(Duration::from_secs(9), gate.enter()).await;
        assert!(second.is_err(), "it waits");
        drop(first);
        assert!(gate.enter().await.is_ok());
    }
}
