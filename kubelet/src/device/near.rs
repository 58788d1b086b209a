//! Of which nodes of memory devices could be.

use std::collections::{BTreeMap, BTreeSet};

use super::books::Held;
use super::desk::{Desk, Reusable, holder, wishes};
use crate::model::{Container, Pod, PodUid};
use crate::pinning::{Hints, NodeMask};

impl Desk {
    /// Of which of these nodes the devices of a container could be.
    pub fn hints(
        &self,
        pod: &Pod,
        container: &Container,
        reusable: &Reusable,
        nodes: NodeMask,
    ) -> Hints {
        let (state, none) = (self.state(), BTreeSet::new());
        let books = &state.books;
        let known = wishes(container).filter(|(resource, _)| books.knows(resource));
        let hints = known.map(|(resource, count)| {
            let held = books.held(&holder(pod, container), resource);
            let own = held.map(Held::ids).unwrap_or_default();
            let reusable = reusable.get(resource).unwrap_or(&none);
            let hints = books.hints(resource, (&own, reusable), (count, nodes));
            (resource.to_owned(), hints)
        });
        hints.collect()
    }

    /// Of which of these nodes all devices of a pod could be.
    pub fn hints_of_pod(&self, pod: &Pod, nodes: NodeMask) -> Hints {
        let (state, none) = (self.state(), BTreeSet::new());
        let books = &state.books;
        let wishes = wishes_of_pod(pod).into_iter();
        let known = wishes.filter(|(resource, _)| books.knows(resource));
        let hints = known.map(|(resource, count)| {
            let containers = pod.spec.init_containers.iter().chain(&pod.spec.containers);
            let held = containers.filter_map(|one| books.held(&holder(pod, one), resource));
            let own: BTreeSet<String> = held.flat_map(Held::ids).collect();
            let hints = books.hints(resource, (&own, &none), (count, nodes));
            (resource.to_owned(), hints)
        });
        hints.collect()
    }

    /// The pods that have devices.
    pub fn holders(&self) -> BTreeSet<PodUid> {
        self.state().books.holders()
    }
}

/// The devices that a whole pod needs at once.
fn wishes_of_pod(pod: &Pod) -> BTreeMap<&str, usize> {
    let (mut sidecars, mut most): (BTreeMap<&str, usize>, BTreeMap<&str, usize>) =
        Default::default();
    for container in &pod.spec.init_containers {
        for (resource, count) in wishes(container) {
            let beside = sidecars.entry(resource).or_default();
            if container.is_sidecar() {
                *beside += count;
            }
            let step = if container.is_sidecar() {
                *beside
            } else {
                *beside + count
            };
            let own = most.entry(resource).or_default();
            *own = (*own).max(step);
        }
    }
    let mut together = sidecars;
    for (resource, count) in pod.spec.containers.iter().flat_map(wishes) {
        *together.entry(resource).or_default() += count;
    }
    for (resource, count) in most {
        let own = together.entry(resource).or_default();
        *own = (*own).max(count);
    }
    together
}
