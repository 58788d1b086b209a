//! Quantiles of durations.

use std::time::Duration;

/// The median and the value that 95 of 100 samples do not exceed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Median, in milliseconds.
    pub p50: f64,
    /// 95th percentile, in milliseconds.
    pub p95: f64,
}

impl Summary {
    /// Of `samples` in any order; `None` of none.
    pub fn of(samples: impl IntoIterator<Item = Duration>) -> Option<Self> {
        let mut sorted: Vec<Duration> = samples.into_iter().collect();
        sorted.sort_unstable();
        Some(Self {
            p50: milliseconds(quantile(&sorted, 50)?),
            p95: milliseconds(quantile(&sorted, 95)?),
        })
    }
}

/// The smallest sample that is not exceeded by `percent` of all (the nearest rank).
fn quantile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(milliseconds: impl IntoIterator<Item = u64>) -> Option<Summary> {
        Summary::of(milliseconds.into_iter().map(Duration::from_millis))
    }

    #[test]
    fn the_quantiles_are_samples_that_occurred() {
        let expected = Summary {
            p50: 50.0,
            p95: 95.0,
        };
        assert_eq!(summary((1..=100).rev()), Some(expected));
    }

    #[test]
    fn one_sample_is_both_quantiles() {
        let expected = Summary { p50: 7.0, p95: 7.0 };
        assert_eq!(summary([7]), Some(expected));
    }

    #[test]
    fn of_forty_samples_two_may_be_slower_than_the_95th_percentile() {
        let samples = (0..38).map(|_| 5).chain([900, 900]);
        let expected = Summary { p50: 5.0, p95: 5.0 };
        assert_eq!(summary(samples), Some(expected));
    }

    #[test]
    fn nothing_has_no_quantiles() {
        assert_eq!(summary([]), None);
    }
}
