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
        let least = regular.map(|one| memory_request(&within_pod(&pod.spec, one)));
        let least = least.min();
        Self::Sidecar(class, least.unwrap_or(0))
    }
}

/// The container's resources as the runtime takes them.
pub(crate) fn container_resources(
    (pod, container): (&Pod, &Container),
    memory_capacity: u64,
) -> cri::Resources {
    let requirements = within_pod(&pod.spec, container);
    resources_of(Rank::of(pod, container), &requirements, memory_capacity)
}

/// What a container asks for and may use as part of its pod: what it does not limit itself is limited
/// to what the pod may use as a whole, and of the memory that the pod asks for and none of its
/// containers each has its share.
pub(super) fn within_pod(spec: &PodSpec, container: &Container) -> Requirements {
    let mut own = container.resources;
    if !spec.has_resources() {
        return own;
    }
    let share = share_of_memory(spec);
    own.requests.memory_bytes = Some(memory_request(&own).saturating_add(share));
    let whole = spec.resources.limits;
    let within = |own: Option<u64>, whole: Option<u64>| own.filter(|own| *own > 0).or(whole);
    own.limits.cpu_millis = within(own.limits.cpu_millis, whole.cpu_millis);
    own.limits.memory_bytes = within(own.limits.memory_bytes, whole.memory_bytes);
    own
}

fn share_of_memory(spec: &PodSpec) -> u64 {
    let asked = spec.resources.requests.memory_bytes.unwrap_or(0);
    let by_containers = total(spec, |one| Some(memory_request(one))).unwrap_or(0);
    let containers = spec.containers.len() + spec.init_containers.len();
    let containers = u64::try_from(containers).unwrap_or(u64::MAX);
    let rest = asked.saturating_sub(by_containers);
    rest.checked_div(containers).unwrap_or(0)
}

fn resources_of(rank: Rank, requirements: &Requirements, memory_capacity: u64) -> cri::Resources {
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
    /// Thousandths of CPUs, when the pod or every container has a limit.
    pub cpu_millis: Option<u64>,
    /// Bytes of memory, when the pod or every container has a limit.
    pub memory: Option<u64>,
}

/// What the pod says as a whole, or else the sum of what the containers ask for, sidecars included;
/// other init containers run alone but for the sidecars before them, so the largest counts. What the
/// pod takes beside them is added.
pub(crate) fn pod_limits(spec: &PodSpec) -> PodLimits {
    let request = |requirements: &Requirements| {
        requirements
            .requests
            .cpu_millis
            .or(requirements.limits.cpu_millis)
    };
    let (cpu, memory) = (spec.overhead.cpu_millis, spec.overhead.memory_bytes);
    let (asked, most) = (spec.resources.requests.cpu_millis, spec.resources.limits);
    let of_containers = || total(spec, |one| Some(request(one).unwrap_or(0)));
    let asked = asked.or_else(of_containers).unwrap_or(0);
    let named = |limit: Option<u64>| limit.filter(|limit| *limit > 0);
    let limits = (
        named(most.cpu_millis).or_else(|| total(spec, |one| one.limits.cpu_millis)),
        named(most.memory_bytes).or_else(|| total(spec, |one| one.limits.memory_bytes)),
    );
    // What is not limited is not limited by this either.
    let beside = |limit: Option<u64>, more: u64| {
        limit.map(|limit| match limit {
            0 => 0,
            limit => limit.saturating_add(more),
        })
    };
    PodLimits {
        cpu_shares: shares(asked.saturating_add(cpu)),
        cpu_millis: beside(limits.0, cpu),
        memory: beside(limits.1, memory),
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
        let resources = resources_of(Rank::OfClass(QosClass::BestEffort), &none, GIB);
        assert_eq!(resources.cpu_shares, 2);
        assert_eq!(resources.cpu_quota, 0);
        assert_eq!(resources.memory_limit, 0);
        assert_eq!(resources.oom_score_adj, 1000);
    }

    #[test]
    fn limits_become_quota_and_bytes_and_stand_in_for_requests() {
        let limited = requirements(amounts(None, None), amounts(Some(500), Some(GIB)));
        let resources = resources_of(Rank::OfClass(QosClass::Guaranteed), &limited, 4 * GIB);
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
        let resources = resources_of(Rank::OfClass(QosClass::Burstable), &tiny, GIB);
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
            let resources = resources_of(rank, &asked, 4 * GIB);
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
            container_resources((pod, container), 4 * GIB).oom_score_adj
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

    #[test]
    fn a_container_without_a_limit_may_use_what_its_pod_may() {
        let mut pod = fixture::pod(RestartPolicy::Always, &[], &["web", "log"]);
        pod.spec.resources = requirements(
            amounts(Some(1000), Some(GIB)),
            amounts(Some(1000), Some(2 * GIB)),
        );
        pod.spec.containers[0].resources = requirements(
            amounts(Some(500), Some(GIB / 2)),
            amounts(Some(500), Some(GIB / 2)),
        );
        let of = |index: usize| container_resources((&pod, &pod.spec.containers[index]), 4 * GIB);
        let (web, log) = (of(0), of(1));
        assert_eq!((web.cpu_quota, web.cpu_shares), (50_000, 512));
        assert_eq!(web.memory_limit, 1 << 29);
        assert_eq!((log.cpu_quota, log.cpu_shares), (100_000, 1024));
        assert_eq!(log.memory_limit, 2 << 30);
        // Half of what the pod asks for is nobody's: a quarter of a GiB for each.
        let scores = (web.oom_score_adj, log.oom_score_adj);
        assert_eq!(scores, (1000 - 187, 1000 - 62));
    }

    #[test]
    fn what_a_pod_says_as_a_whole_comes_before_its_containers() {
        let mut spec = fixture::pod(RestartPolicy::Always, &[], &["web", "log"]).spec;
        spec.containers[0].resources =
            requirements(amounts(Some(100), None), amounts(Some(200), Some(GIB)));
        assert_eq!(
            (pod_limits(&spec).cpu_shares, pod_limits(&spec).memory),
            (102, None)
        );
        spec.resources = requirements(amounts(Some(500), None), amounts(None, Some(2 * GIB)));
        let limits = pod_limits(&spec);
        assert_eq!(limits.cpu_shares, 512);
        assert_eq!(limits.memory, Some(2 * GIB));
        assert_eq!(
            limits.cpu_millis, None,
            "one container may take what it likes"
        );
        assert_eq!(qos_class(&spec), QosClass::Burstable);
        let whole = amounts(Some(500), Some(GIB));
        spec.resources = requirements(whole, whole);
        assert_eq!(qos_class(&spec), QosClass::Guaranteed);
    }
}
