//! How much of the images' disk may be used, and how old an image may become: pure.
#![deny(clippy::disallowed_methods)]

use std::time::Duration;

use jiff::Timestamp;

use super::ledger::Unused;
use crate::config::Configuration;

/// How much of the images' disk may be used, and how old an image may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// From so many percent on, images are removed.
    pub high_percent: u64,
    /// Until so many percent are used.
    pub low_percent: u64,
    /// Younger ones stay: they may have come for a container that is about to start.
    pub least_age: Duration,
    /// Those that were not used for longer go in any case.
    pub most_age: Option<Duration>,
}

/// That a disk is fuller than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Excess {
    /// How full it is, in percent.
    pub(super) used_percent: u64,
    /// How many bytes shall be freed.
    pub(super) bytes: u64,
}

impl Policy {
    /// What is configured.
    #[must_use]
    pub fn of(configuration: &Configuration) -> Self {
        let percent = |number: i32| u64::try_from(number).unwrap_or(0);
        let most_age = configuration.image_maximum_gc_age.to_std();
        Self {
            high_percent: percent(configuration.image_gc_high_threshold_percent),
            low_percent: percent(configuration.image_gc_low_threshold_percent),
            least_age: configuration.image_minimum_gc_age.to_std(),
            most_age: Some(most_age).filter(|age| !age.is_zero()),
        }
    }

    /// Whether images are ever removed for what they take or for their age.
    pub(super) fn is_on(&self) -> bool {
        self.high_percent < 100 || self.most_age.is_some()
    }

    /// How much is to be freed of a disk of this size, with so much left.
    pub(super) fn excess(&self, capacity: u64, available: u64) -> Option<Excess> {
        let percent = |part: u64, whole: u64| u128::from(part) * 100 / u128::from(whole.max(1));
        let left = u64::try_from(percent(available.min(capacity), capacity)).unwrap_or(100);
        let used_percent = 100 - left;
        if used_percent < self.high_percent {
            return None;
        }
        let wanted = u128::from(capacity) * u128::from(100 - self.low_percent) / 100;
        let wanted = u64::try_from(wanted).unwrap_or(capacity);
        Some(Excess {
            used_percent,
            bytes: wanted.saturating_sub(available),
        })
    }

    /// Whether it may go to make room.
    pub(super) fn may_go(&self, image: &Unused, now: Timestamp) -> bool {
        age(image.seen_first, now) >= self.least_age
    }

    /// Whether it goes for its age alone. The kubelet must have run for as long, or it could not know.
    pub(super) fn is_too_old(&self, image: &Unused, began: Timestamp, now: Timestamp) -> bool {
        let Some(most) = self.most_age else {
            return false;
        };
        let is_unused = image.used_last.is_none_or(|used| age(used, now) > most);
        age(began, now) > most && is_unused
    }
}

fn age(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

/// Bytes as people read them: `512 B`, `1.5 GiB`.
pub(super) fn readable(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [
        ("TiB", 1 << 40),
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
    ];
    let unit = UNITS.into_iter().find(|(_, unit)| bytes >= *unit);
    let Some((name, unit)) = unit else {
        return format!("{bytes} B");
    };
    let tenths = (u128::from(bytes) * 10 + u128::from(unit) / 2) / u128::from(unit);
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}
