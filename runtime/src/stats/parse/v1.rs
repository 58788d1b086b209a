//! The files of v1, a directory a controller.
//!
//! Pressure is a thing of v2; some vendors' kernels have its files beside `cpuacct`.

use super::Presence;
use super::Presence::{Always, Sometimes};
use super::pressure::pressure;
use super::{Texts, io, lines};
use crate::cgroup::Controller;
use crate::cgroup::Controller::{BlockIo, Cpu, CpuAccounting, Memory, Pids};
use crate::stats::usage;
use crate::stats::usage::{Pressures, Swap, Tasks, Usage};

pub(super) const FILES: [(Controller, &str, Presence); 19] = [
    (CpuAccounting, "cpuacct.usage", Always),
    (CpuAccounting, "cpuacct.usage_user", Sometimes),
    (CpuAccounting, "cpuacct.usage_sys", Sometimes),
    (CpuAccounting, "cpu.pressure", Sometimes),
    (CpuAccounting, "memory.pressure", Sometimes),
    (CpuAccounting, "io.pressure", Sometimes),
    (Cpu, "cpu.stat", Sometimes),
    (Memory, "memory.usage_in_bytes", Always),
    (Memory, "memory.stat", Always),
    (Memory, "memory.limit_in_bytes", Always),
    (Memory, "memory.max_usage_in_bytes", Sometimes),
    (Memory, "memory.failcnt", Sometimes),
    (Memory, "memory.memsw.limit_in_bytes", Sometimes),
    (Memory, "memory.kmem.usage_in_bytes", Sometimes),
    (Memory, "memory.oom_control", Sometimes),
    (Pids, "pids.current", Always),
    (Pids, "pids.max", Sometimes),
    (
        BlockIo,
        "blkio.throttle.io_service_bytes_recursive",
        Sometimes,
    ),
    (BlockIo, "blkio.throttle.io_serviced_recursive", Sometimes),
];

/// Ends of the names of the files that a page size has.
pub(super) const BY_PAGE_SIZE: [&str; 2] = ["usage_in_bytes", "max_usage_in_bytes"];

pub(super) fn usage(texts: &Texts, at: i64) -> Usage {
    let bytes = texts.text("blkio.throttle.io_service_bytes_recursive");
    let operations = texts.text("blkio.throttle.io_serviced_recursive");
    let read = |name: &str| texts.text(name).and_then(pressure);
    Usage {
        at,
        cpu: cpu(texts),
        memory: memory(texts),
        swap: swap(texts),
        tasks: tasks(texts),
        devices: io::v1(bytes.unwrap_or_default(), operations.unwrap_or_default()),
        huge_pages: huge_pages(texts),
        oom_kills: texts.value("memory.oom_control", "oom_kill"),
        pressure: Pressures {
            cpu: read("cpu.pressure"),
            memory: read("memory.pressure"),
            io: read("io.pressure"),
        },
    }
}

fn cpu(texts: &Texts) -> Option<usage::Cpu> {
    let stat = |word| texts.value("cpu.stat", word).unwrap_or(0);
    Some(usage::Cpu {
        total: texts.number("cpuacct.usage")?,
        user: texts.number("cpuacct.usage_user").unwrap_or(0),
        system: texts.number("cpuacct.usage_sys").unwrap_or(0),
        periods: stat("nr_periods"),
        throttled_periods: stat("nr_throttled"),
        throttled: stat("throttled_time"),
    })
}

fn memory(texts: &Texts) -> Option<usage::Memory> {
    // With what is in cgroups below, which a container may have made.
    let stat = |word| texts.value("memory.stat", word).unwrap_or(0);
    Some(usage::Memory {
        usage: texts.number("memory.usage_in_bytes")?,
        peak: texts.number("memory.max_usage_in_bytes"),
        limit: texts.text("memory.limit_in_bytes").and_then(lines::limit),
        limit_hits: texts.number("memory.failcnt").unwrap_or(0),
        rss: stat("total_rss"),
        cache: stat("total_cache"),
        mapped_file: stat("total_mapped_file"),
        kernel: texts.number("memory.kmem.usage_in_bytes").unwrap_or(0),
        active_file: stat("total_active_file"),
        inactive_file: stat("total_inactive_file"),
        page_faults: stat("total_pgfault"),
        major_page_faults: stat("total_pgmajfault"),
    })
}

/// v1 limits memory and swap together: what is over the memory limit is for swap.
fn swap(texts: &Texts) -> Option<Swap> {
    let limit = |name| texts.text(name).and_then(lines::limit);
    let both = limit("memory.memsw.limit_in_bytes");
    let memory = limit("memory.limit_in_bytes");
    Some(Swap {
        usage: texts.value("memory.stat", "total_swap")?,
        limit: both.map(|both| both.saturating_sub(memory.unwrap_or(0))),
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
        .numbers_between("hugetlb.", ".usage_in_bytes")
        .filter(|(size, _)| !size.contains('.'))
        .map(|(size, usage)| usage::HugePages {
            page_size: size.to_owned(),
            usage,
            peak: texts.number(&format!("hugetlb.{size}.max_usage_in_bytes")),
        })
        .collect()
}
