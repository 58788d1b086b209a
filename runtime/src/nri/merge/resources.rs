//! Limits that plugins set.

use podling_proto::nri::{self as wire, Field};

use super::lists::Turn;
use super::owners::Conflict;

/// Notes whose the limits are that a plugin sets.
pub(super) fn claim(turn: &mut Turn<'_>, wanted: &wire::LinuxResources) -> Result<(), Conflict> {
    let mut fields = Vec::new();
    if let Some(memory) = &wanted.memory {
        fields.extend(memory_fields(memory));
    }
    if let Some(cpu) = &wanted.cpu {
        fields.extend(cpu_fields(cpu));
    }
    fields.extend([
        (Field::BlockioClass, wanted.blockio_class.is_some()),
        (Field::RdtClass, wanted.rdt_class.is_some()),
        (Field::PidsLimit, wanted.pids.is_some()),
    ]);
    for (field, is_set) in fields {
        if is_set {
            turn.claim(field)?;
        }
    }
    for pages in &wanted.hugepage_limits {
        turn.claim_entry(Field::HugepageLimits, &pages.page_size)?;
    }
    for key in wanted.unified.keys() {
        turn.claim_entry(Field::CgroupsUnified, key)?;
    }
    Ok(())
}

fn memory_fields(memory: &wire::LinuxMemory) -> [(Field, bool); 8] {
    [
        (Field::MemLimit, memory.limit.is_some()),
        (Field::MemReservation, memory.reservation.is_some()),
        (Field::MemSwapLimit, memory.swap.is_some()),
        (Field::MemKernelLimit, memory.kernel.is_some()),
        (Field::MemTcpLimit, memory.kernel_tcp.is_some()),
        (Field::MemSwappiness, memory.swappiness.is_some()),
        (
            Field::MemDisableOomKiller,
            memory.disable_oom_killer.is_some(),
        ),
        (Field::MemUseHierarchy, memory.use_hierarchy.is_some()),
    ]
}

fn cpu_fields(cpu: &wire::LinuxCpu) -> [(Field, bool); 7] {
    [
        (Field::CpuShares, cpu.shares.is_some()),
        (Field::CpuQuota, cpu.quota.is_some()),
        (Field::CpuPeriod, cpu.period.is_some()),
        (Field::CpuRealtimeRuntime, cpu.realtime_runtime.is_some()),
        (Field::CpuRealtimePeriod, cpu.realtime_period.is_some()),
        (Field::CpuSetCpUs, !cpu.cpus.is_empty()),
        (Field::CpuSetMems, !cpu.mems.is_empty()),
    ]
}

/// Sets in `into` what is set in `wanted`.
pub(super) fn overlay(wanted: &wire::LinuxResources, into: &mut wire::LinuxResources) {
    if let Some(wanted) = &wanted.memory {
        overlay_memory(wanted, into.memory.get_or_insert_default());
    }
    if let Some(wanted) = &wanted.cpu {
        overlay_cpu(wanted, into.cpu.get_or_insert_default());
    }
    for pages in &wanted.hugepage_limits {
        let limits = &mut into.hugepage_limits;
        limits.retain(|known| known.page_size != pages.page_size);
        limits.push(pages.clone());
    }
    into.unified.extend(wanted.unified.clone());
    into.devices.extend(wanted.devices.iter().cloned());
    set(&wanted.blockio_class, &mut into.blockio_class);
    set(&wanted.rdt_class, &mut into.rdt_class);
    set(&wanted.pids, &mut into.pids);
}

fn overlay_memory(wanted: &wire::LinuxMemory, into: &mut wire::LinuxMemory) {
    set(&wanted.limit, &mut into.limit);
    set(&wanted.reservation, &mut into.reservation);
    set(&wanted.swap, &mut into.swap);
    set(&wanted.kernel, &mut into.kernel);
    set(&wanted.kernel_tcp, &mut into.kernel_tcp);
    set(&wanted.swappiness, &mut into.swappiness);
    set(&wanted.disable_oom_killer, &mut into.disable_oom_killer);
    set(&wanted.use_hierarchy, &mut into.use_hierarchy);
}

fn overlay_cpu(wanted: &wire::LinuxCpu, into: &mut wire::LinuxCpu) {
    set(&wanted.shares, &mut into.shares);
    set(&wanted.quota, &mut into.quota);
    set(&wanted.period, &mut into.period);
    set(&wanted.realtime_runtime, &mut into.realtime_runtime);
    set(&wanted.realtime_period, &mut into.realtime_period);
    for (wanted, into) in [
        (&wanted.cpus, &mut into.cpus),
        (&wanted.mems, &mut into.mems),
    ] {
        if !wanted.is_empty() {
            wanted.clone_into(into);
        }
    }
}

fn set<T: Clone>(wanted: &Option<T>, into: &mut Option<T>) {
    if wanted.is_some() {
        into.clone_from(wanted);
    }
}
