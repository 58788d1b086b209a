//! What there is at one moment, counted from the pods' snapshots.
#![deny(clippy::disallowed_methods)]

use std::sync::Arc;

use crate::lifecycle::PodSnapshot;
use crate::model::{ContainerState, SandboxState};

/// Pods and containers by state, each state also when it has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    pods: [i64; 3],
    containers: [i64; 4],
    /// Clients that listen to events.
    pub(super) subscribers: i64,
}

const POD_STATES: [&str; 3] = ["starting", "ready", "notready"];
const CONTAINER_STATES: [&str; 4] = ["created", "starting", "running", "exited"];

impl Census {
    /// Counts.
    pub fn of(pods: &[Arc<PodSnapshot>], subscribers: usize) -> Self {
        let mut census = Self {
            subscribers: i64::try_from(subscribers).unwrap_or(i64::MAX),
            ..Self::default()
        };
        for pod in pods {
            census.pods[pod_state(&pod.sandbox.state)] += 1;
            for container in pod.containers.values() {
                census.containers[container_state(&container.state)] += 1;
            }
        }
        census
    }

    /// How many pods there are in each state.
    pub(super) fn pods(&self) -> impl Iterator<Item = (&'static str, i64)> {
        POD_STATES.into_iter().zip(self.pods)
    }

    /// How many containers there are in each state.
    pub(super) fn containers(&self) -> impl Iterator<Item = (&'static str, i64)> {
        CONTAINER_STATES.into_iter().zip(self.containers)
    }

    /// A ready pod is one whose monitor lives.
    pub(super) fn monitors(&self) -> i64 {
        self.pods[pod_state(&SandboxState::Ready {
            ips: Vec::new(),
            pause_pid: 0,
        })]
    }
}

/// Index of its name.
fn pod_state(state: &SandboxState) -> usize {
    match state {
        SandboxState::Reserved | SandboxState::Networked { .. } => 0,
        SandboxState::Ready { .. } => 1,
        SandboxState::Stopped => 2,
    }
}

/// Index of its name.
fn container_state(state: &ContainerState) -> usize {
    match state {
        ContainerState::Reserved | ContainerState::Created => 0,
        ContainerState::Starting => 1,
        ContainerState::Running { .. } => 2,
        ContainerState::Exited { .. } => 3,
    }
}
