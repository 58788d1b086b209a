//! From what a container asks for to what its cgroup says: pure.

#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use super::{QosClass, qos_class};
use crate::cri;
use crate::model::{Container, Pod, PodSpec, Requirements};

/// Length of a CPU period in microseconds.
const PERIOD: u64 = 100_000;
/// The kernel takes no shorter quota.
const SHORTEST_QUOTA: u64 = 1_000;
/// The kernel takes no smaller and no larger weight.
const SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;

/// OOM score adjustment of guaranteed containers: nearly the last to go.
const GUARANTEED_OOM_SCORE_ADJ: i64 = -997;
/// The priority class of pods without which the node does not work.
const NODE_CRITICAL: &str = "system-node-critical";
/// OOM score adjustment of best-effort containers: the first to go.
const BEST_EFFORT_OOM_SCORE_ADJ: i64 = 1000;

/// How soon the kernel ends a container when memory runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rank {
    /// Nearly last: the node does not work without it.
    NodeCritical,
    /// As its class says.
    OfClass(QosClass),
    /// No sooner than those it serves: bytes that the least of them asks for.
    Sidecar(QosClass, u64),
}

impl Rank {
    /// The rank of one container of a pod.
    pub(crate) fn of(pod: &Pod, container: &Container) -> Self {
        let written = pod.manifest.spec.as_ref();
        let class = written.and_then(|spec| spec.priority_class_name.as_deref());
        if class == Some(NODE_CRITICAL) {
            return Self::NodeCritical;
        }
        let class = qos_class(&pod.spec);
        let mut sidecars = pod.spec.sidecars();
        if !sidecars.any(|one| one.name == container.name) {
            return Self::OfClass(class);
        }
        let regular = pod.spec.containers.iter();
        let least = regular.map(|one| memory_request(&one.resources)).min();
        Self::Sidecar(class, least.unwrap_or(0))
    }
}

/// The container's resources as the runtime takes them.
pub(crate) fn container_resources(
    rank: Rank,
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
    let memory = memory_request(requirements);
    let memory_limit = signed(limits.memory_bytes.unwrap_or(0));
    cri::Resources {
        cpu_period: signed(PERIOD),
        cpu_quota: limits
            .cpu_millis
            .map_or(0, |millis| signed(quota(millis, PERIOD))),
        cpu_shares: signed(shares(cpu)),
        memory_limit,
        memory_swap_limit: memory_limit,
        oom_score_adj: oom_score_adj(rank, memory, memory_capacity),
        cpuset_cpus: String::new(),
        cpuset_mems: String::new(),
        huge_pages: BTreeMap::new(),
        unified: BTreeMap::new(),
    }
}

/// What the cgroup of a whole pod says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PodLimits {
    /// Weight of its CPU time.
    pub cpu_shares: u64,
    /// Thousandths of CPUs, when every container has a limit.
    pub cpu_millis: Option<u64>,
    /// Bytes of memory, when every container has a limit.
    pub memory: Option<u64>,
}

/// The sum of what the containers ask for, sidecars included; other init containers run alone but
/// for the sidecars before them, so the largest counts. What the pod takes beside them is added.
pub(crate) fn pod_limits(spec: &PodSpec) -> PodLimits {
    let request = |requirements: &Requirements| {
        requirements
            .requests
            .cpu_millis
            .or(requirements.limits.cpu_millis)
    };
    let (cpu, memory) = (spec.overhead.cpu_millis, spec.overhead.memory_bytes);
    let asked = total(spec, |one| Some(request(one).unwrap_or(0))).unwrap_or(0);
    // What is not limited is not limited by this either.
    let beside = |limit: Option<u64>, more: u64| {
        limit.map(|limit| match limit {
            0 => 0,
            limit => limit.saturating_add(more),
        })
    };
    PodLimits {
        cpu_shares: shares(asked.saturating_add(cpu)),
        cpu_millis: beside(total(spec, |one| one.limits.cpu_millis), cpu),
        memory: beside(total(spec, |one| one.limits.memory_bytes), memory),
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
pub(super) fn shares(millis: u64) -> u64 {
    (millis.saturating_mul(1024) / 1000).clamp(*SHARES.start(), *SHARES.end())
}

pub(super) fn quota(millis: u64, period: u64) -> u64 {
    if millis == 0 {
        0
    } else {
        (millis.saturating_mul(period) / 1000).max(SHORTEST_QUOTA)
    }
}

fn memory_request(requirements: &Requirements) -> u64 {
    let asked = requirements.requests.memory_bytes;
    asked.or(requirements.limits.memory_bytes).unwrap_or(0)
}

/// Burstable containers go the sooner the less of the node's memory they asked for.
fn oom_score_adj(rank: Rank, memory_request: u64, memory_capacity: u64) -> i64 {
    let (class, memory_request) = match rank {
        Rank::NodeCritical => return GUARANTEED_OOM_SCORE_ADJ,
        Rank::OfClass(class) => (class, memory_request),
        Rank::Sidecar(class, least) => (class, memory_request.max(least)),
    };
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
    use std::sync::Arc;

    use super::*;
    use crate::model::{ResourceList, RestartPolicy};
    use crate::plan::fixture;

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
        let resources = container_resources(Rank::OfClass(QosClass::BestEffort), &none, GIB);
        assert_eq!(resources.cpu_shares, 2);
        assert_eq!(resources.cpu_quota, 0);
        assert_eq!(resources.memory_limit, 0);
        assert_eq!(resources.oom_score_adj, 1000);
    }

    #[test]
    fn limits_become_quota_and_bytes_and_stand_in_for_requests() {
        let limited = requirements(amounts(None, None), amounts(Some(500), Some(GIB)));
        let resources = container_resources(Rank::OfClass(QosClass::Guaranteed), &limited, 4 * GIB);
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
        let resources = container_resources(Rank::OfClass(QosClass::Burstable), &tiny, GIB);
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
            let rank = Rank::OfClass(QosClass::Burstable);
            let resources = container_resources(rank, &asked, 4 * GIB);
            assert_eq!(resources.oom_score_adj, expected, "{memory}");
        }
    }

    #[test]
    fn a_sidecar_goes_no_sooner_than_those_it_serves_and_what_a_node_needs_goes_last() {
        let mut pod = fixture::pod(RestartPolicy::Always, &[], &["web", "log"]);
        pod.spec.init_containers = vec![fixture::sidecar("proxy")];
        let asks = |bytes| requirements(amounts(None, Some(bytes)), amounts(None, None));
        pod.spec.containers[0].resources = asks(2 * GIB);
        pod.spec.containers[1].resources = asks(GIB);
        let score = |pod: &Pod, container: &Container| {
            let rank = Rank::of(pod, container);
            container_resources(rank, &container.resources, 4 * GIB).oom_score_adj
        };
        let proxy = pod.spec.init_containers[0].clone();
        assert_eq!(score(&pod, &pod.spec.containers[1]), 750);
        assert_eq!(score(&pod, &proxy), 750, "it asked for nothing");
        let mut critical = k8s_openapi::api::core::v1::Pod::default();
        let spec = critical.spec.get_or_insert_default();
        spec.priority_class_name = Some(NODE_CRITICAL.to_owned());
        pod.manifest = Arc::new(critical);
        assert_eq!(score(&pod, &proxy), -997);
    }
}
