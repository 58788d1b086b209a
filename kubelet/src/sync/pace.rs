//! How long a worker waits before it looks at its pod again, if nobody wakes it.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::PodUid;
use crate::plan::LONGEST_BACKOFF;

/// How often pods are looked at, and how long containers that crash wait at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between two looks at a pod of which all is well, at least.
    pub resync: Duration,
    /// Before a container that crashes is started again, at most.
    pub longest_backoff: Duration,
}

/// A minute, and five.
impl Default for Pace {
    fn default() -> Self {
        Self {
            resync: Duration::from_secs(60),
            longest_backoff: LONGEST_BACKOFF,
        }
    }
}

/// After something went wrong that does not say when to try again.
pub(super) const AFTER_ERROR: Duration = Duration::from_secs(10);

/// After something went wrong, at least, whatever the runtime has to tell of the pod.
pub(super) const DEAF_AFTER_ERROR: Duration = Duration::from_secs(1);

/// The pause of a pod of which all is well: up to half as long again, another for each pod, so that
/// not all look at once.
pub(super) fn resync(uid: &PodUid, every: Duration) -> Duration {
    let sum = uid
        .as_str()
        .bytes()
        .fold(0_u32, |sum, byte| sum.rotate_left(5) ^ u32::from(byte));
    every + every * (sum % 1000) / 2000
}

/// How far away a moment is.
pub(super) fn until(moment: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(moment.duration_since(now)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_resync_at_different_times_between_a_minute_and_a_minute_and_a_half() {
        let pauses: Vec<_> = (0..20)
            .map(|index| resync(&format!("uid-{index}").into(), Pace::default().resync))
            .collect();
        assert!(
            pauses
                .iter()
                .all(|pause| (60..=90).contains(&pause.as_secs()))
        );
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
    }

    #[test]
    fn a_moment_that_has_passed_is_no_distance_away() {
        assert_eq!(until(Timestamp::UNIX_EPOCH, Timestamp::MAX), Duration::ZERO);
    }
}
