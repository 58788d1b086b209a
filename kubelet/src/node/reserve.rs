//! What is kept from pods: reservations, and what eviction would free: pure.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use super::object::binary;
use crate::config::Configuration;
use crate::model::Quantity;
use crate::pinning::CpuSet;

/// What is kept from pods, and how many there may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reserve {
    cpu_millis: u64,
    memory: u64,
    disk: u64,
    /// Of memory and disk, in percent, what eviction keeps free.
    memory_percent: u64,
    disk_percent: u64,
    max_pods: u64,
    pods_per_core: u64,
    storage: Storage,
}

/// Whether the disk is something that pods ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Storage {
    /// It is.
    #[default]
    Isolated,
    /// `localStorageCapacityIsolation` is off.
    Ignored,
}

impl Reserve {
    /// As configured; hard eviction thresholds have upstream's defaults when none are written.
    pub fn of(configuration: &Configuration) -> Self {
        let mut reserve = Self {
            max_pods: u64::try_from(configuration.max_pods).unwrap_or(0),
            pods_per_core: u64::try_from(configuration.pods_per_core).unwrap_or(0),
            storage: match configuration.local_storage_capacity_isolation {
                true => Storage::Isolated,
                false => Storage::Ignored,
            },
            ..Self::default()
        };
        for words in [&configuration.kube_reserved, &configuration.system_reserved] {
            reserve.cpu_millis += quantity(words.get("cpu")).map_or(0, |one| one.0);
            reserve.memory += quantity(words.get("memory")).map_or(0, |one| one.1);
            reserve.disk += quantity(words.get("ephemeral-storage")).map_or(0, |one| one.1);
        }
        // CPUs that are named come instead of all that is said of how many.
        let named = CpuSet::parse(&configuration.reserved_system_cpus).unwrap_or_default();
        if !named.is_empty() {
            reserve.cpu_millis = u64::try_from(named.len()).unwrap_or(u64::MAX) * 1000;
        }
        let hard = thresholds(configuration);
        if let Some(text) = hard.get("memory.available") {
            match text.strip_suffix('%') {
                Some(percent) => reserve.memory_percent = percent.parse().unwrap_or(0),
                None => reserve.memory += quantity(Some(text)).map_or(0, |one| one.1),
            }
        }
        if let Some(text) = hard.get("nodefs.available") {
            match text.strip_suffix('%') {
                Some(percent) => reserve.disk_percent = percent.parse().unwrap_or(0),
                None => reserve.disk += quantity(Some(text)).map_or(0, |one| one.1),
            }
        }
        reserve
    }

    /// Thousandths of cores that are kept.
    pub fn reserved_cpu_millis(&self) -> u64 {
        self.cpu_millis
    }

    /// Bytes of memory that are kept.
    pub fn reserved_memory(&self, capacity: u64) -> u64 {
        self.memory + percent_of(capacity, self.memory_percent)
    }

    /// Thousandths of cores for pods.
    pub(super) fn cpu_millis(&self, cpus: u64) -> u64 {
        (cpus * 1000).saturating_sub(self.cpu_millis)
    }

    /// Bytes of memory for pods.
    pub(super) fn memory(&self, capacity: u64) -> u64 {
        capacity.saturating_sub(self.reserved_memory(capacity))
    }

    /// Whether pods may ask for room on the disk, and the node tells of it.
    pub(super) fn has_storage(&self) -> bool {
        self.storage == Storage::Isolated
    }

    /// Bytes of the disk for pods.
    pub(super) fn disk(&self, capacity: u64) -> u64 {
        if !self.has_storage() {
            return 0;
        }
        capacity.saturating_sub(self.disk + percent_of(capacity, self.disk_percent))
    }

    /// What more is kept of than there is: a sentence for each resource.
    pub(super) fn excess(&self, (cpus, memory, disk): (u64, u64, u64)) -> Vec<String> {
        let of = |kept: u64, percent: u64, capacity: u64| kept + percent_of(capacity, percent);
        let rows = [
            ("cpu", self.cpu_millis, cpus * 1000),
            (
                "memory",
                of(self.memory, self.memory_percent, memory),
                memory,
            ),
            (
                "ephemeral-storage",
                of(self.disk, self.disk_percent, disk),
                disk,
            ),
        ];
        let too_much = rows
            .into_iter()
            .filter(|(_, kept, capacity)| *capacity > 0 && kept > capacity);
        let words = |name: &str, amount: u64| match name {
            "cpu" => format!("{amount}m"),
            _ => binary(amount),
        };
        let sentences = too_much.map(|(name, kept, capacity)| {
            format!(
                "Resource {name:?} has a reservation of {} but capacity of {}. \
                 Expected capacity >= reservation.",
                words(name, kept),
                words(name, capacity)
            )
        });
        sentences.collect()
    }

    /// How many pods there may be.
    pub(super) fn pods(&self, cpus: u64) -> u64 {
        match self.pods_per_core {
            0 => self.max_pods,
            per_core => self.max_pods.min(per_core * cpus),
        }
    }
}

fn thresholds(configuration: &Configuration) -> BTreeMap<String, String> {
    let written = &configuration.eviction_hard;
    if !written.is_empty() && !configuration.merge_default_eviction_settings {
        return written.clone();
    }
    let defaults = [("memory.available", "100Mi"), ("nodefs.available", "10%")];
    let mut all: BTreeMap<_, _> = defaults
        .map(|(signal, value)| (signal.to_owned(), value.to_owned()))
        .into();
    all.extend(written.clone());
    all
}

/// In thousandths and in whole units.
fn quantity(text: Option<&String>) -> Option<(u64, u64)> {
    let quantity = Quantity::parse(text?).ok()?;
    Some((
        u64::try_from(quantity.millis()).ok()?,
        u64::try_from(quantity.units()).ok()?,
    ))
}

fn percent_of(capacity: u64, percent: u64) -> u64 {
    u64::try_from(u128::from(capacity) * u128::from(percent) / 100).unwrap_or(u64::MAX)
}
