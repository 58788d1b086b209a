//! What is configured of eviction.
#![deny(clippy::disallowed_methods)]

use std::time::Duration;

use super::{Threshold, thresholds};
use crate::config::Configuration;
use crate::model::Quantity;

/// What is configured of eviction.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// What must be left of what.
    pub thresholds: Vec<Threshold>,
    /// How long a pressure is told after it was seen last.
    pub transition: Duration,
    /// How long pods may take to end for a soft threshold.
    pub most_grace: Duration,
    /// Bytes of memory that are kept for others than pods.
    pub reserved_memory: u64,
    /// Whether limits of local storage are held.
    pub limits: StorageLimits,
}

/// Whether limits of local storage are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageLimits {
    /// They are.
    Held,
    /// `localStorageCapacityIsolation` is off.
    Ignored,
}

impl Policy {
    /// What is configured, and found valid.
    #[must_use]
    pub fn of(configuration: &Configuration) -> Self {
        let seconds = u64::try_from(configuration.eviction_max_pod_grace_period).unwrap_or(0);
        Self {
            thresholds: thresholds(configuration).0,
            transition: configuration.eviction_pressure_transition_period.to_std(),
            most_grace: Duration::from_secs(seconds),
            reserved_memory: reserved(configuration),
            limits: if configuration.local_storage_capacity_isolation {
                StorageLimits::Held
            } else {
                StorageLimits::Ignored
            },
        }
    }
}

fn reserved(configuration: &Configuration) -> u64 {
    let all = [&configuration.kube_reserved, &configuration.system_reserved];
    let of_memory = all.into_iter().filter_map(|words| {
        let quantity = Quantity::parse(words.get("memory")?).ok()?;
        u64::try_from(quantity.units()).ok()
    });
    of_memory.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_storage_are_held_and_soft_evictions_have_no_grace_unless_told() {
        let usual = Policy::of(&Configuration::default());
        assert_eq!(usual.limits, StorageLimits::Held);
        assert_eq!(usual.most_grace, Duration::ZERO);
        let told = Policy::of(&Configuration {
            local_storage_capacity_isolation: false,
            eviction_max_pod_grace_period: 20,
            ..Configuration::default()
        });
        assert_eq!(told.limits, StorageLimits::Ignored);
        assert_eq!(told.most_grace, Duration::from_secs(20));
    }
}
