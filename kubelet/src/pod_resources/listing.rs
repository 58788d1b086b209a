//! What each container of a pod has, in the order in which its pod names them: pure.

#![deny(clippy::disallowed_methods)]

use crate::device::Handed;
use crate::model::{Container, Pod};
use crate::pinning::MemoryBlock;

/// What a container has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holding {
    pub(super) container: String,
    pub(super) devices: Vec<Handed>,
    /// The CPUs that it has for itself.
    pub(super) cpus: Vec<u32>,
    /// The memory that it has for itself.
    pub(super) memory: Vec<MemoryBlock>,
}

/// Containers that run as long as their pod, sidecars first, with what they have.
pub(super) fn holdings(
    pod: &Pod,
    devices: impl Fn(&Container) -> Vec<Handed>,
    pinned: impl Fn(&Container) -> (Vec<u32>, Vec<MemoryBlock>),
) -> Vec<Holding> {
    let containers = pod.spec.sidecars().chain(&pod.spec.containers);
    containers
        .map(|container| {
            let (cpus, memory) = pinned(container);
            Holding {
                container: container.name.to_string(),
                devices: devices(container),
                cpus,
                memory,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RestartPolicy;
    use crate::plan::fixture;

    #[test]
    fn sidecars_are_listed_before_the_others_and_init_containers_never() {
        let mut pod = fixture::pod(RestartPolicy::Always, &["setup"], &["web"]);
        pod.spec.init_containers.push(fixture::sidecar("proxy"));
        let device = |container: &Container| Handed {
            resource: "example.com/gpu".to_owned(),
            id: container.name.to_string(),
            nodes: Vec::new(),
        };
        let cpus = |container: &Container| match container.name.as_str() {
            "web" => (vec![1, 3], Vec::new()),
            _ => (Vec::new(), Vec::new()),
        };
        let holdings = holdings(&pod, |container| vec![device(container)], cpus);
        let names: Vec<_> = holdings.iter().map(|one| one.container.as_str()).collect();
        assert_eq!(names, ["proxy", "web"]);
        assert_eq!(holdings[1].devices[0].id, "web");
        assert_eq!(holdings[1].cpus, [1, 3]);
    }
}
