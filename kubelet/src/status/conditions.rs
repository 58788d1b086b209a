//! The conditions of a pod, each with the time at which it last changed.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::Phase;

/// What the conditions follow from.
pub(super) struct Basis<'a> {
    pub(super) phase: Phase,
    pub(super) is_initialized: bool,
    pub(super) has_ready_sandbox: bool,
    pub(super) init: &'a [ContainerStatus],
    pub(super) regular: &'a [ContainerStatus],
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
        Draft {
            kind: "Ready",
            ..ready.clone()
        },
        ready,
        Draft::of("PodScheduled", true),
    ];
    drafts
        .into_iter()
        .map(|draft| draft.finish(previous, now))
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
        message: Some(not_ready("incomplete", basis.init)),
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
        Phase::Pending | Phase::Running if basis.regular.iter().all(|one| one.ready) => {
            Draft::of(kind, true)
        }
        Phase::Pending | Phase::Running => Draft {
            message: Some(not_ready("unready", basis.regular)),
            ..not("ContainersNotReady")
        },
    }
}

fn not_ready(word: &str, statuses: &[ContainerStatus]) -> String {
    let names: Vec<_> = statuses
        .iter()
        .filter(|one| !one.ready)
        .map(|one| one.name.as_str())
        .collect();
    format!("containers with {word} status: [{}]", names.join(" "))
}
