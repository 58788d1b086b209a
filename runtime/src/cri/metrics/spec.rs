//! What was asked for.
#![deny(clippy::disallowed_methods)]

use super::family::{Facts, Family, Kind, OfContainer, Values};

/// The kernel's own period, in microseconds.
const DEFAULT_PERIOD: u64 = 100_000;
/// The kernel's own weight.
const DEFAULT_SHARES: u64 = 1024;

pub(super) const FAMILIES: [Family<OfContainer>; 6] = [
    Family {
        name: "container_spec_cpu_period",
        help: "Period of the CPU quota, in microseconds.",
        kind: Kind::Gauge,
        labels: &[],
        values: |facts, values| {
            values.push(
                facts
                    .record
                    .config
                    .resources
                    .cpu_period
                    .unwrap_or(DEFAULT_PERIOD),
            )
        },
    },
    Family {
        name: "container_spec_cpu_quota",
        help: "CPU quota of each period, in microseconds; absent without one.",
        kind: Kind::Gauge,
        labels: &[],
        values: |facts, values| values.push(limit(facts.record.config.resources.cpu_quota)?),
    },
    Family {
        name: "container_spec_cpu_shares",
        help: "Weight among those who want CPU time.",
        kind: Kind::Gauge,
        labels: &[],
        values: |facts, values| {
            values.push(
                facts
                    .record
                    .config
                    .resources
                    .cpu_shares
                    .unwrap_or(DEFAULT_SHARES),
            )
        },
    },
    Family {
        name: "container_spec_memory_limit_bytes",
        help: "Memory limit; 0 is none.",
        kind: Kind::Gauge,
        labels: &[],
        values: |facts, values| {
            values.push(limit(facts.record.config.resources.memory_limit).unwrap_or(0))
        },
    },
    Family {
        name: "container_spec_memory_swap_limit_bytes",
        help: "Limit of memory and swap; 0 is none.",
        kind: Kind::Gauge,
        labels: &[],
        values: |facts, values| {
            values.push(limit(facts.record.config.resources.memory_swap_limit).unwrap_or(0))
        },
    },
    Family {
        name: "container_spec_memory_reservation_limit_bytes",
        help: "Memory that is protected from being taken back; 0 is none.",
        kind: Kind::Gauge,
        labels: &[],
        values: reservation,
    },
];

/// A limit that is set and not "any".
fn limit(asked: Option<i64>) -> Option<u64> {
    asked.and_then(|limit| u64::try_from(limit).ok())
}

fn reservation(facts: &Facts<'_>, values: &mut Values) -> Option<()> {
    let protected = facts.record.config.resources.unified.get("memory.min");
    values.push(protected.and_then(|text| text.parse().ok()).unwrap_or(0))
}
