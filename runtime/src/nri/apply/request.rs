//! The request that the spec is composed from: limits, CDI devices, the OOM score.

use podling_proto::nri as wire;

use super::{AdjustError, refused};
use crate::model::ContainerConfig;
use crate::model::config::Resources;

pub(super) fn change(
    config: &mut ContainerConfig,
    wanted: &wire::ContainerAdjustment,
) -> Result<(), AdjustError> {
    for device in &wanted.cdi_devices {
        if !config.cdi_devices.contains(&device.name) {
            config.cdi_devices.push(device.name.clone());
        }
    }
    let Some(linux) = &wanted.linux else {
        return Ok(());
    };
    if let Some(score) = &linux.oom_score_adj {
        config.resources.oom_score_adj = i32::try_from(score.value)
            .map_err(|_| refused("oom_score_adj", format!("{} is out of range", score.value)))?;
    }
    match &linux.resources {
        Some(wanted) => overlay(&mut config.resources, wanted),
        None => Ok(()),
    }
}

/// New limits for a container that is there.
pub(in crate::nri) fn limits(wanted: &wire::LinuxResources) -> Result<Resources, AdjustError> {
    if wanted.pids.is_some() {
        return Err(refused("pids", "it is set when a container is made"));
    }
    if !wanted.devices.is_empty() {
        return Err(refused(
            "device rules",
            "they are set when a container is made",
        ));
    }
    let mut limits = Resources::default();
    overlay(&mut limits, wanted)?;
    Ok(limits)
}

/// As in CRI, a limit of zero is none that is wanted.
fn overlay(into: &mut Resources, wanted: &wire::LinuxResources) -> Result<(), AdjustError> {
    refuse(wanted)?;
    if let Some(memory) = &wanted.memory {
        let swap = memory.swap.map(|swap| swap.value).filter(|swap| *swap != 0);
        if let Some(limit) = memory
            .limit
            .map(|limit| limit.value)
            .filter(|limit| *limit != 0)
        {
            into.memory_limit = Some(limit);
            // A memory limit without a word about swap means no swap.
            into.memory_swap_limit = swap;
        } else if swap.is_some() {
            into.memory_swap_limit = swap;
        }
    }
    if let Some(cpu) = &wanted.cpu {
        let period = cpu
            .period
            .map(|period| period.value)
            .filter(|period| *period != 0);
        let quota = cpu
            .quota
            .map(|quota| quota.value)
            .filter(|quota| *quota != 0);
        let shares = cpu
            .shares
            .map(|shares| shares.value)
            .filter(|shares| *shares != 0);
        into.cpu_period = period.or(into.cpu_period);
        into.cpu_quota = quota.or(into.cpu_quota);
        into.cpu_shares = shares.or(into.cpu_shares);
        for (wanted, into) in [
            (&cpu.cpus, &mut into.cpuset_cpus),
            (&cpu.mems, &mut into.cpuset_mems),
        ] {
            if !wanted.is_empty() {
                wanted.clone_into(into);
            }
        }
    }
    let pages = wanted.hugepage_limits.iter();
    into.hugepage_limits
        .extend(pages.map(|pages| (pages.page_size.clone(), pages.limit)));
    into.unified.extend(wanted.unified.clone());
    Ok(())
}

fn refuse(wanted: &wire::LinuxResources) -> Result<(), AdjustError> {
    let memory = wanted.memory.unwrap_or_default();
    let cpu = wanted.cpu.clone().unwrap_or_default();
    let is_named = |class: &Option<wire::OptionalString>| {
        class.as_ref().is_some_and(|class| !class.value.is_empty())
    };
    let unified = "write the cgroup's own file with `unified`";
    let fields = [
        ("memory.reservation", memory.reservation.is_some(), unified),
        (
            "memory.kernel",
            memory.kernel.is_some(),
            "the kernel has given it up",
        ),
        (
            "memory.kernel_tcp",
            memory.kernel_tcp.is_some(),
            "the kernel has given it up",
        ),
        (
            "memory.swappiness",
            memory.swappiness.is_some(),
            "it is not supported",
        ),
        (
            "memory.disable_oom_killer",
            memory.disable_oom_killer.is_some_and(|off| off.value),
            "it is not supported",
        ),
        (
            "memory.use_hierarchy",
            memory.use_hierarchy.is_some_and(|on| !on.value),
            "cgroups are hierarchical",
        ),
        (
            "cpu.realtime_runtime",
            cpu.realtime_runtime.is_some(),
            "it is not supported",
        ),
        (
            "cpu.realtime_period",
            cpu.realtime_period.is_some(),
            "it is not supported",
        ),
        (
            "blockio_class",
            is_named(&wanted.blockio_class),
            "there are no classes of block I/O",
        ),
        (
            "rdt_class",
            is_named(&wanted.rdt_class),
            "RDT is not supported",
        ),
    ];
    match fields.iter().find(|(_, is_set, _)| *is_set) {
        Some((what, _, why)) => Err(refused(*what, *why)),
        None => Ok(()),
    }
}
