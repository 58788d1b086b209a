//! When a thing that failed may be tried again: pure.

#![deny(clippy::disallowed_methods)]

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The first wait.
const FIRST: Duration = Duration::from_secs(10);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(300);

/// The failures of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    delay: Duration,
    failed_at: Timestamp,
    /// What the last failure was.
    pub(crate) cause: String,
}

impl Backoff {
    /// After a first failure.
    pub(crate) fn first(now: Timestamp, cause: String) -> Self {
        Self {
            delay: FIRST,
            failed_at: now,
            cause,
        }
    }

    /// After one more failure: twice as long, unless there was peace for long enough.
    pub(crate) fn again(&self, now: Timestamp, cause: String) -> Self {
        let peace = signed(LONGEST.saturating_mul(2));
        let delay = if now.duration_since(self.failed_at) > peace {
            FIRST
        } else {
            self.delay.saturating_mul(2).min(LONGEST)
        };
        Self {
            delay,
            failed_at: now,
            cause,
        }
    }

    /// How long it must still wait; zero when it need not.
    pub(crate) fn remaining(&self, now: Timestamp) -> Duration {
        let waited = now.duration_since(self.failed_at);
        // A clock that was set back must not make the wait longer than it is.
        let waited = waited.max(SignedDuration::ZERO);
        Duration::try_from(signed(self.delay) - waited).unwrap_or(Duration::ZERO)
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn the_wait_doubles_from_ten_seconds_to_five_minutes() {
        let mut backoff = Backoff::first(at(0), String::new());
        let mut waits = vec![backoff.remaining(at(0)).as_secs()];
        for _ in 0..6 {
            backoff = backoff.again(at(0), String::new());
            waits.push(backoff.remaining(at(0)).as_secs());
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn the_wait_runs_out() {
        let backoff = Backoff::first(at(100), String::new());
        assert_eq!(backoff.remaining(at(107)), Duration::from_secs(3));
        assert_eq!(backoff.remaining(at(111)), Duration::ZERO);
    }

    #[test]
    fn a_clock_set_back_does_not_stretch_the_wait() {
        let backoff = Backoff::first(at(100), String::new());
        assert_eq!(backoff.remaining(at(50)), Duration::from_secs(10));
    }

    #[test]
    fn after_ten_minutes_without_failure_it_starts_over() {
        let backoff = Backoff::first(at(0), String::new()).again(at(0), String::new());
        assert_eq!(
            backoff.again(at(601), String::new()).remaining(at(601)),
            FIRST
        );
    }
}
