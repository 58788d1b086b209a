//! How the cgroup of a pod that runs comes to other limits: it grows before its containers do and
//! shrinks after them, so that what they may use always fits.

use cgroups_rs::fs::cpu::CpuController;
use cgroups_rs::fs::error::Error;
use cgroups_rs::fs::memory::MemController;
use cgroups_rs::fs::{Cgroup, Controller as _};

use super::cgroup::v2_weight;
use super::slices::SliceLimits;
use super::{Bandwidth, PodLimits};

/// A change of one limit or weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PodChange {
    /// Bytes of memory.
    Memory(u64),
    /// Weight of its CPU time.
    CpuShares(u64),
    /// Thousandths of CPUs.
    CpuMillis(u64),
}

/// What happens to a pod's cgroup before and after its containers change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PodChanges {
    /// Before.
    pub(crate) first: Vec<PodChange>,
    /// After.
    pub(crate) last: Vec<PodChange>,
}

/// The changes of memory, and those of CPU. What is asked for stays below the limit all the way.
pub(crate) fn changes(before: &PodLimits, after: &PodLimits) -> (PodChanges, PodChanges) {
    let memory = change(before.memory, after.memory, PodChange::Memory);
    let limit = change(before.cpu_millis, after.cpu_millis, PodChange::CpuMillis);
    let weights = (Some(before.cpu_shares), Some(after.cpu_shares));
    let weight = change(weights.0, weights.1, PodChange::CpuShares);
    let cpu = PodChanges {
        first: [limit.first, weight.first].concat(),
        last: [weight.last, limit.last].concat(),
    };
    (memory, cpu)
}

/// A limit that falls away stays: nobody can ask for that.
fn change(
    before: Option<u64>,
    after: Option<u64>,
    change: impl Fn(u64) -> PodChange,
) -> PodChanges {
    let mut changes = PodChanges::default();
    match (before, after) {
        (Some(before), Some(after)) if after > before => changes.first.push(change(after)),
        (Some(before), Some(after)) if after < before => changes.last.push(change(after)),
        // There was none: what is used may be more, so containers come first.
        (None, Some(after)) => changes.last.push(change(after)),
        (Some(_), Some(_)) | (_, None) => {}
    }
    changes
}

impl PodChange {
    /// What no hierarchy can limit stays unlimited.
    pub(super) fn make(self, cgroup: &Cgroup, bandwidth: Bandwidth) -> Result<(), Error> {
        let cpu = cgroup.controller_of::<CpuController>();
        let cpu = cpu.filter(|cpu| cpu.exists());
        let memory = cgroup.controller_of::<MemController>();
        let memory = memory.filter(|memory| memory.exists());
        let made = match self {
            Self::Memory(bytes) => {
                let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
                memory.map(|memory| memory.set_limit(bytes))
            }
            Self::CpuShares(shares) if cgroup.v2() => {
                cpu.map(|cpu| cpu.set_shares(v2_weight(shares)))
            }
            Self::CpuShares(shares) => cpu.map(|cpu| cpu.set_shares(shares)),
            Self::CpuMillis(millis) => cpu.map(|cpu| {
                let (quota, period) = bandwidth.of(millis);
                cpu.set_cfs_quota_and_period(Some(quota), period)
            }),
        };
        made.unwrap_or(Ok(()))
    }

    pub(super) fn of_slice(self, bandwidth: Bandwidth) -> SliceLimits {
        let mut limits = SliceLimits::default();
        match self {
            Self::Memory(bytes) => limits.memory = Some(bytes),
            Self::CpuShares(shares) => limits.cpu_shares = Some(shares),
            Self::CpuMillis(millis) => {
                let (quota, period) = bandwidth.of(millis);
                limits.cpu_quota = u64::try_from(quota).ok().zip(period);
            }
        }
        limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(cpu_shares: u64, cpu_millis: Option<u64>, memory: Option<u64>) -> PodLimits {
        PodLimits {
            cpu_shares,
            cpu_millis,
            memory,
        }
    }

    #[test]
    fn a_pods_cgroup_grows_before_its_containers_and_shrinks_after_them() {
        let (small, large) = (
            limits(2, Some(100), Some(10)),
            limits(4, Some(200), Some(20)),
        );
        let (memory, cpu) = changes(&small, &large);
        assert_eq!(memory.first, [PodChange::Memory(20)]);
        let limit_first = [PodChange::CpuMillis(200), PodChange::CpuShares(4)];
        assert_eq!(cpu.first, limit_first, "what is asked for fits the limit");
        assert_eq!((memory.last, cpu.last), (Vec::new(), Vec::new()));
        let (memory, cpu) = changes(&large, &small);
        assert_eq!(memory.last, [PodChange::Memory(10)]);
        let weight_first = [PodChange::CpuShares(2), PodChange::CpuMillis(100)];
        assert_eq!(cpu.last, weight_first);
        assert_eq!((memory.first, cpu.first), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_limit_that_comes_new_comes_after_the_containers_and_one_that_goes_stays() {
        let (without, with) = (limits(2, None, None), limits(2, Some(100), Some(10)));
        let (memory, cpu) = changes(&without, &with);
        assert_eq!(memory.last, [PodChange::Memory(10)]);
        assert_eq!(cpu.last, [PodChange::CpuMillis(100)]);
        assert_eq!(
            changes(&with, &without),
            (PodChanges::default(), PodChanges::default())
        );
    }
}
