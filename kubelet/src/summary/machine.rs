//! What the machine uses, from the kernel's files: pure.
#![deny(clippy::disallowed_methods)]

use jiff::Timestamp;

use super::build::{Filesystem, filesystem, psi};
use super::shape::{
    CpuStats, InterfaceStats, IoStats, MemoryStats, NetworkStats, NodeStats, RlimitStats,
    RuntimeStats, SwapStats,
};
use crate::cri::{Pressure, Waiting};

/// Ticks of the processor's counters: a hundredth of a second on every Linux.
const TICK: u64 = 10_000_000;

/// The kernel's files, as they were at one moment; empty when they are not there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    /// `/proc/stat`
    pub(crate) stat: String,
    /// `/proc/meminfo`
    pub(crate) meminfo: String,
    /// `/proc/vmstat`
    pub(crate) vmstat: String,
    /// `/proc/net/dev`
    pub(crate) net_dev: String,
    /// `/proc/net/route`
    pub(crate) route: String,
    /// `/proc/loadavg`
    pub(crate) loadavg: String,
    /// `/proc/sys/kernel/pid_max`
    pub(crate) pid_max: String,
    /// `/proc/pressure/cpu`
    pub(crate) cpu_pressure: String,
    /// `/proc/pressure/memory`
    pub(crate) memory_pressure: String,
    /// `/proc/pressure/io`
    pub(crate) io_pressure: String,
}

/// What else is in a node's part of the summary.
#[derive(Clone, Debug, Default)]
pub(crate) struct Around {
    /// The node's name.
    pub(crate) name: String,
    /// Billionths of a core since the last look.
    pub(crate) nano_cores: Option<u64>,
    /// Where the kubelet's files are.
    pub(crate) root_fs: Option<Filesystem>,
    /// Where images are, and what they use.
    pub(crate) image_fs: Option<(Option<Filesystem>, Option<u64>, Option<u64>)>,
    /// Where containers are, and what they use.
    pub(crate) container_fs: Option<(Option<Filesystem>, Option<u64>, Option<u64>)>,
}

/// Nanoseconds that all cores have worked.
pub(crate) fn core_nanoseconds(stat: &str) -> Option<u64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line
        .split_whitespace()
        .map_while(|word| word.parse().ok())
        .collect();
    // user nice system idle iowait irq softirq steal; guests are in user.
    let worked = [0, 1, 2, 5, 6, 7]
        .iter()
        .filter_map(|place| ticks.get(*place));
    Some(worked.sum::<u64>() * TICK)
}

/// When the machine was started.
pub(crate) fn started_at(stat: &str) -> Option<Timestamp> {
    let seconds = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    Timestamp::from_second(seconds.trim().parse().ok()?).ok()
}

/// A line such as `MemTotal:  16303984 kB`, in bytes.
pub(crate) fn memory(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// The node's part.
pub(crate) fn node(files: &Files, around: &Around, now: Timestamp) -> NodeStats {
    let used_fs = |(size, bytes, inodes): &(Option<Filesystem>, Option<u64>, Option<u64>)| {
        filesystem(now, *size, *bytes, *inodes)
    };
    NodeStats {
        node_name: around.name.clone(),
        start_time: started_at(&files.stat).unwrap_or(now),
        cpu: Some(CpuStats {
            time: now,
            usage_nano_cores: around.nano_cores,
            usage_core_nano_seconds: core_nanoseconds(&files.stat),
            psi: pressure(&files.cpu_pressure).as_ref().map(psi),
        }),
        memory: memory_stats(files, now),
        io: pressure(&files.io_pressure).map(|pressure| IoStats {
            time: now,
            psi: psi(&pressure),
        }),
        network: network(files, now),
        fs: around.root_fs.map(|size| {
            let used = size.capacity.saturating_sub(size.available);
            let inodes = size.inodes.saturating_sub(size.inodes_free);
            filesystem(now, Some(size), Some(used), Some(inodes))
        }),
        runtime: Some(RuntimeStats {
            image_fs: around.image_fs.as_ref().map(used_fs),
            container_fs: around.container_fs.as_ref().map(used_fs),
        }),
        rlimit: rlimit(files, now),
        swap: swap(files, now),
    }
}

fn memory_stats(files: &Files, now: Timestamp) -> Option<MemoryStats> {
    let of = |name| memory(&files.meminfo, name);
    let total = of("MemTotal")?;
    let usage = total.checked_sub(of("MemFree")?)?;
    let working_set = usage.saturating_sub(of("Inactive(file)").unwrap_or(0));
    let count = |name: &str| {
        let line = files
            .vmstat
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line?.trim().parse().ok()
    };
    Some(MemoryStats {
        time: now,
        available_bytes: Some(total.saturating_sub(working_set)),
        usage_bytes: Some(usage),
        working_set_bytes: Some(working_set),
        rss_bytes: of("AnonPages"),
        page_faults: count("pgfault"),
        major_page_faults: count("pgmajfault"),
        psi: pressure(&files.memory_pressure).as_ref().map(psi),
    })
}

fn swap(files: &Files, now: Timestamp) -> Option<SwapStats> {
    let total = memory(&files.meminfo, "SwapTotal")?;
    let free = memory(&files.meminfo, "SwapFree")?;
    Some(SwapStats {
        time: now,
        swap_available_bytes: Some(free),
        swap_usage_bytes: Some(total.saturating_sub(free)),
    })
}

/// `0.12 0.10 0.05 3/812 4711`: of 812 threads 3 want to run.
fn rlimit(files: &Files, now: Timestamp) -> Option<RlimitStats> {
    let threads = files.loadavg.split_whitespace().nth(3)?.split_once('/')?.1;
    Some(RlimitStats {
        time: now,
        maxpid: files.pid_max.trim().parse().ok(),
        curproc: threads.parse().ok(),
    })
}

fn network(files: &Files, now: Timestamp) -> Option<NetworkStats> {
    let interfaces: Vec<_> = files.net_dev.lines().filter_map(interface).collect();
    let default = default_interface(&files.route);
    let found = interfaces
        .iter()
        .find(|one| Some(one.name.as_str()) == default);
    let default = found.or(interfaces.first())?.clone();
    Some(NetworkStats {
        time: now,
        default,
        interfaces,
    })
}

/// `  eth0: bytes packets errs drop fifo frame compressed multicast bytes packets errs …`; those that
/// lead only into this machine are left out.
fn interface(line: &str) -> Option<InterfaceStats> {
    let (name, counters) = line.split_once(':')?;
    let name = name.trim();
    if name == "lo" || name.starts_with("veth") {
        return None;
    }
    let counters: Vec<u64> = counters
        .split_whitespace()
        .map_while(|word| word.parse().ok())
        .collect();
    Some(InterfaceStats {
        name: name.to_owned(),
        rx_bytes: counters.first().copied(),
        rx_errors: counters.get(2).copied(),
        tx_bytes: counters.get(8).copied(),
        tx_errors: counters.get(10).copied(),
    })
}

/// The interface of the route to `00000000`.
fn default_interface(route: &str) -> Option<&str> {
    let mut rows = route.lines().skip(1).map(|line| line.split_whitespace());
    rows.find_map(|mut words| {
        let name = words.next()?;
        (words.next()? == "00000000").then_some(name)
    })
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and the same of `full`.
fn pressure(text: &str) -> Option<Pressure> {
    let waiting = |kind: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(kind))?;
        let value = |name: &str| {
            let mut words = line.split_whitespace();
            words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        };
        let average = |name| {
            value(name)
                .and_then(|text| text.parse().ok())
                .unwrap_or(0.0)
        };
        Some(Waiting {
            total: value("total")?.parse().ok()?,
            avg10: average("avg10"),
            avg60: average("avg60"),
            avg300: average("avg300"),
        })
    };
    Some(Pressure {
        some: waiting("some")?,
        full: waiting("full").unwrap_or_default(),
    })
}
