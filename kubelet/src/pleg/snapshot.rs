//! Everything the runtime has at one moment, and what differs from the moment before: pure.

#![deny(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::cri::{Container, ContainerPhase, Sandbox};
use crate::labels;
use crate::model::{ContainerId, PodName, PodUid, SandboxState};
use crate::sync::{Life, RuntimePod};

/// What the runtime has, by pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshot {
    pods: BTreeMap<PodUid, PodState>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct PodState {
    name: PodName,
    /// The states by the ids of sandboxes and containers.
    states: BTreeMap<String, State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Sandbox(SandboxState),
    Container(ContainerPhase),
}

impl PodState {
    fn life(&self) -> Life {
        let lives = |state: &State| match state {
            State::Sandbox(state) => *state == SandboxState::Ready,
            State::Container(phase) => *phase == ContainerPhase::Running,
        };
        if self.states.values().any(lives) {
            Life::Alive
        } else {
            Life::Dead
        }
    }
}

impl Snapshot {
    /// From two lists. What carries no pod's labels is not the kubelet's and is left out.
    pub(super) fn of(sandboxes: &[Sandbox], containers: &[Container]) -> Self {
        let mut snapshot = Self::default();
        for sandbox in sandboxes {
            let state = State::Sandbox(sandbox.state);
            snapshot.add(&sandbox.labels, sandbox.id.as_str(), state);
        }
        for container in containers {
            let state = State::Container(container.phase);
            snapshot.add(&container.labels, container.id.as_str(), state);
        }
        snapshot
    }

    fn add(&mut self, labels: &BTreeMap<String, String>, id: &str, state: State) {
        let Some((uid, name)) = identity(labels) else {
            return;
        };
        let empty = PodState {
            name,
            states: BTreeMap::new(),
        };
        self.pods
            .entry(uid)
            .or_insert(empty)
            .states
            .insert(id.to_owned(), state);
    }

    /// The pods that differ, those that came and those that went among them.
    pub(super) fn changed_since(&self, before: &Self) -> BTreeSet<PodUid> {
        let all = self.pods.keys().chain(before.pods.keys());
        all.filter(|uid| self.pods.get(*uid) != before.pods.get(*uid))
            .cloned()
            .collect()
    }

    /// Every pod of which there is something.
    pub(super) fn pods(&self) -> Vec<RuntimePod> {
        let pods = self.pods.iter();
        pods.map(|(uid, pod)| RuntimePod {
            uid: uid.clone(),
            name: pod.name.clone(),
            life: pod.life(),
        })
        .collect()
    }

    /// Whether there is something of the pod.
    pub(super) fn has(&self, uid: &PodUid) -> bool {
        self.pods.contains_key(uid)
    }

    /// The pod that a sandbox or container belongs to.
    pub(super) fn owner(&self, id: &str) -> Option<&PodUid> {
        let mut pods = self.pods.iter();
        pods.find(|(_, pod)| pod.states.contains_key(id))
            .map(|(uid, _)| uid)
    }

    /// The ids of all containers.
    pub(super) fn containers(&self) -> BTreeSet<ContainerId> {
        let states = self.pods.values().flat_map(|pod| &pod.states);
        let containers = states.filter(|(_, state)| matches!(state, State::Container(_)));
        containers
            .map(|(id, _)| ContainerId::from(id.as_str()))
            .collect()
    }

    /// How many pods have a ready sandbox.
    pub(super) fn running_pods(&self) -> usize {
        let ready = |pod: &PodState| {
            pod.states
                .values()
                .any(|state| *state == State::Sandbox(SandboxState::Ready))
        };
        self.pods.values().filter(|pod| ready(pod)).count()
    }

    /// How many containers are in each phase.
    pub(super) fn phases(&self) -> HashMap<&'static str, usize> {
        let mut counts = HashMap::from([
            ("created", 0),
            ("running", 0),
            ("exited", 0),
            ("unknown", 0),
        ]);
        for state in self.pods.values().flat_map(|pod| pod.states.values()) {
            if let State::Container(phase) = state {
                *counts.entry(phase.as_str()).or_default() += 1;
            }
        }
        counts
    }
}

/// Whose an object is, by its labels.
fn identity(labels: &BTreeMap<String, String>) -> Option<(PodUid, PodName)> {
    let uid = labels.get(labels::POD_UID)?;
    let name = labels.get(labels::POD_NAME)?;
    let namespace = labels.get(labels::POD_NAMESPACE)?;
    Some((uid.as_str().into(), PodName::new(namespace, name)))
}
