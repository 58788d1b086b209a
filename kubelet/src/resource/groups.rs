//! What the cgroups above the pods say: pure.
//!
//! ```text
//! kubepods                 what the node has for pods
//! ├─ burstable             CPU weight: the sum of what its pods ask for
//! │  └─ pod…
//! ├─ besteffort            the least weight there is
//! │  └─ pod…
//! └─ pod…                  guaranteed
//! ```

#![deny(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};

use super::{QosClass, qos_class, shares};
use crate::admit::asked_for;
use crate::model::Pod;

/// Limits of a cgroup; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupLimits {
    /// Weight of its CPU time, as shares.
    pub cpu_shares: Option<u64>,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Bytes of huge pages, by the kernel's names of their sizes.
    pub huge_pages: BTreeMap<String, u64>,
}

/// What is enforced of what is kept from pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Enforced {
    /// Pods together get no more than what is for them.
    Pods,
    /// What is reserved for the system is a limit for it.
    System,
    /// Of that, only CPU.
    SystemCompressible,
    /// What is reserved for Kubernetes is a limit for it.
    Kube,
    /// Of that, only CPU.
    KubeCompressible,
}

/// Amounts that a cgroup can be limited to; what nobody names is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reserved {
    /// Thousandths of CPUs.
    pub cpu_millis: Option<u64>,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// The cgroup that it is reserved for; empty for none.
    pub cgroup: String,
}

/// What is configured of the cgroups above the pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupSettings {
    /// What is enforced.
    pub enforced: BTreeSet<Enforced>,
    /// What is kept for the system.
    pub system: Reserved,
    /// What is kept for Kubernetes' own programs.
    pub kube: Reserved,
    /// How much of the memory that surer classes ask for less sure ones cannot have, in percent.
    pub memory_reserved: Option<u64>,
    /// The most processes and threads of a pod.
    pub pod_pids: Option<u64>,
}

/// What the machine has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Thousandths of CPUs.
    pub cpu_millis: u64,
    /// Bytes of memory.
    pub memory: u64,
    /// Processes and threads.
    pub pids: u64,
    /// Bytes of huge pages, by the kernel's names of their sizes.
    pub huge_pages: BTreeMap<String, u64>,
}

/// What all pods together get. What eviction keeps free is not taken off: it needs room to work in.
pub(crate) fn all_pods(settings: &GroupSettings, capacity: &Capacity) -> GroupLimits {
    let (mut cpu, mut memory, mut pids) = (capacity.cpu_millis, capacity.memory, capacity.pids);
    if settings.enforced.contains(&Enforced::Pods) {
        for kept in [&settings.system, &settings.kube] {
            cpu = cpu.saturating_sub(kept.cpu_millis.unwrap_or(0));
            memory = memory.saturating_sub(kept.memory.unwrap_or(0));
            pids = pids.saturating_sub(kept.pids.unwrap_or(0));
        }
    }
    let known = |amount: u64| Some(amount).filter(|amount| *amount > 0);
    GroupLimits {
        cpu_shares: Some(shares(cpu)),
        memory: known(memory),
        pids: known(pids),
        huge_pages: capacity.huge_pages.clone(),
    }
}

/// What cgroups that others have made get, by their names.
pub(crate) fn reserved(settings: &GroupSettings) -> Vec<(String, GroupLimits)> {
    let rows = [
        (Enforced::System, &settings.system, All),
        (Enforced::Kube, &settings.kube, All),
        (Enforced::SystemCompressible, &settings.system, CpuAlone),
        (Enforced::KubeCompressible, &settings.kube, CpuAlone),
    ];
    let enforced = rows
        .into_iter()
        .filter(|(which, ..)| settings.enforced.contains(which));
    enforced
        .map(|(_, kept, extent)| (kept.cgroup.clone(), limits_of(kept, extent)))
        .collect()
}

/// How much of a reservation is a limit.
enum Extent {
    All,
    CpuAlone,
}
use Extent::{All, CpuAlone};

fn limits_of(kept: &Reserved, extent: Extent) -> GroupLimits {
    let cpu = GroupLimits {
        cpu_shares: kept.cpu_millis.map(shares),
        ..GroupLimits::default()
    };
    match extent {
        CpuAlone => cpu,
        All => GroupLimits {
            memory: kept.memory,
            pids: kept.pids,
            ..cpu
        },
    }
}

/// What the classes get that have a cgroup of their own.
pub(crate) fn classes<'a>(
    pods: impl Iterator<Item = &'a Pod> + Clone,
    settings: &GroupSettings,
    (allocatable_memory, page_sizes): (u64, &[String]),
) -> [(QosClass, GroupLimits); 2] {
    let asked = |class| {
        let of_class = pods
            .clone()
            .filter(move |pod| qos_class(&pod.spec) == class);
        of_class.map(|pod| asked_for(&pod.spec))
    };
    let cpu: u64 = asked(QosClass::Burstable).map(|one| one.cpu_millis).sum();
    let memory = |class| asked(class).map(|one| one.memory).sum::<u64>();
    let kept = |class| {
        let percent = settings.memory_reserved?;
        Some(memory(class).saturating_mul(percent) / 100)
    };
    let for_burstable = kept(QosClass::Guaranteed)
        .map(|kept| allocatable_memory.saturating_sub(kept))
        .filter(|_| allocatable_memory > 0);
    let for_best_effort = for_burstable
        .zip(kept(QosClass::Burstable))
        .map(|(rest, kept)| rest.saturating_sub(kept));
    // Pods have limits of their own; their class has none.
    let huge_pages: BTreeMap<_, _> = page_sizes
        .iter()
        .map(|size| (size.clone(), 1 << 62))
        .collect();
    let group = |cpu_shares, memory| GroupLimits {
        cpu_shares: Some(cpu_shares),
        memory,
        pids: None,
        huge_pages: huge_pages.clone(),
    };
    [
        (QosClass::Burstable, group(shares(cpu), for_burstable)),
        (QosClass::BestEffort, group(shares(0), for_best_effort)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RestartPolicy;
    use crate::plan::fixture;

    const GIB: u64 = 1 << 30;

    fn capacity() -> Capacity {
        Capacity {
            cpu_millis: 4000,
            memory: 8 * GIB,
            pids: 30_000,
            huge_pages: BTreeMap::new(),
        }
    }

    fn kept() -> GroupSettings {
        GroupSettings {
            system: Reserved {
                cpu_millis: Some(500),
                memory: Some(GIB),
                pids: Some(1000),
                cgroup: "/system".to_owned(),
            },
            kube: Reserved {
                cpu_millis: Some(500),
                ..Reserved::default()
            },
            ..GroupSettings::default()
        }
    }

    fn pod(cpu: u64, memory: u64, is_sure: bool) -> Pod {
        let mut pod = fixture::pod(RestartPolicy::Always, &[], &["web"]);
        let resources = &mut pod.spec.containers[0].resources;
        resources.requests.cpu_millis = Some(cpu);
        resources.requests.memory_bytes = Some(memory);
        if is_sure {
            resources.limits = resources.requests;
        }
        pod
    }

    #[test]
    fn pods_get_what_is_not_kept_when_that_is_enforced_and_all_otherwise() {
        let all = all_pods(&kept(), &capacity());
        assert_eq!((all.cpu_shares, all.memory), (Some(4096), Some(8 * GIB)));
        let enforced = GroupSettings {
            enforced: [Enforced::Pods].into(),
            ..kept()
        };
        let less = all_pods(&enforced, &capacity());
        assert_eq!((less.cpu_shares, less.memory), (Some(3072), Some(7 * GIB)));
        assert_eq!(less.pids, Some(29_000));
    }

    #[test]
    fn what_is_kept_is_a_limit_for_whom_it_is_kept_when_that_is_enforced() {
        let enforced = GroupSettings {
            enforced: [Enforced::System].into(),
            ..kept()
        };
        let expected = GroupLimits {
            cpu_shares: Some(512),
            memory: Some(GIB),
            pids: Some(1000),
            huge_pages: BTreeMap::new(),
        };
        assert_eq!(reserved(&enforced), [("/system".to_owned(), expected)]);
        let compressible = GroupSettings {
            enforced: [Enforced::SystemCompressible].into(),
            ..kept()
        };
        assert_eq!(reserved(&compressible)[0].1.memory, None);
        assert_eq!(reserved(&kept()), []);
    }

    #[test]
    fn the_weight_of_burstable_pods_is_the_sum_of_what_they_ask_for() {
        let pods = [pod(500, 0, false), pod(250, 0, false), pod(1000, GIB, true)];
        let settings = GroupSettings::default();
        let [(_, burstable), (_, best_effort)] = classes(pods.iter(), &settings, (0, &[]));
        assert_eq!((burstable.cpu_shares, burstable.memory), (Some(768), None));
        assert_eq!(
            (best_effort.cpu_shares, best_effort.memory),
            (Some(2), None)
        );
    }

    #[test]
    fn memory_that_surer_pods_asked_for_can_be_kept_from_the_others() {
        let pods = [pod(500, GIB, false), pod(1000, 2 * GIB, true)];
        let settings = GroupSettings {
            memory_reserved: Some(50),
            ..GroupSettings::default()
        };
        let [(_, burstable), (_, best_effort)] = classes(pods.iter(), &settings, (8 * GIB, &[]));
        assert_eq!(burstable.memory, Some(7 * GIB));
        assert_eq!(best_effort.memory, Some(7 * GIB - GIB / 2));
    }
}
