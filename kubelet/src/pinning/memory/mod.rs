//! Memory that containers have for themselves, by the nodes it is of: what they wish for, what holds on this
//! machine, and who has which: pure.

#![deny(clippy::disallowed_methods)]

mod books;
mod checkpoint;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub(super) use books::{Block, MemoryBooks, Reusable};
pub(super) use checkpoint::{FILE, read, write};
pub use rules::Reservation;
pub(super) use rules::{MemoryRules, problems};

use crate::model::{Container, Pod, huge_page_size};
use crate::resource::{QosClass, qos_class};

/// The resource that is not huge pages.
pub(super) const MEMORY: &str = "memory";

/// Bytes by resource.
pub(super) type Amounts = BTreeMap<String, u64>;

/// The memory that a container gets for itself; nothing unless its pod is guaranteed.
pub(super) fn wishes(pod: &Pod, container: &Container) -> Amounts {
    if qos_class(&pod.spec) != QosClass::Guaranteed {
        return Amounts::new();
    }
    let resources = &container.resources;
    let memory = resources
        .requests
        .memory_bytes
        .or(resources.limits.memory_bytes);
    let memory = memory.map(|bytes| (MEMORY.to_owned(), bytes));
    let pages = container.scalars.limits.iter();
    let pages = pages.filter(|(name, bytes)| huge_page_size(name).is_some() && **bytes > 0);
    memory
        .into_iter()
        .chain(pages.map(|(name, bytes)| (name.clone(), *bytes)))
        .collect()
}

/// The memory that a whole pod needs at once.
pub(super) fn wishes_of_pod(pod: &Pod) -> Amounts {
    let (mut sidecars, mut most) = (Amounts::new(), Amounts::new());
    for container in &pod.spec.init_containers {
        for (name, bytes) in wishes(pod, container) {
            let beside = sidecars.entry(name.clone()).or_default();
            if container.is_sidecar() {
                *beside += bytes;
                continue;
            }
            let own = most.entry(name).or_default();
            *own = (*own).max(*beside + bytes);
        }
    }
    let mut together = Amounts::new();
    for (name, bytes) in pod.spec.containers.iter().flat_map(|one| wishes(pod, one)) {
        *together.entry(name).or_default() += bytes;
    }
    for (name, own) in &mut together {
        let of = |amounts: &Amounts| amounts.get(name).copied().unwrap_or(0);
        *own = (*own + of(&sidecars)).max(of(&most));
    }
    together
}
