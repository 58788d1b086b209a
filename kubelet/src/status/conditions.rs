//! The conditions of a pod, each with the time at which it last changed.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::model::{Container, OngoingResize, PendingResize};

use super::Phase;
use super::phase::Statuses;

/// What the conditions follow from.
pub(super) struct Basis<'a> {
    pub(super) phase: Phase,
    pub(super) is_initialized: bool,
    pub(super) has_ready_sandbox: bool,
    pub(super) statuses: Statuses<'a>,
    /// Whether an exit makes all containers begin anew.
    pub(super) makes_all_anew: bool,
    /// The sizes that its containers do not get.
    pub(super) pending: Option<&'a PendingResize>,
    /// The sizes that its containers are being given.
    pub(super) resizing: Option<&'a OngoingResize>,
    /// For whose sake the pod was given up.
    pub(super) disruption: Option<&'a str>,
}

/// All conditions, in the order in which `kubectl describe` lists them.
pub(super) fn conditions(
    basis: &Basis<'_>,
    previous: &[PodCondition],
    now: Timestamp,
) -> Vec<PodCondition> {
    let ready = containers_ready(basis);
    let drafts = [
        Draft::of("PodReadyToStartContainers", basis.has_ready_sandbox),
        initialized(basis),
        pod_ready(basis, &ready, previous),
        ready,
        Draft::of("PodScheduled", true),
        all_restarting(basis),
    ];
    let own = drafts.into_iter().map(|draft| draft.finish(previous, now));
    own.chain(disruption(basis, previous, now))
        .chain(resizes(basis, previous, now))
        .collect()
}

/// Once a pod was given up for the sake of others, its status says so for good.
fn disruption(
    basis: &Basis<'_>,
    previous: &[PodCondition],
    now: Timestamp,
) -> Option<PodCondition> {
    const KIND: &str = "DisruptionTarget";
    let Some(message) = basis.disruption else {
        return previous.iter().find(|one| one.type_ == KIND).cloned();
    };
    let draft = Draft {
        reason: Some("TerminationByKubelet"),
        message: Some(message.to_owned()),
        ..Draft::of(KIND, true)
    };
    Some(draft.finish(previous, now))
}

/// What is to be said of other sizes of a pod's containers, as long as they may run.
fn resizes(basis: &Basis<'_>, previous: &[PodCondition], now: Timestamp) -> Vec<PodCondition> {
    if basis.phase.is_terminal() {
        return Vec::new();
    }
    let pending = basis.pending.map(|one| PodCondition {
        type_: "PodResizePending".to_owned(),
        reason: Some(one.prospect.as_str().to_owned()),
        message: Some(one.message.clone()),
        observed_generation: Some(one.generation).filter(|generation| *generation > 0),
        ..PodCondition::default()
    });
    let ongoing = basis.resizing.map(|one| PodCondition {
        type_: "PodResizeInProgress".to_owned(),
        reason: one.error.as_ref().map(|_| "Error".to_owned()),
        message: one.error.clone(),
        observed_generation: Some(one.generation).filter(|generation| *generation > 0),
        ..PodCondition::default()
    });
    let since = |condition: &PodCondition| {
        let mut before = previous.iter();
        let same =
            before.find(|one| one.type_ == condition.type_ && one.reason == condition.reason);
        let since = same.and_then(|one| one.last_transition_time.clone());
        Some(since.unwrap_or(Time(now)))
    };
    let both = pending.into_iter().chain(ongoing);
    both.map(|condition| PodCondition {
        status: "True".to_owned(),
        last_transition_time: since(&condition),
        ..condition
    })
    .collect()
}

/// A condition without its times.
#[derive(Clone)]
struct Draft {
    kind: &'static str,
    holds: bool,
    reason: Option<&'static str>,
    message: Option<String>,
}

impl Draft {
    fn of(kind: &'static str, holds: bool) -> Self {
        Self {
            kind,
            holds,
            reason: None,
            message: None,
        }
    }

    fn finish(self, previous: &[PodCondition], now: Timestamp) -> PodCondition {
        let status = if self.holds { "True" } else { "False" };
        let unchanged = previous
            .iter()
            .find(|before| before.type_ == self.kind && before.status == status);
        let since = unchanged.and_then(|before| before.last_transition_time.clone());
        PodCondition {
            type_: self.kind.to_owned(),
            status: status.to_owned(),
            reason: self.reason.map(str::to_owned),
            message: self.message,
            last_transition_time: Some(since.unwrap_or(Time(now))),
            ..PodCondition::default()
        }
    }
}

fn all_restarting(basis: &Basis<'_>) -> Draft {
    let kind = "AllContainersRestarting";
    let not = |reason| Draft {
        reason,
        ..Draft::of(kind, false)
    };
    match basis.phase {
        Phase::Succeeded => not(Some("PodCompleted")),
        Phase::Failed => not(Some("PodFailed")),
        Phase::Pending | Phase::Running if !basis.makes_all_anew => not(None),
        Phase::Pending | Phase::Running => Draft {
            reason: Some("RestartAllContainersStarted"),
            message: Some("container exited with restart policy rule".to_owned()),
            ..Draft::of(kind, true)
        },
    }
}

fn initialized(basis: &Basis<'_>) -> Draft {
    let kind = "Initialized";
    if basis.phase == Phase::Succeeded {
        return Draft {
            reason: Some("PodCompleted"),
            ..Draft::of(kind, true)
        };
    }
    if basis.is_initialized {
        return Draft::of(kind, true);
    }
    Draft {
        reason: Some("ContainersNotInitialized"),
        message: Some(list("incomplete", &incomplete(basis))),
        ..Draft::of(kind, false)
    }
}

fn containers_ready(basis: &Basis<'_>) -> Draft {
    let kind = "ContainersReady";
    let not = |reason| Draft {
        reason: Some(reason),
        ..Draft::of(kind, false)
    };
    match basis.phase {
        Phase::Succeeded => not("PodCompleted"),
        Phase::Failed => not("PodFailed"),
        Phase::Pending | Phase::Running => match unready(basis) {
            names if names.is_empty() => Draft::of(kind, true),
            names => Draft {
                message: Some(list("unready", &names)),
                ..not("ContainersNotReady")
            },
        },
    }
}

/// Ready when its containers are and every readiness gate is open.
fn pod_ready(basis: &Basis<'_>, containers: &Draft, previous: &[PodCondition]) -> Draft {
    let draft = Draft {
        kind: "Ready",
        ..containers.clone()
    };
    let gates = basis.statuses.spec.readiness_gates.iter();
    let shut: Vec<_> = gates.filter_map(|gate| why_shut(gate, previous)).collect();
    if !containers.holds || shut.is_empty() {
        return draft;
    }
    Draft {
        holds: false,
        reason: Some("ReadinessGatesNotReady"),
        message: Some(shut.join(", ")),
        ..draft
    }
}

fn why_shut(gate: &str, previous: &[PodCondition]) -> Option<String> {
    match previous.iter().find(|condition| condition.type_ == gate) {
        None => Some(format!(
            "corresponding condition of pod readiness gate {gate:?} does not exist."
        )),
        Some(condition) if condition.status == "True" => None,
        Some(condition) => Some(format!(
            "the status of pod readiness gate {gate:?} is not \"True\", but {}",
            condition.status
        )),
    }
}

/// Init containers that have not done their work, and sidecars that have not started.
fn incomplete<'a>(basis: &Basis<'a>) -> Vec<&'a str> {
    let init = basis.statuses.spec.init_containers.iter();
    let is_complete = |container: &Container, status: &ContainerStatus| {
        if container.is_sidecar() {
            status.started == Some(true)
        } else {
            status.ready
        }
    };
    init.zip(basis.statuses.init)
        .filter(|(container, status)| !is_complete(container, status))
        .map(|(_, status)| status.name.as_str())
        .collect()
}

/// Sidecars and regular containers that are not ready.
fn unready<'a>(basis: &Basis<'a>) -> Vec<&'a str> {
    let all = basis.statuses.sidecars().chain(basis.statuses.regular());
    all.filter(|(_, status)| !status.ready)
        .map(|(_, status)| status.name.as_str())
        .collect()
}

fn list(word: &str, names: &[&str]) -> String {
    format!("containers with {word} status: [{}]", names.join(" "))
}
