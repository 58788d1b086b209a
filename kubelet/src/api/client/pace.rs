//! How often the API server is asked (`kubeAPIQPS`, `kubeAPIBurst`).

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// Lets so many through in a second, and some more after a rest.
pub(in crate::api) struct Pace {
    per_second: f64,
    most: f64,
    /// Tokens that are left, which may be fewer than none, and when that was.
    tokens: Mutex<(f64, Instant)>,
}

impl Pace {
    /// Without a number per second everybody goes through at once.
    pub(in crate::api) fn new(per_second: u32, burst: u32) -> Self {
        let most = f64::from(burst.max(1));
        Self {
            per_second: per_second.into(),
            most,
            tokens: Mutex::new((most, Instant::now())),
        }
    }

    /// Waits for its turn. One that is cancelled has had it.
    pub(in crate::api) async fn wait(&self) {
        if self.per_second > 0.0 {
            tokio::time::sleep(self.take(Instant::now())).await;
        }
    }

    fn take(&self, now: Instant) -> Duration {
        let mut tokens = self
            .tokens
            .lock()
            .expect("no holder of this lock can panic");
        let passed = now.saturating_duration_since(tokens.1).as_secs_f64();
        let there = (tokens.0 + passed * self.per_second).min(self.most) - 1.0;
        *tokens = (there, now);
        Duration::from_secs_f64((-there).max(0.0) / self.per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn after_a_burst_requests_go_as_often_as_allowed() {
        let pace = Pace::new(2, 2);
        let begin = Instant::now();
        for expected in [0, 0, 500, 1000] {
            pace.wait().await;
            assert_eq!(begin.elapsed().as_millis(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_nobody_waits() {
        let pace = Pace::new(0, 0);
        let begin = Instant::now();
        for _ in 0..1000 {
            pace.wait().await;
        }
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }
}
