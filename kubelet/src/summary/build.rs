//! From what the runtime and the machine count to the summary: pure.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::shape::{
    ContainerStats, CpuStats, FsStats, InterfaceStats, IoStats, MemoryStats, NetworkStats,
    PodReference, PodStats, ProcessStats, PsiData, PsiStats, SwapStats,
};
use crate::cri;
use crate::model::{ContainerId, SandboxId};

/// The size of a file system, and what is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filesystem {
    pub(crate) capacity: u64,
    pub(crate) available: u64,
    pub(crate) inodes: u64,
    pub(crate) inodes_free: u64,
}

/// What only the kubelet knows of containers and pods.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    /// When sandboxes were made.
    pub(crate) sandboxes: BTreeMap<SandboxId, Timestamp>,
    /// When containers were made.
    pub(crate) containers: BTreeMap<ContainerId, Timestamp>,
    /// Bytes and files of containers' logs.
    pub(crate) logs: BTreeMap<ContainerId, (u64, u64)>,
    /// Where containers are.
    pub(crate) container_fs: Option<Filesystem>,
    /// Where logs are.
    pub(crate) log_fs: Option<Filesystem>,
}

/// Which part of the summary is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All.
    Whole,
    /// Processor and memory.
    OnlyCpuAndMemory,
}

/// One pod.
pub(crate) fn pod(
    stats: &cri::PodStats,
    around: &Surroundings,
    extent: Extent,
    now: Timestamp,
) -> PodStats {
    let containers: Vec<_> = stats
        .containers
        .iter()
        .map(|one| container(one, around, extent, now))
        .collect();
    let is_whole = extent == Extent::Whole;
    let metadata = &stats.metadata;
    PodStats {
        pod_ref: PodReference {
            name: metadata.name.clone(),
            namespace: metadata.namespace.clone(),
            uid: metadata.uid.clone(),
        },
        start_time: around.sandboxes.get(&stats.id).copied().unwrap_or(now),
        cpu: stats.usage.cpu.as_ref().map(cpu),
        memory: stats.usage.memory.as_ref().map(memory),
        io: stats.usage.io.as_ref().filter(|_| is_whole).map(io),
        network: stats.network.as_ref().filter(|_| is_whole).map(network),
        volume: Vec::new(),
        ephemeral_storage: is_whole.then(|| ephemeral(&containers, around.container_fs, now)),
        process_stats: stats
            .processes
            .filter(|_| is_whole)
            .map(|process_count| ProcessStats { process_count }),
        swap: sum_of_swap(&containers),
        containers,
    }
}

fn container(
    stats: &cri::ContainerStats,
    around: &Surroundings,
    extent: Extent,
    now: Timestamp,
) -> ContainerStats {
    let usage = &stats.usage;
    let is_whole = extent == Extent::Whole;
    let layer = stats.writable_layer.as_ref().filter(|_| is_whole);
    let logs = around.logs.get(&stats.id).filter(|_| is_whole);
    ContainerStats {
        name: stats.metadata.name.clone(),
        start_time: around.containers.get(&stats.id).copied().unwrap_or(now),
        cpu: usage.cpu.as_ref().map(cpu),
        memory: usage.memory.as_ref().map(memory),
        io: usage.io.as_ref().filter(|_| is_whole).map(io),
        rootfs: layer.map(|layer| {
            filesystem(
                layer.at,
                around.container_fs,
                layer.used_bytes,
                layer.inodes_used,
            )
        }),
        logs: logs.map(|(bytes, files)| filesystem(now, around.log_fs, Some(*bytes), Some(*files))),
        swap: usage.swap.map(|swap| SwapStats {
            time: swap.at,
            swap_available_bytes: swap.available,
            swap_usage_bytes: swap.usage,
        }),
    }
}

/// What containers have written and logged; limits of pods are held against it.
fn ephemeral(
    containers: &[ContainerStats],
    container_fs: Option<Filesystem>,
    now: Timestamp,
) -> FsStats {
    let parts = || {
        containers
            .iter()
            .flat_map(|one| [&one.rootfs, &one.logs])
            .flatten()
    };
    let bytes = parts().filter_map(|part| part.used_bytes).sum();
    let inodes = parts().filter_map(|part| part.inodes_used).sum();
    filesystem(now, container_fs, Some(bytes), Some(inodes))
}

fn sum_of_swap(containers: &[ContainerStats]) -> Option<SwapStats> {
    let all = || containers.iter().filter_map(|one| one.swap.as_ref());
    Some(SwapStats {
        time: all().next()?.time,
        swap_available_bytes: all()
            .any(|swap| swap.swap_available_bytes.is_some())
            .then(|| all().filter_map(|swap| swap.swap_available_bytes).sum()),
        swap_usage_bytes: Some(all().filter_map(|swap| swap.swap_usage_bytes).sum()),
    })
}

/// A file system, and what somebody uses of it.
pub(crate) fn filesystem(
    time: Timestamp,
    filesystem: Option<Filesystem>,
    used_bytes: Option<u64>,
    inodes_used: Option<u64>,
) -> FsStats {
    FsStats {
        time,
        available_bytes: filesystem.map(|one| one.available),
        capacity_bytes: filesystem.map(|one| one.capacity),
        used_bytes,
        inodes_free: filesystem.map(|one| one.inodes_free),
        inodes: filesystem.map(|one| one.inodes),
        inodes_used,
    }
}

fn cpu(usage: &cri::CpuUsage) -> CpuStats {
    CpuStats {
        time: usage.at,
        usage_nano_cores: usage.nano_cores,
        usage_core_nano_seconds: usage.core_nanoseconds,
        psi: usage.pressure.as_ref().map(psi),
    }
}

fn memory(usage: &cri::MemoryUsage) -> MemoryStats {
    MemoryStats {
        time: usage.at,
        available_bytes: usage.available,
        usage_bytes: usage.usage,
        working_set_bytes: usage.working_set,
        rss_bytes: usage.rss,
        page_faults: usage.page_faults,
        major_page_faults: usage.major_page_faults,
        psi: usage.pressure.as_ref().map(psi),
    }
}

fn io((time, pressure): &(Timestamp, cri::Pressure)) -> IoStats {
    IoStats {
        time: *time,
        psi: psi(pressure),
    }
}

pub(crate) fn psi(pressure: &cri::Pressure) -> PsiStats {
    let data = |waiting: &cri::Waiting| PsiData {
        total: waiting.total,
        avg10: waiting.avg10,
        avg60: waiting.avg60,
        avg300: waiting.avg300,
    };
    PsiStats {
        full: data(&pressure.full),
        some: data(&pressure.some),
    }
}

fn network(usage: &cri::NetworkUsage) -> NetworkStats {
    let shown = |one: &cri::InterfaceUsage| InterfaceStats {
        name: one.name.clone(),
        rx_bytes: one.rx_bytes,
        rx_errors: one.rx_errors,
        tx_bytes: one.tx_bytes,
        tx_errors: one.tx_errors,
    };
    NetworkStats {
        time: usage.at,
        default: usage
            .default_interface
            .as_ref()
            .map(shown)
            .unwrap_or_default(),
        interfaces: usage.interfaces.iter().map(shown).collect(),
    }
}
