//! CPU time, and time lost to waiting.
#![deny(clippy::disallowed_methods)]

use super::family::{Facts, Family, Kind, OfContainer, seconds};
use crate::stats::usage::{Cpu, Pressures, Stall};

pub(super) const FAMILIES: [Family<OfContainer>; 12] = [
    Family {
        name: "container_cpu_usage_seconds_total",
        help: "CPU time used, in whole seconds.",
        kind: Kind::Counter,
        labels: &["cpu"],
        values: |facts, values| values.labelled(&["total"], seconds(cpu(facts)?.total)),
    },
    Family {
        name: "container_cpu_user_seconds_total",
        help: "CPU time used in user mode, in whole seconds.",
        kind: Kind::Counter,
        labels: &[],
        values: |facts, values| values.push(seconds(cpu(facts)?.user)),
    },
    Family {
        name: "container_cpu_system_seconds_total",
        help: "CPU time used in the kernel, in whole seconds.",
        kind: Kind::Counter,
        labels: &[],
        values: |facts, values| values.push(seconds(cpu(facts)?.system)),
    },
    Family {
        name: "container_cpu_cfs_periods_total",
        help: "Enforcement periods of the CPU quota that have passed.",
        kind: Kind::Counter,
        labels: &[],
        values: |facts, values| values.push(cpu(facts)?.periods),
    },
    Family {
        name: "container_cpu_cfs_throttled_periods_total",
        help: "Periods in which the CPU quota was used up.",
        kind: Kind::Counter,
        labels: &[],
        values: |facts, values| values.push(cpu(facts)?.throttled_periods),
    },
    Family {
        name: "container_cpu_cfs_throttled_seconds_total",
        help: "Time for which the CPU quota held the container back, in whole seconds.",
        kind: Kind::Counter,
        labels: &[],
        values: |facts, values| values.push(seconds(cpu(facts)?.throttled)),
    },
    Family {
        name: "container_pressure_cpu_waiting_seconds_total",
        help: "Time in which a task waited for a CPU, in whole seconds.",
        kind: Kind::Counter,
        labels: &[],
        values: |facts, values| values.push(stalled(pressure(facts)?.cpu?.some)),
    },
    Family {
        name: "container_pressure_cpu_stalled_seconds_total",
        help: "Time in which all tasks waited for a CPU, in whole seconds.",
        kind: Kind::Counter,
        labels: &[],
        values: |facts, values| values.push(stalled(pressure(facts)?.cpu?.full)),
    },
    Family {
        name: "container_pressure_memory_waiting_seconds_total",
        help: "Time in which a task waited for memory, in whole seconds.",
        kind: Kind::Counter,
        labels: &[],
        values: |facts, values| values.push(stalled(pressure(facts)?.memory?.some)),
    },
    Family {
        name: "container_pressure_memory_stalled_seconds_total",
        help: "Time in which all tasks waited for memory, in whole seconds.",
        kind: Kind::Counter,
        labels: &[],
        values: |facts, values| values.push(stalled(pressure(facts)?.memory?.full)),
    },
    Family {
        name: "container_pressure_io_waiting_seconds_total",
        help: "Time in which a task waited for a device, in whole seconds.",
        kind: Kind::Counter,
        labels: &[],
        values: |facts, values| values.push(stalled(pressure(facts)?.io?.some)),
    },
    Family {
        name: "container_pressure_io_stalled_seconds_total",
        help: "Time in which all tasks waited for a device, in whole seconds.",
        kind: Kind::Counter,
        labels: &[],
        values: |facts, values| values.push(stalled(pressure(facts)?.io?.full)),
    },
];

fn cpu(facts: &Facts<'_>) -> Option<Cpu> {
    facts.usage()?.cpu
}

fn pressure(facts: &Facts<'_>) -> Option<Pressures> {
    Some(facts.usage()?.pressure)
}

/// The kernel counts microseconds.
fn stalled(stall: Stall) -> u64 {
    stall.total / 1_000_000
}
