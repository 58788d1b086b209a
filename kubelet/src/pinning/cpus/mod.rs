//! CPUs that a container has for itself: which containers get some, what holds for choosing them, and who
//! has which: pure.

#![deny(clippy::disallowed_methods)]

mod books;
mod checkpoint;
mod options;
mod rules;
#[cfg(test)]
mod tests;

pub(super) use books::{CpuBooks, Settled};
pub(super) use checkpoint::{FILE, read, write};
pub use options::{CpuOption, CpuOptions};
pub(super) use rules::{CpuError, CpuRules, CpuWish};

use crate::model::{Container, Pod};
use crate::resource::{QosClass, qos_class};

/// How many CPUs a container gets for itself; 0 for those that share.
pub(super) fn exclusive(pod: &Pod, container: &Container) -> usize {
    if qos_class(&pod.spec) != QosClass::Guaranteed {
        return 0;
    }
    let resources = &container.resources;
    let asked = resources
        .requests
        .cpu_millis
        .or(resources.limits.cpu_millis);
    let whole = asked.filter(|millis| millis.is_multiple_of(1000));
    whole.map_or(0, |millis| {
        usize::try_from(millis / 1000).unwrap_or(usize::MAX)
    })
}

/// How many CPUs a whole pod needs at once for itself.
pub(super) fn exclusive_of_pod(pod: &Pod) -> usize {
    let (mut sidecars, mut most) = (0, 0);
    for container in &pod.spec.init_containers {
        let own = exclusive(pod, container);
        if container.is_sidecar() {
            sidecars += own;
        } else {
            most = most.max(sidecars + own);
        }
    }
    let regular: usize = pod
        .spec
        .containers
        .iter()
        .map(|one| exclusive(pod, one))
        .sum();
    most.max(regular + sidecars)
}
