//! Pods as candidates: what they ask for, and what the runtime says they use.
#![deny(clippy::disallowed_methods)]

use k8s_openapi::api::core::v1 as core;

use super::rank::{Candidate, ContainerUsage, Space, Usage};
use crate::cri::PodStats;
use crate::model::Quantity;

/// Whether anything of the pod may run.
pub(super) fn is_active(pod: &core::Pod) -> bool {
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed"))
}

/// The pod as a candidate.
pub(super) fn candidate(pod: &core::Pod, usage: Option<Usage>) -> Candidate {
    let spec = pod.spec.as_ref();
    Candidate {
        uid: pod.metadata.uid.as_deref().map(Into::into),
        priority: spec.and_then(|spec| spec.priority).unwrap_or(0),
        asks_memory: spec.map_or(0, |spec| asked(spec, "memory")),
        asks_storage: spec.map_or(0, |spec| asked(spec, "ephemeral-storage")),
        usage,
    }
}

/// What the pod asks for as a whole, else the sum of what the containers ask for, or what the largest init container asks for beside the
/// sidecars before it.
fn asked(spec: &core::PodSpec, resource: &str) -> u64 {
    let amount = |resources: Option<&core::ResourceRequirements>| {
        let requests = resources?.requests.as_ref()?;
        let quantity = Quantity::parse(&requests.get(resource)?.0).ok()?;
        u64::try_from(quantity.units()).ok()
    };
    if let Some(whole) = amount(spec.resources.as_ref()) {
        return whole;
    }
    let of = |container: &core::Container| amount(container.resources.as_ref());
    let (mut sidecars, mut largest) = (0, 0);
    for init in spec.init_containers.iter().flatten() {
        let own = of(init).unwrap_or(0);
        if init.restart_policy.as_deref() == Some("Always") {
            sidecars += own;
        } else {
            largest = u64::max(largest, sidecars + own);
        }
    }
    let regular = spec.containers.iter().filter_map(of).sum::<u64>();
    largest.max(regular + sidecars)
}

/// What the runtime says of a pod, without its logs and volumes.
pub(super) fn usage(stats: &PodStats) -> Usage {
    let memory = |usage: &crate::cri::Usage| usage.memory.as_ref().and_then(|one| one.working_set);
    let containers = stats.containers.iter().map(|one| {
        let layer = one.writable_layer.as_ref();
        let root = Space {
            bytes: layer.and_then(|layer| layer.used_bytes).unwrap_or(0),
            inodes: layer.and_then(|layer| layer.inodes_used).unwrap_or(0),
        };
        let usage = ContainerUsage {
            memory: memory(&one.usage),
            root,
            logs: Space::default(),
        };
        (one.metadata.name.clone(), usage)
    });
    Usage {
        memory: memory(&stats.usage).unwrap_or(0),
        processes: stats.processes.unwrap_or(0),
        containers: containers.collect(),
        volumes: std::collections::BTreeMap::new(),
    }
}
