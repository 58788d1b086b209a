//! How often may be asked: as often as upstream lets: pure.

#![deny(clippy::disallowed_methods)]

use std::time::Duration;

/// So many at once.
const BURST: u32 = 10;
/// After these, one each of this time.
const EACH: Duration = Duration::from_millis(10);

/// Counts down what may still be asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Limit {
    /// When all may be asked again.
    full_at: Duration,
}

impl Limit {
    /// Whether it may be asked now, so long after the beginning.
    pub(super) fn takes(&mut self, now: Duration) -> bool {
        let full_at = self.full_at.max(now) + EACH;
        let may = full_at <= now + EACH * BURST;
        if may {
            self.full_at = full_at;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_burst_it_may_be_asked_a_hundred_times_a_second() {
        let at = Duration::from_millis;
        let mut limit = Limit::default();
        let taken = (0..20).filter(|_| limit.takes(at(0))).count();
        assert_eq!(taken, 10);
        assert!(!limit.takes(at(9)));
        assert!(limit.takes(at(10)));
        assert!(!limit.takes(at(10)));
        let taken = (0..20).filter(|_| limit.takes(at(1000))).count();
        assert_eq!(taken, 10);
    }
}
