//! What is to be written, and in which order.
//!
//! v1 counts memory within memory and swap, and bandwidth within the parent's: each step must fit
//! between the one before and the one after. What can be known to fail is refused before anything
//! is written.
#![deny(clippy::disallowed_methods)]

use oci_spec::runtime::{LinuxCpu, LinuxMemory, LinuxResources};

use super::UpdateError;
use crate::cgroup::Controller;
use crate::cgroup::limits::{swap_alone, weight};
use crate::spec::CgroupMode;

/// What a file says now; `None` when there is none.
pub(super) type Current<'a> = &'a dyn Fn(Controller, &str) -> Option<String>;

/// One file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) controller: Controller,
    pub(super) name: String,
    pub(super) value: String,
    /// What it says now.
    pub(super) before: String,
}

/// The writes that bring a cgroup to `limits`; none for what is so already.
pub(super) fn plan(
    mode: CgroupMode,
    limits: &LinuxResources,
    current: Current<'_>,
) -> Result<Vec<Write>, UpdateError> {
    let mut plan = Plan {
        current,
        writes: Vec::new(),
    };
    if let Some(cpu) = limits.cpu() {
        for (name, list) in [("cpuset.cpus", cpu.cpus()), ("cpuset.mems", cpu.mems())] {
            if let Some(list) = list {
                plan.write(Controller::CpuSet, name, list.clone())?;
            }
        }
        check_bandwidth(cpu)?;
        match mode {
            CgroupMode::V1 => cpu_v1(&mut plan, cpu)?,
            CgroupMode::V2 => cpu_v2(&mut plan, cpu)?,
        }
    }
    for asked in limits.hugepage_limits().iter().flatten() {
        let end = match mode {
            CgroupMode::V1 => "limit_in_bytes",
            CgroupMode::V2 => "max",
        };
        let name = format!("hugetlb.{}.{end}", asked.page_size());
        // As when the container was made: where nothing limits huge pages, nothing is asked.
        if current(Controller::HugePages, &name).is_some() {
            plan.write(Controller::HugePages, &name, asked.limit().to_string())?;
        }
    }
    if let Some(memory) = limits.memory() {
        match mode {
            CgroupMode::V1 => memory_v1(&mut plan, memory)?,
            CgroupMode::V2 => memory_v2(&mut plan, memory)?,
        }
    }
    let mut unified: Vec<_> = limits.unified().iter().flatten().collect();
    unified.sort();
    for (name, value) in unified {
        plan.write(Controller::Memory, name, value.clone())?;
    }
    Ok(plan.writes)
}

struct Plan<'a> {
    current: Current<'a>,
    writes: Vec<Write>,
}

impl Plan<'_> {
    fn write(
        &mut self,
        controller: Controller,
        name: &str,
        value: String,
    ) -> Result<(), UpdateError> {
        let before = (self.current)(controller, name)
            .ok_or_else(|| UpdateError::NoSuchLimit(name.to_owned()))?;
        if before != value {
            self.writes.push(Write {
                controller,
                name: name.to_owned(),
                value,
                before,
            });
        }
        Ok(())
    }

    fn number(&self, controller: Controller, name: &str) -> Option<u64> {
        (self.current)(controller, name)?.parse().ok()
    }
}

fn check_bandwidth(cpu: &LinuxCpu) -> Result<(), UpdateError> {
    if let Some(period) = cpu.period()
        && !(1000..=1_000_000).contains(&period)
    {
        return Err(UpdateError::Range {
            name: "cpu period",
            value: i64::try_from(period).unwrap_or(i64::MAX),
            range: "1000 to 1000000 microseconds",
        });
    }
    match cpu.quota() {
        Some(quota @ 0..1000) => Err(UpdateError::Range {
            name: "cpu quota",
            value: quota,
            range: "1000 microseconds and more, or -1 for none",
        }),
        _ => Ok(()),
    }
}

fn cpu_v1(plan: &mut Plan<'_>, cpu: &LinuxCpu) -> Result<(), UpdateError> {
    const PERIOD: &str = "cpu.cfs_period_us";
    const QUOTA: &str = "cpu.cfs_quota_us";
    if let Some(shares) = cpu.shares() {
        plan.write(Controller::Cpu, "cpu.shares", shares.max(2).to_string())?;
    }
    let quota = cpu.quota().map(|quota| quota.max(-1).to_string());
    let period = cpu.period().map(|period| period.to_string());
    // Either order ends at the same share of the time; this one is never above both ends.
    let grows = match (cpu.period(), plan.number(Controller::Cpu, PERIOD)) {
        (Some(to), Some(from)) => to >= from,
        _ => true,
    };
    let order = match grows {
        true => [(PERIOD, period), (QUOTA, quota)],
        false => [(QUOTA, quota), (PERIOD, period)],
    };
    for (name, value) in order {
        if let Some(value) = value {
            plan.write(Controller::Cpu, name, value)?;
        }
    }
    Ok(())
}

fn cpu_v2(plan: &mut Plan<'_>, cpu: &LinuxCpu) -> Result<(), UpdateError> {
    if let Some(shares) = cpu.shares() {
        plan.write(Controller::Cpu, "cpu.weight", weight(shares).to_string())?;
    }
    if cpu.quota().is_none() && cpu.period().is_none() {
        return Ok(());
    }
    let now = (plan.current)(Controller::Cpu, "cpu.max").unwrap_or_default();
    let (now_quota, now_period) = now.split_once(' ').unwrap_or(("max", "100000"));
    let quota = match cpu.quota() {
        Some(..0) => "max".to_owned(),
        Some(quota) => quota.to_string(),
        None => now_quota.to_owned(),
    };
    let period = cpu
        .period()
        .map_or_else(|| now_period.to_owned(), |period| period.to_string());
    plan.write(Controller::Cpu, "cpu.max", format!("{quota} {period}"))
}

fn memory_v1(plan: &mut Plan<'_>, memory: &LinuxMemory) -> Result<(), UpdateError> {
    const LIMIT: &str = "memory.limit_in_bytes";
    const BOTH: &str = "memory.memsw.limit_in_bytes";
    let reclaimable = stat(plan, "total_inactive_file");
    for (limit, usage) in [
        (memory.limit(), "memory.usage_in_bytes"),
        (memory.swap(), "memory.memsw.usage_in_bytes"),
    ] {
        let used = plan.number(Controller::Memory, usage);
        check_usage(limit, used, reclaimable)?;
    }
    let both_now = plan.number(Controller::Memory, BOTH).unwrap_or(u64::MAX);
    let crosses = memory.limit().is_some_and(|limit| bytes(limit) > both_now);
    let order = match crosses {
        true => [(BOTH, memory.swap()), (LIMIT, memory.limit())],
        false => [(LIMIT, memory.limit()), (BOTH, memory.swap())],
    };
    for (name, limit) in order {
        if let Some(limit) = limit {
            plan.write(Controller::Memory, name, limit.to_string())?;
        }
    }
    Ok(())
}

/// Swap first: what no longer fits into memory may then go there.
fn memory_v2(plan: &mut Plan<'_>, memory: &LinuxMemory) -> Result<(), UpdateError> {
    let text = |limit: i64| match limit {
        ..0 => "max".to_owned(),
        limit => limit.to_string(),
    };
    let reclaimable = stat(plan, "inactive_file");
    let used = plan.number(Controller::Memory, "memory.current");
    check_usage(memory.limit(), used, reclaimable)?;
    if let (Some(limit), Some(both)) = (memory.limit(), memory.swap()) {
        let swap = text(swap_alone(limit, both));
        plan.write(Controller::Memory, "memory.swap.max", swap)?;
    }
    if let Some(limit) = memory.limit() {
        plan.write(Controller::Memory, "memory.max", text(limit))?;
    }
    Ok(())
}

/// Lowered below what is in use, v1 refuses after having thrown everything out, and v2 kills.
fn check_usage(limit: Option<i64>, used: Option<u64>, reclaimable: u64) -> Result<(), UpdateError> {
    let (Some(limit), Some(used)) = (limit.map(bytes), used) else {
        return Ok(());
    };
    let used = used.saturating_sub(reclaimable);
    if limit < used {
        return Err(UpdateError::BelowUsage { limit, used });
    }
    Ok(())
}

fn stat(plan: &Plan<'_>, word: &str) -> u64 {
    let text = (plan.current)(Controller::Memory, "memory.stat").unwrap_or_default();
    let line = text.lines().find_map(|line| {
        let (name, number) = line.split_once(' ')?;
        (name == word).then(|| number.parse().ok())?
    });
    line.unwrap_or(0)
}

/// A limit as a number; none is the largest.
fn bytes(limit: i64) -> u64 {
    u64::try_from(limit).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
