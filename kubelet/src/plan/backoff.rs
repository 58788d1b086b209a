//! How long must a container that crashed wait before it is started again?
//!
//! Not at all the first time; then 10 s, doubling to 5 min or what is configured, counted from when it ended. A container
//! that ran for more than 10 min begins anew. What counts as the same container is its name and
//! hash: a changed one begins anew too.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{
    Container, ContainerHash, ContainerName, HeldBack, Pod, PodActions, PodObservation,
    StartContainer, StartReason,
};

const FIRST_DELAY: Duration = Duration::from_secs(10);
/// No wait is longer, unless it is configured.
pub const LONGEST_BACKOFF: Duration = Duration::from_secs(300);
const FORGIVEN_AFTER: Duration = Duration::from_secs(600);

/// What one pod's containers have to wait for, as long as the kubelet runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashBackoff {
    longest: Duration,
    entries: BTreeMap<ContainerName, Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    hash: ContainerHash,
    delay: Duration,
    restarted_at: Timestamp,
}

impl Default for CrashBackoff {
    fn default() -> Self {
        Self::new(LONGEST_BACKOFF)
    }
}

impl CrashBackoff {
    /// Nothing waits yet, and later never longer than this.
    #[must_use]
    pub fn new(longest: Duration) -> Self {
        Self {
            longest,
            entries: BTreeMap::new(),
        }
    }

    /// The wait of a container that ended at `finished_at`, if it is not over yet.
    pub fn wait(
        &self,
        container: &Container,
        finished_at: Timestamp,
        now: Timestamp,
    ) -> Option<HeldBack> {
        let entry = self.current(container, finished_at)?;
        let until = finished_at.checked_add(entry.delay).ok()?;
        let held = || HeldBack {
            name: container.name.clone(),
            until,
            delay: entry.delay,
        };
        (now < until).then(held)
    }

    /// Takes down that the plan's starts of containers that ended before happen now. One that somebody
    /// asked for is no crash.
    pub fn note_starts(
        &mut self,
        pod: &Pod,
        observation: &PodObservation,
        actions: &PodActions,
        now: Timestamp,
    ) {
        let is_crash = |start: &&StartContainer| {
            !matches!(start.reason, StartReason::Asked | StartReason::Resized)
        };
        for start in actions.start.iter().filter(is_crash) {
            let exit = observation
                .newest_exited(&start.name)
                .and_then(|seen| seen.state.exit());
            if let (Some(container), Some(exit)) = (pod.spec.container(&start.name), exit) {
                self.note_restart(container, exit.finished_at, now);
            }
        }
    }

    fn note_restart(&mut self, container: &Container, finished_at: Timestamp, now: Timestamp) {
        let delay = match self.current(container, finished_at) {
            Some(entry) => entry.delay * 2,
            None => FIRST_DELAY,
        };
        let delay = delay.min(self.longest);
        let entry = Entry {
            hash: container.hash,
            delay,
            restarted_at: now,
        };
        self.entries.insert(container.name.clone(), entry);
    }

    /// The entry that still counts for a container that ended at `finished_at`.
    fn current(&self, container: &Container, finished_at: Timestamp) -> Option<&Entry> {
        let entry = self.entries.get(&container.name)?;
        let ran = finished_at.duration_since(entry.restarted_at);
        let counts = entry.hash == container.hash && ran <= signed(FORGIVEN_AFTER);
        counts.then_some(entry)
    }
}

fn signed(duration: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(duration).expect("ten minutes fit")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::container;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    #[test]
    fn a_crashing_container_waits_twice_as_long_each_time_up_to_five_minutes() {
        let web = container("web");
        let mut backoff = CrashBackoff::default();
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..8 {
            // It ends the second it is started.
            let wait = backoff
                .wait(&web, at(now), at(now))
                .map_or(0, |held| held.delay.as_secs());
            waits.push(wait);
            let finished = now;
            now += i64::try_from(wait).unwrap();
            assert_eq!(backoff.wait(&web, at(finished), at(now)), None);
            backoff.note_restart(&web, at(finished), at(now));
        }
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn no_wait_is_longer_than_is_configured() {
        let web = container("web");
        for (longest, expected) in [(25, [10, 20, 25, 25]), (3, [3, 3, 3, 3])] {
            let mut backoff = CrashBackoff::new(Duration::from_secs(longest));
            let waits = [0; 4].map(|_| {
                backoff.note_restart(&web, at(0), at(0));
                let held = backoff.wait(&web, at(0), at(0)).unwrap();
                held.delay.as_secs()
            });
            assert_eq!(waits, expected);
        }
    }

    #[test]
    fn ten_minutes_of_running_are_forgiven() {
        let web = container("web");
        let mut backoff = CrashBackoff::default();
        backoff.note_restart(&web, at(0), at(0));
        backoff.note_restart(&web, at(10), at(10));
        assert!(backoff.wait(&web, at(610), at(610)).is_some());
        assert_eq!(backoff.wait(&web, at(611), at(611)), None);
        backoff.note_restart(&web, at(611), at(611));
        let held = backoff.wait(&web, at(612), at(612)).unwrap();
        assert_eq!(held.delay, FIRST_DELAY);
    }

    #[test]
    fn a_changed_container_does_not_wait_for_the_old_one() {
        let web = container("web");
        let mut backoff = CrashBackoff::default();
        backoff.note_restart(&web, at(0), at(0));
        let changed = Container {
            hash: ContainerHash(99),
            ..web
        };
        assert_eq!(backoff.wait(&changed, at(1), at(1)), None);
    }
}
