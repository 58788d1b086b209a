//! Pods and containers as plugins are told of them.

use super::super::{bundle, paths, update_container};
use crate::lifecycle::parts::Parts;
use crate::lifecycle::pod::{Pod, PodSnapshot};
use crate::model::{ContainerId, ContainerRecord, ContainerState, SandboxRecord, SandboxState};
use crate::nri::{ContainerFacts, Inventory, PodFacts};

/// A container and its pod, while a plugin wants to know of them.
pub(super) struct Known {
    pub(super) pod: PodFacts,
    pub(super) container: ContainerFacts,
}

/// The container of a pod in its owner's hands, if anybody wants to know.
pub(super) fn of_owned(pod: &Pod, id: &ContainerId) -> Option<Known> {
    known(&pod.parts, &pod.sandbox, pod.containers.get(id)?)
}

/// The same of what a pod looks like.
pub(super) fn of_snapshot(parts: &Parts, pod: &PodSnapshot, id: &ContainerId) -> Option<Known> {
    known(parts, &pod.sandbox, pod.containers.get(id)?)
}

fn known(parts: &Parts, sandbox: &SandboxRecord, record: &ContainerRecord) -> Option<Known> {
    parts.nri.is_active().then(|| Known {
        pod: of_pod(parts, sandbox),
        container: of_container(parts, record),
    })
}

/// The pod as it is recorded.
pub(super) fn of_pod(parts: &Parts, sandbox: &SandboxRecord) -> PodFacts {
    let pause_pid = match sandbox.state {
        SandboxState::Ready { pause_pid, .. } => Some(pause_pid),
        _ => None,
    };
    let cgroup = paths::cgroup(parts, sandbox, sandbox.id.as_str());
    PodFacts {
        pause_pid,
        ips: sandbox.ips().to_vec(),
        cgroup_path: cgroup
            .map(|path| path.as_str().to_owned())
            .unwrap_or_default(),
        sandbox: sandbox.clone(),
    }
}

/// The container with its spec, in which the limits are those of now.
fn of_container(parts: &Parts, record: &ContainerRecord) -> ContainerFacts {
    let read = bundle::read_described(&parts.layout.container_dir(&record.id));
    // One that could not be made has none.
    let mut spec = read.ok();
    if let Some(linux) = spec.as_mut().and_then(|spec| spec.linux_mut().as_mut()) {
        let made = linux.resources().clone().unwrap_or_default();
        let resources = &record.config.resources;
        let now = update_container::with_limits(made, resources, &parts.host);
        linux.set_resources(now.ok());
    }
    ContainerFacts {
        record: record.clone(),
        spec,
    }
}

/// Everything that was made whole.
pub(super) fn inventory(parts: &Parts) -> Inventory {
    let mut inventory = Inventory::default();
    for pod in parts.pods.snapshots() {
        if pod.sandbox.is_unfinished() {
            continue;
        }
        inventory.pods.push(of_pod(parts, &pod.sandbox));
        let whole = |record: &&ContainerRecord| record.state != ContainerState::Reserved;
        let containers = pod.containers.values().filter(whole);
        inventory
            .containers
            .extend(containers.map(|record| of_container(parts, record)));
    }
    inventory
}
