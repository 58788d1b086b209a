//! CPU use in cores, from two samples of CPU time.
//!
//! ```text
//!  query          query  query                  query
//!    ├──────────────┼──────┤                      │
//!  older          newer    └ too close to newer:  └ newer becomes older,
//!                            measured from older    this one is the newer
//! ```
//!
//! Each query measures from the sample of an earlier one. Two clients that ask right after each
//! other do not spoil each other's answer: a window is never shorter than [`SHORTEST`].
#![deny(clippy::disallowed_methods)]

/// The shortest time that a rate is computed over.
const SHORTEST: u64 = 1_000_000_000;

/// How long a container may have run to be measured from its start, when nobody has asked before.
const YOUNG: u64 = 60_000_000_000;

/// CPU time at a moment, both in nanoseconds; the moment by a clock that never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) at: u64,
    pub(super) used: u64,
}

/// The samples that the next rate is measured from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    older: Option<Sample>,
    newer: Sample,
}

impl Window {
    /// Takes the first sample in. A container that began to run a short while ago had used nothing
    /// then, which is a sample too; `age` is how long it runs.
    pub(super) fn begin(sample: Sample, age: Option<u64>) -> (Self, Option<u64>) {
        let born = age
            .filter(|age| (SHORTEST..=YOUNG).contains(age))
            .map(|age| Sample {
                at: sample.at.saturating_sub(age),
                used: 0,
            });
        let window = Self {
            older: born,
            newer: sample,
        };
        (window, born.and_then(|born| rate(born, sample)))
    }

    /// Takes a sample in: the billionths of a core used since an earlier one, when there is one.
    pub(super) fn observe(&mut self, sample: Sample) -> Option<u64> {
        // Counted anew: another cgroup has taken the name.
        if sample.used < self.newer.used {
            *self = Self {
                older: None,
                newer: sample,
            };
            return None;
        }
        if sample.at.saturating_sub(self.newer.at) >= SHORTEST {
            let older = self.newer;
            *self = Self {
                older: Some(older),
                newer: sample,
            };
        }
        self.older.and_then(|older| rate(older, sample))
    }
}

fn rate(from: Sample, to: Sample) -> Option<u64> {
    let (time, used) = (to.at.checked_sub(from.at)?, to.used.checked_sub(from.used)?);
    let cores = u128::from(used) * 1_000_000_000 / u128::from(time).max(1);
    u64::try_from(cores).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn sample(at: u64, used: u64) -> Sample {
        Sample { at, used }
    }

    #[test]
    fn half_a_core_is_half_a_billion() {
        let (mut window, first) = Window::begin(sample(100 * SECOND, 7 * SECOND), None);
        assert_eq!(first, None);
        let rate = window.observe(sample(110 * SECOND, 12 * SECOND));
        assert_eq!(rate, Some(SECOND / 2));
    }

    #[test]
    fn a_second_client_does_not_spoil_the_window_of_the_first() {
        let (mut window, _) = Window::begin(sample(100 * SECOND, 0), None);
        window.observe(sample(110 * SECOND, 5 * SECOND));
        // A millisecond later, in which nothing was used: still measured over ten seconds.
        let soon = window.observe(sample(110 * SECOND + 1_000_000, 5 * SECOND));
        assert!(
            (499_000_000..=500_000_000).contains(&soon.unwrap()),
            "{soon:?}"
        );
        let next = window.observe(sample(120 * SECOND, 15 * SECOND));
        assert_eq!(next, Some(SECOND));
    }

    #[test]
    fn a_young_container_is_measured_from_its_start() {
        let (_, rate) = Window::begin(sample(100 * SECOND, 2 * SECOND), Some(4 * SECOND));
        assert_eq!(rate, Some(SECOND / 2));
        for age in [None, Some(1000), Some(3600 * SECOND)] {
            let (_, rate) = Window::begin(sample(100 * SECOND, 2 * SECOND), age);
            assert_eq!(rate, None, "{age:?}");
        }
    }

    #[test]
    fn a_counter_that_goes_back_begins_anew() {
        let (mut window, _) = Window::begin(sample(100 * SECOND, 9 * SECOND), None);
        assert_eq!(window.observe(sample(110 * SECOND, SECOND)), None);
        assert_eq!(
            window.observe(sample(120 * SECOND, 2 * SECOND)),
            Some(SECOND / 10)
        );
    }
}
