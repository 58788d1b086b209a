//! The files of v2, all in one directory.

use super::Presence;
use super::Presence::{Always, Sometimes};
use super::pressure::pressure;
use super::{Texts, io, lines};
use crate::cgroup::Controller;
use crate::stats::usage;
use crate::stats::usage::{Pressures, Swap, Tasks, Usage};

/// Every controller has the same directory, so any names it.
const ANY: Controller = Controller::Memory;

pub(super) const FILES: [(Controller, &str, Presence); 14] = [
    (ANY, "cpu.stat", Always),
    (ANY, "memory.current", Always),
    (ANY, "memory.stat", Always),
    (ANY, "memory.max", Always),
    (ANY, "memory.events", Always),
    (ANY, "memory.peak", Sometimes),
    (ANY, "memory.swap.current", Sometimes),
    (ANY, "memory.swap.max", Sometimes),
    (ANY, "pids.current", Always),
    (ANY, "pids.max", Sometimes),
    (ANY, "io.stat", Sometimes),
    (ANY, "cpu.pressure", Sometimes),
    (ANY, "memory.pressure", Sometimes),
    (ANY, "io.pressure", Sometimes),
];

/// Ends of the names of the files that a page size has.
pub(super) const BY_PAGE_SIZE: [&str; 1] = ["current"];

pub(super) fn usage(texts: &Texts, at: i64) -> Usage {
    let read = |name: &str| texts.text(name).and_then(pressure);
    Usage {
        at,
        cpu: cpu(texts),
        memory: memory(texts),
        swap: swap(texts),
        tasks: tasks(texts),
        devices: texts.text("io.stat").map(io::v2).unwrap_or_default(),
        huge_pages: huge_pages(texts),
        oom_kills: texts.value("memory.events", "oom_kill"),
        pressure: Pressures {
            cpu: read("cpu.pressure"),
            memory: read("memory.pressure"),
            io: read("io.pressure"),
        },
    }
}

fn cpu(texts: &Texts) -> Option<usage::Cpu> {
    let stat = |word| texts.value("cpu.stat", word);
    let nanoseconds = |word| stat(word).map(|microseconds| microseconds.saturating_mul(1000));
    Some(usage::Cpu {
        total: nanoseconds("usage_usec")?,
        user: nanoseconds("user_usec").unwrap_or(0),
        system: nanoseconds("system_usec").unwrap_or(0),
        periods: stat("nr_periods").unwrap_or(0),
        throttled_periods: stat("nr_throttled").unwrap_or(0),
        throttled: nanoseconds("throttled_usec").unwrap_or(0),
    })
}

fn memory(texts: &Texts) -> Option<usage::Memory> {
    let stat = |word| texts.value("memory.stat", word);
    Some(usage::Memory {
        usage: texts.number("memory.current")?,
        peak: texts.number("memory.peak"),
        limit: texts.text("memory.max").and_then(lines::limit),
        limit_hits: texts.value("memory.events", "max").unwrap_or(0),
        rss: stat("anon").unwrap_or(0),
        cache: stat("file").unwrap_or(0),
        mapped_file: stat("file_mapped").unwrap_or(0),
        // The sum came with Linux 5.18; before, the stacks were most of it.
        kernel: stat("kernel").or(stat("kernel_stack")).unwrap_or(0),
        active_file: stat("active_file").unwrap_or(0),
        inactive_file: stat("inactive_file").unwrap_or(0),
        page_faults: stat("pgfault").unwrap_or(0),
        major_page_faults: stat("pgmajfault").unwrap_or(0),
    })
}

fn swap(texts: &Texts) -> Option<Swap> {
    Some(Swap {
        usage: texts.number("memory.swap.current")?,
        limit: texts.text("memory.swap.max").and_then(lines::limit),
    })
}

fn tasks(texts: &Texts) -> Option<Tasks> {
    Some(Tasks {
        count: texts.number("pids.current")?,
        limit: texts.text("pids.max").and_then(lines::limit),
    })
}

fn huge_pages(texts: &Texts) -> Vec<usage::HugePages> {
    texts
        .numbers_between("hugetlb.", ".current")
        .map(|(size, usage)| usage::HugePages {
            page_size: size.to_owned(),
            usage,
            peak: None,
        })
        .collect()
}
