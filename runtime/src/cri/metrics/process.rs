//! Processes, and when they were there.
#![deny(clippy::disallowed_methods)]

use super::family::{Family, Kind, OfContainer, seconds};
use crate::model::ContainerState;

pub(super) const FAMILIES: [Family<OfContainer>; 8] = [
    Family {
        name: "container_processes",
        help: "Processes in the container.",
        kind: Kind::Gauge,
        labels: &[],
        values: |facts, values| values.push(facts.reading.processes?.processes),
    },
    Family {
        name: "container_threads",
        help: "Threads in the container.",
        kind: Kind::Gauge,
        labels: &[],
        values: |facts, values| values.push(facts.usage()?.tasks?.count),
    },
    Family {
        name: "container_threads_max",
        help: "How many threads there may be; 0 is any number.",
        kind: Kind::Gauge,
        labels: &[],
        values: |facts, values| values.push(facts.usage()?.tasks?.limit.unwrap_or(0)),
    },
    Family {
        name: "container_file_descriptors",
        help: "Descriptors that the container's processes have open.",
        kind: Kind::Gauge,
        labels: &[],
        values: |facts, values| values.push(facts.reading.processes?.descriptors),
    },
    Family {
        name: "container_sockets",
        help: "Sockets that the container's processes have open.",
        kind: Kind::Gauge,
        labels: &[],
        values: |facts, values| values.push(facts.reading.processes?.sockets),
    },
    Family {
        name: "container_ulimits_soft",
        help: "Soft limits of the container's first process.",
        kind: Kind::Gauge,
        labels: &["ulimit"],
        values: |facts, values| {
            let limit = facts.reading.processes?.descriptor_limit?;
            values.labelled(&["max_open_files"], limit)
        },
    },
    Family {
        name: "container_last_seen",
        help: "When the container was last seen, in seconds since the epoch.",
        kind: Kind::Gauge,
        labels: &[],
        values: |facts, values| values.push(since_epoch(facts.usage()?.at)),
    },
    Family {
        name: "container_start_time_seconds",
        help: "When the container was started, in seconds since the epoch.",
        kind: Kind::Gauge,
        labels: &[],
        values: |facts, values| match facts.record.state {
            ContainerState::Running { started_at, .. } => values.push(since_epoch(started_at)),
            _ => None,
        },
    },
];

fn since_epoch(nanoseconds: i64) -> u64 {
    seconds(u64::try_from(nanoseconds).unwrap_or(0))
}
