//! Which dead containers and sandboxes does nobody need any more?
//!
//! Of each container the newest stays, and as long as it does not run the newest that exited: they say
//! whether another is started, and when. What was before stays, too, and more or less of it when the
//! configuration says so. A dead sandbox stays as long as one of those is in it.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::{
    ContainerObservation, ContainerState, PodActions, PodObservation, RemoveContainer,
    RemoveSandbox, SandboxObservation, SandboxState,
};

/// Which dead containers stay besides those that are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// So many of each name, the newest (`--maximum-dead-containers-per-container`).
    pub of_each: usize,
    /// Those that have been dead for no longer than this (`--minimum-container-ttl-duration`).
    pub at_least: Duration,
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            of_each: 1,
            at_least: Duration::ZERO,
        }
    }
}

/// What is known when dead containers are looked at.
#[derive(Clone, Copy)]
pub(super) struct Dead<'a> {
    pub(super) observation: &'a PodObservation,
    pub(super) keep: Keep,
    pub(super) now: Timestamp,
}

impl Dead<'_> {
    /// Containers that nobody needs.
    pub(super) fn containers(self) -> Vec<RemoveContainer> {
        let all = self.observation.containers.iter();
        all.filter(|seen| !seen.state.may_run() && !self.stays(seen))
            .map(removal)
            .collect()
    }

    /// Sandboxes, other than the newest, that hold nothing that stays.
    pub(super) fn sandboxes(self) -> Vec<RemoveSandbox> {
        let newest = self.observation.newest_sandbox().map(|sandbox| &sandbox.id);
        let is_empty = |sandbox: &SandboxObservation| {
            let all = self.observation.containers.iter();
            let mut inside = all.filter(|one| one.sandbox_id == sandbox.id);
            !inside.any(|one| one.state.may_run() || self.stays(one))
        };
        self.observation
            .sandboxes
            .iter()
            .filter(|sandbox| sandbox.state == SandboxState::NotReady)
            .filter(|sandbox| Some(&sandbox.id) != newest && is_empty(sandbox))
            .map(|sandbox| RemoveSandbox {
                id: sandbox.id.clone(),
            })
            .collect()
    }

    fn stays(self, seen: &ContainerObservation) -> bool {
        is_needed(self.observation, seen) || self.is_young(seen) || self.is_among_newest(seen)
    }

    fn is_young(self, seen: &ContainerObservation) -> bool {
        let ended = seen.state.exit().map(|exit| exit.finished_at);
        let dead = ended.map(|ended| self.now.duration_since(ended));
        dead.is_some_and(|dead| {
            dead < jiff::SignedDuration::try_from(self.keep.at_least).unwrap_or_default()
        })
    }

    fn is_among_newest(self, seen: &ContainerObservation) -> bool {
        let of_name = self.observation.of_name(&seen.name);
        let newer = of_name
            .filter(|other| other.state.exit().is_some() && other.age_key() > seen.age_key());
        seen.state.exit().is_some() && newer.count() < self.keep.of_each
    }
}

/// The plan that removes all that is left of a pod that has ended.
pub fn remove_everything(observation: &PodObservation) -> PodActions {
    let sandbox = |one: &SandboxObservation| RemoveSandbox { id: one.id.clone() };
    PodActions {
        remove_containers: observation.containers.iter().map(removal).collect(),
        remove_sandboxes: observation.sandboxes.iter().map(sandbox).collect(),
        ..PodActions::default()
    }
}

fn is_needed(observation: &PodObservation, seen: &ContainerObservation) -> bool {
    let is = |other: &ContainerObservation| other.id == seen.id;
    let newest = observation.newest(&seen.name);
    let runs =
        |newest: &ContainerObservation| matches!(newest.state, ContainerState::Running { .. });
    newest.is_some_and(is)
        || !newest.is_some_and(runs) && observation.newest_exited(&seen.name).is_some_and(is)
}

pub(super) fn removal(container: &ContainerObservation) -> RemoveContainer {
    RemoveContainer {
        id: container.id.clone(),
        name: container.name.clone(),
    }
}
