//! From what a container asks for to what its cgroup says: pure.

#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use super::QosClass;
use crate::cri;
use crate::model::{Container, PodSpec, Requirements};

/// Length of a CPU period in microseconds.
const PERIOD: u64 = 100_000;
/// The kernel takes no shorter quota.
const SHORTEST_QUOTA: u64 = 1_000;
/// The kernel takes no smaller and no larger weight.
const SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;

/// OOM score adjustment of guaranteed containers: nearly the last to go.
const GUARANTEED_OOM_SCORE_ADJ: i64 = -997;
/// OOM score adjustment of best-effort containers: the first to go.
const BEST_EFFORT_OOM_SCORE_ADJ: i64 = 1000;

/// The container's resources as the runtime takes them.
pub(crate) fn container_resources(
    class: QosClass,
    requirements: &Requirements,
    memory_capacity: u64,
) -> cri::Resources {
    let limits = &requirements.limits;
    // A limit without a request stands for both.
    let cpu = requirements
        .requests
        .cpu_millis
        .or(limits.cpu_millis)
        .unwrap_or(0);
    let memory = requirements
        .requests
        .memory_bytes
        .or(limits.memory_bytes)
        .unwrap_or(0);
    let memory_limit = signed(limits.memory_bytes.unwrap_or(0));
    cri::Resources {
        cpu_period: signed(PERIOD),
        cpu_quota: limits.cpu_millis.map_or(0, |millis| signed(quota(millis))),
        cpu_shares: signed(shares(cpu)),
        memory_limit,
        memory_swap_limit: memory_limit,
        oom_score_adj: oom_score_adj(class, memory, memory_capacity),
        unified: BTreeMap::new(),
    }
}

/// What the cgroup of a whole pod says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PodLimits {
    /// Weight of its CPU time.
    pub cpu_shares: u64,
    /// CPU time per period in microseconds, when every container has a limit.
    pub cpu_quota: Option<u64>,
    /// Length of a CPU period in microseconds.
    pub cpu_period: u64,
    /// Bytes of memory, when every container has a limit.
    pub memory: Option<u64>,
}

/// The sum of what the containers ask for, sidecars included; other init containers run alone but
/// for the sidecars before them, so the largest counts.
pub(crate) fn pod_limits(spec: &PodSpec) -> PodLimits {
    let request = |requirements: &Requirements| {
        requirements
            .requests
            .cpu_millis
            .or(requirements.limits.cpu_millis)
    };
    PodLimits {
        cpu_shares: shares(total(spec, |one| Some(request(one).unwrap_or(0))).unwrap_or(0)),
        cpu_quota: total(spec, |one| one.limits.cpu_millis).map(quota),
        cpu_period: PERIOD,
        memory: total(spec, |one| one.limits.memory_bytes),
    }
}

/// `None` as soon as one container has none, and for nothing at all.
fn total(spec: &PodSpec, amount: impl Fn(&Requirements) -> Option<u64>) -> Option<u64> {
    let of = |container: &Container| amount(&container.resources);
    let regular: u64 = spec.containers.iter().map(of).sum::<Option<u64>>()?;
    let (mut sidecars, mut largest_init) = (0_u64, 0_u64);
    for container in &spec.init_containers {
        let own = of(container)?;
        if container.is_sidecar() {
            sidecars = sidecars.saturating_add(own);
        } else {
            largest_init = largest_init.max(sidecars.saturating_add(own));
        }
    }
    Some(regular.saturating_add(sidecars).max(largest_init))
}

/// A thousand thousandths weigh 1024.
fn shares(millis: u64) -> u64 {
    (millis.saturating_mul(1024) / 1000).clamp(*SHARES.start(), *SHARES.end())
}

fn quota(millis: u64) -> u64 {
    if millis == 0 {
        0
    } else {
        (millis.saturating_mul(PERIOD) / 1000).max(SHORTEST_QUOTA)
    }
}

/// Burstable containers go the sooner the less of the node's memory they asked for.
fn oom_score_adj(class: QosClass, memory_request: u64, memory_capacity: u64) -> i64 {
    match class {
        QosClass::Guaranteed => GUARANTEED_OOM_SCORE_ADJ,
        QosClass::BestEffort => BEST_EFFORT_OOM_SCORE_ADJ,
        QosClass::Burstable => {
            let thousandths =
                u128::from(memory_request) * 1000 / u128::from(memory_capacity.max(1));
            let adj = 1000 - i64::try_from(thousandths).unwrap_or(i64::MAX);
            // Never as safe as guaranteed ones, never as soon as best-effort ones.
            adj.clamp(
                1000 + GUARANTEED_OOM_SCORE_ADJ,
                BEST_EFFORT_OOM_SCORE_ADJ - 1,
            )
        }
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ResourceList;

    const GIB: u64 = 1 << 30;

    fn requirements(requests: ResourceList, limits: ResourceList) -> Requirements {
        Requirements { requests, limits }
    }

    fn amounts(cpu_millis: Option<u64>, memory_bytes: Option<u64>) -> ResourceList {
        ResourceList {
            cpu_millis,
            memory_bytes,
        }
    }

    #[test]
    fn a_container_that_asks_for_nothing_gets_the_least_weight_and_no_limit() {
        let none = Requirements::default();
        let resources = container_resources(QosClass::BestEffort, &none, GIB);
        assert_eq!(resources.cpu_shares, 2);
        assert_eq!(resources.cpu_quota, 0);
        assert_eq!(resources.memory_limit, 0);
        assert_eq!(resources.oom_score_adj, 1000);
    }

    #[test]
    fn limits_become_quota_and_bytes_and_stand_in_for_requests() {
        let limited = requirements(amounts(None, None), amounts(Some(500), Some(GIB)));
        let resources = container_resources(QosClass::Guaranteed, &limited, 4 * GIB);
        assert_eq!(resources.cpu_shares, 512);
        assert_eq!(
            (resources.cpu_quota, resources.cpu_period),
            (50_000, 100_000)
        );
        assert_eq!(resources.memory_limit, 1 << 30);
        assert_eq!(resources.oom_score_adj, -997);
    }

    #[test]
    fn a_tiny_limit_is_raised_to_what_the_kernel_takes() {
        let tiny = requirements(amounts(None, None), amounts(Some(1), None));
        let resources = container_resources(QosClass::Burstable, &tiny, GIB);
        assert_eq!((resources.cpu_quota, resources.cpu_shares), (1_000, 2));
    }

    #[test]
    fn a_burstable_container_goes_the_later_the_more_memory_it_asked_for() {
        let rows = [
            (0, 999),
            (GIB, 750),
            (2 * GIB, 500),
            (4 * GIB, 3),
            (8 * GIB, 3),
        ];
        for (memory, expected) in rows {
            let asked = requirements(amounts(Some(1), Some(memory)), amounts(None, None));
            let resources = container_resources(QosClass::Burstable, &asked, 4 * GIB);
            assert_eq!(resources.oom_score_adj, expected, "{memory}");
        }
    }
}
