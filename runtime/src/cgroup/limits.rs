//! Limits of a cgroup, written through cgroups-rs, one controller after the other.
//!
//! Never through its `Cgroup::apply`, which drops the errors of the memory controller.

use cgroups_rs::fs::cpu::CpuController;
use cgroups_rs::fs::cpuset::CpuSetController;
use cgroups_rs::fs::error::Result;
use cgroups_rs::fs::hugetlb::HugeTlbController;
use cgroups_rs::fs::memory::MemController;
use cgroups_rs::fs::pid::PidController;
use cgroups_rs::fs::{Cgroup, MaxValue, Subsystem};
use oci_spec::runtime::{LinuxCpu, LinuxHugepageLimit, LinuxMemory, LinuxPids, LinuxResources};

/// The error for a limit whose controller is not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum LimitError {
    /// No hierarchy has the controller.
    #[error("the {0} controller is not available")]
    NoController(&'static str),
    /// The kernel refused.
    #[error(transparent)]
    Write(#[from] cgroups_rs::fs::error::Error),
}

/// Writes what is set in `limits`.
pub(super) fn apply(
    cgroup: &Cgroup,
    limits: &LinuxResources,
) -> std::result::Result<(), LimitError> {
    let find = |wanted: fn(&Subsystem) -> bool| cgroup.subsystems().iter().find(|s| wanted(s));
    if let Some(asked) = limits.memory() {
        match find(|subsystem| matches!(subsystem, Subsystem::Mem(_))) {
            Some(Subsystem::Mem(controller)) => memory(controller, asked, cgroup.v2())?,
            _ => return Err(LimitError::NoController("memory")),
        }
    }
    if let Some(asked) = limits.cpu() {
        match find(|subsystem| matches!(subsystem, Subsystem::Cpu(_))) {
            Some(Subsystem::Cpu(controller)) => cpu(controller, asked, cgroup.v2())?,
            _ if has_bandwidth(asked) => return Err(LimitError::NoController("cpu")),
            _ => {}
        }
        match find(|subsystem| matches!(subsystem, Subsystem::CpuSet(_))) {
            Some(Subsystem::CpuSet(controller)) => cpuset(controller, asked)?,
            _ if has_cpuset(asked) => return Err(LimitError::NoController("cpuset")),
            _ => {}
        }
    }
    if let Some(asked) = limits.pids() {
        match find(|subsystem| matches!(subsystem, Subsystem::Pid(_))) {
            Some(Subsystem::Pid(controller)) => pids(controller, asked)?,
            _ => return Err(LimitError::NoController("pids")),
        }
    }
    for asked in limits.hugepage_limits().iter().flatten() {
        // A kubelet sends a limit for every size of the machine, also where nothing can limit them.
        if let Some(Subsystem::HugeTlb(controller)) =
            find(|subsystem| matches!(subsystem, Subsystem::HugeTlb(_)))
        {
            hugepages(controller, asked)?;
        }
    }
    Ok(())
}

fn memory(controller: &MemController, asked: &LinuxMemory, is_v2: bool) -> Result<()> {
    match (asked.limit(), asked.swap()) {
        (Some(limit), Some(swap)) if is_v2 => {
            controller.set_memswap_limit(swap_alone(limit, swap))?;
            controller.set_limit(limit)
        }
        // v1 counts memory within memory+swap, so the first write is refused when it would cross
        // the other limit: then the other goes first.
        (Some(limit), Some(swap)) => match controller.set_limit(limit) {
            Ok(()) => controller.set_memswap_limit(swap),
            Err(_) => {
                controller.set_memswap_limit(swap)?;
                controller.set_limit(limit)
            }
        },
        (Some(limit), None) => controller.set_limit(limit),
        (None, Some(swap)) if !is_v2 => controller.set_memswap_limit(swap),
        // On v2 swap is its own limit, and what it would be here depends on the missing one.
        (None, _) => Ok(()),
    }
}

/// v2 limits swap alone, the request memory and swap together.
pub(super) fn swap_alone(limit: i64, memory_and_swap: i64) -> i64 {
    match (limit, memory_and_swap) {
        (_, -1) => -1,
        (-1, _) => -1,
        (limit, both) => (both - limit).max(0),
    }
}

fn cpu(controller: &CpuController, asked: &LinuxCpu, is_v2: bool) -> Result<()> {
    if let Some(shares) = asked.shares() {
        controller.set_shares(if is_v2 { weight(shares) } else { shares })?;
    }
    match (asked.quota(), asked.period()) {
        (None, None) => Ok(()),
        (quota, period) if is_v2 => controller.set_cfs_quota_and_period(quota, period),
        // As with memory: either order can cross the parent's limit for a moment.
        (Some(quota), Some(period)) => match controller.set_cfs_period(period) {
            Ok(()) => controller.set_cfs_quota(quota),
            Err(_) => {
                controller.set_cfs_quota(quota)?;
                controller.set_cfs_period(period)
            }
        },
        (quota, period) => controller.set_cfs_quota_and_period(quota, period),
    }
}

/// The v2 weight that stands for v1 shares: 2 to 262144 onto 1 to 10000 such that the defaults,
/// 1024 and 100, meet. The curve is the one that opencontainers/cgroups settled on.
pub(super) fn weight(shares: u64) -> u64 {
    match shares {
        ..=2 => 1,
        262_144.. => 10_000,
        shares => {
            let log = (shares as f64).log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            10_f64.powf(exponent).ceil() as u64
        }
    }
}

fn cpuset(controller: &CpuSetController, asked: &LinuxCpu) -> Result<()> {
    if let Some(cpus) = asked.cpus() {
        controller.set_cpus(cpus)?;
    }
    if let Some(mems) = asked.mems() {
        controller.set_mems(mems)?;
    }
    Ok(())
}

fn pids(controller: &PidController, asked: &LinuxPids) -> Result<()> {
    let limit = match asked.limit() {
        limit if limit > 0 => MaxValue::Value(limit),
        _ => MaxValue::Max,
    };
    controller.set_pid_max(limit)
}

fn hugepages(controller: &HugeTlbController, asked: &LinuxHugepageLimit) -> Result<()> {
    let bytes = u64::try_from(asked.limit()).unwrap_or(u64::MAX);
    controller.set_limit_in_bytes(asked.page_size(), bytes)
}

fn has_bandwidth(asked: &LinuxCpu) -> bool {
    asked.shares().is_some() || asked.quota().is_some() || asked.period().is_some()
}

fn has_cpuset(asked: &LinuxCpu) -> bool {
    asked.cpus().is_some() || asked.mems().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_weights_meet_at_their_defaults_and_ends() {
        for (shares, expected) in [
            (0, 1),
            (2, 1),
            (102, 17),
            (1024, 100),
            (262_144, 10_000),
            (u64::MAX, 10_000),
        ] {
            assert_eq!(weight(shares), expected, "{shares}");
        }
    }

    #[test]
    fn swap_alone_is_what_both_have_over_memory() {
        for (limit, both, expected) in [
            (100, 100, 0),
            (100, 150, 50),
            (100, -1, -1),
            (-1, -1, -1),
            (100, 50, 0),
        ] {
            assert_eq!(swap_alone(limit, both), expected);
        }
    }
}
