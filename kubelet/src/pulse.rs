//! Whether the kubelet lives: what has to happen every now and then, and when it did last.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Two relists may be missed, and what lies between is long for a list.
const RELIST_THRESHOLD: Duration = Duration::from_secs(3 * 60);
/// The loop only hands out; it beats each minute even if nothing happens.
const LOOP_THRESHOLD: Duration = Duration::from_secs(5 * 60);

/// The pulse of one kubelet; a clone is the same one. It begins with a beat of everything.
#[derive(Clone, Debug)]
pub struct Pulse(Arc<Beats>);

#[derive(Debug)]
struct Beats {
    began: Instant,
    relist: AtomicU64,
    sync_loop: AtomicU64,
}

/// One check of a kubelet's health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// What is wrong with it.
    pub problem: Option<String>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self(Arc::new(Beats {
            began: Instant::now(),
            relist: AtomicU64::new(0),
            sync_loop: AtomicU64::new(0),
        }))
    }
}

impl Pulse {
    /// Everything in the runtime was listed.
    pub fn relisted(&self) {
        self.beat(&self.0.relist);
    }

    /// The sync loop took its turn.
    pub fn looped(&self) {
        self.beat(&self.0.sync_loop);
    }

    /// How it is now.
    pub fn checks(&self) -> [Check; 2] {
        [
            self.check("pleg", &self.0.relist, RELIST_THRESHOLD),
            self.check("syncloop", &self.0.sync_loop, LOOP_THRESHOLD),
        ]
    }

    fn beat(&self, what: &AtomicU64) {
        what.store(self.passed().as_secs(), Ordering::Relaxed);
    }

    fn check(&self, name: &'static str, last: &AtomicU64, threshold: Duration) -> Check {
        let last = Duration::from_secs(last.load(Ordering::Relaxed));
        let age = self.passed().saturating_sub(last);
        let problem = (age > threshold).then(|| {
            format!(
                "{name} was last seen active {}s ago; threshold is {}s",
                age.as_secs(),
                threshold.as_secs()
            )
        });
        Check { name, problem }
    }

    fn passed(&self) -> Duration {
        self.0.began.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(pulse: &Pulse) -> Vec<String> {
        let checks = pulse.checks().into_iter();
        checks.filter_map(|check| check.problem).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_beat_is_named() {
        let pulse = Pulse::default();
        assert_eq!(problems(&pulse), Vec::<String>::new());
        tokio::time::advance(Duration::from_secs(200)).await;
        assert_eq!(
            problems(&pulse),
            ["pleg was last seen active 200s ago; threshold is 180s"]
        );
        tokio::time::advance(Duration::from_secs(200)).await;
        assert_eq!(problems(&pulse).len(), 2);
        pulse.clone().relisted();
        pulse.clone().looped();
        assert_eq!(problems(&pulse), Vec::<String>::new());
    }
}
