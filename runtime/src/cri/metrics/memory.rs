//! Memory, swap and huge pages.
#![deny(clippy::disallowed_methods)]

use super::family::{Facts, Family, Kind, OfContainer, Values};
use crate::stats::usage::Memory;

pub(super) const FAMILIES: [Family<OfContainer>; 15] = [
    Family {
        name: "container_memory_usage_bytes",
        help: "Memory charged to the container, whenever it was last used.",
        kind: Kind::Gauge,
        labels: &[],
        values: |facts, values| values.push(memory(facts)?.usage),
    },
    Family {
        name: "container_memory_working_set_bytes",
        help: "Memory without the file pages that are given back first.",
        kind: Kind::Gauge,
        labels: &[],
        values: |facts, values| values.push(memory(facts)?.working_set()),
    },
    Family {
        name: "container_memory_max_usage_bytes",
        help: "The most memory that ever was charged.",
        kind: Kind::Gauge,
        labels: &[],
        values: |facts, values| values.push(memory(facts)?.peak?),
    },
    Family {
        name: "container_memory_rss",
        help: "Anonymous memory, in bytes.",
        kind: Kind::Gauge,
        labels: &[],
        values: |facts, values| values.push(memory(facts)?.rss),
    },
    Family {
        name: "container_memory_cache",
        help: "Page cache, in bytes.",
        kind: Kind::Gauge,
        labels: &[],
        values: |facts, values| values.push(memory(facts)?.cache),
    },
    Family {
        name: "container_memory_mapped_file",
        help: "Mapped files, in bytes.",
        kind: Kind::Gauge,
        labels: &[],
        values: |facts, values| values.push(memory(facts)?.mapped_file),
    },
    Family {
        name: "container_memory_kernel_usage",
        help: "Memory of the kernel itself, in bytes.",
        kind: Kind::Gauge,
        labels: &[],
        values: |facts, values| values.push(memory(facts)?.kernel),
    },
    Family {
        name: "container_memory_total_active_file_bytes",
        help: "File pages that were used lately, in bytes.",
        kind: Kind::Gauge,
        labels: &[],
        values: |facts, values| values.push(memory(facts)?.active_file),
    },
    Family {
        name: "container_memory_total_inactive_file_bytes",
        help: "File pages that were not used lately, in bytes.",
        kind: Kind::Gauge,
        labels: &[],
        values: |facts, values| values.push(memory(facts)?.inactive_file),
    },
    Family {
        name: "container_memory_swap",
        help: "Memory that is swapped out, in bytes.",
        kind: Kind::Gauge,
        labels: &[],
        values: |facts, values| values.push(facts.usage()?.swap?.usage),
    },
    Family {
        name: "container_memory_failcnt",
        help: "How often the memory limit was hit.",
        kind: Kind::Counter,
        labels: &[],
        values: |facts, values| values.push(memory(facts)?.limit_hits),
    },
    Family {
        name: "container_memory_failures_total",
        help: "Page faults, by type and scope.",
        kind: Kind::Counter,
        labels: &["failure_type", "scope"],
        values: faults,
    },
    Family {
        name: "container_oom_events_total",
        help: "How often the OOM killer ended a process of the container.",
        kind: Kind::Counter,
        labels: &[],
        values: |facts, values| values.push(facts.usage()?.oom_kills?),
    },
    Family {
        name: "container_hugetlb_usage_bytes",
        help: "Huge pages in use.",
        kind: Kind::Gauge,
        labels: &["pagesize"],
        values: |facts, values| {
            for pages in &facts.usage()?.huge_pages {
                values.labelled(&[&pages.page_size], pages.usage)?;
            }
            Some(())
        },
    },
    Family {
        name: "container_hugetlb_max_usage_bytes",
        help: "The most huge pages that ever were in use.",
        kind: Kind::Gauge,
        labels: &["pagesize"],
        values: |facts, values| {
            for pages in &facts.usage()?.huge_pages {
                values.labelled(&[&pages.page_size], pages.peak?)?;
            }
            Some(())
        },
    },
];

fn memory(facts: &Facts<'_>) -> Option<Memory> {
    facts.usage()?.memory
}

/// The kernel counts a cgroup with all below it, so both scopes say the same.
fn faults(facts: &Facts<'_>, values: &mut Values) -> Option<()> {
    let memory = memory(facts)?;
    for scope in ["container", "hierarchy"] {
        values.labelled(&["pgfault", scope], memory.page_faults)?;
        values.labelled(&["pgmajfault", scope], memory.major_page_faults)?;
    }
    Some(())
}
