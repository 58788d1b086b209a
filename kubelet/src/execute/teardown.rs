//! Ends what a plan names: containers are killed together, sidecars after those they serve, then
//! sandboxes stop, then the dead go.

use std::net::IpAddr;

use tokio::time::Instant;

use super::executor::{PodExecutor, all_or_first_failure};
use super::order::Order;
use super::report::Reporter;
use crate::cri::RuntimeError;
use crate::log_links;
use crate::model::{
    Afterwards, ContainerName, ContainerRole, KillContainer, KillReason, PodActions, PodFailure,
    PodName, PodObservation, RemoveContainer, SandboxId,
};
use crate::plan::time_to_stop;

/// Why something would not end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeDownError {
    /// A container would not end.
    #[error("cannot kill container {name}")]
    Kill {
        name: ContainerName,
        #[source]
        source: RuntimeError,
    },
    /// A sandbox would not stop.
    #[error("cannot stop pod sandbox {id}")]
    Stop {
        id: SandboxId,
        #[source]
        source: RuntimeError,
    },
    /// A dead container or sandbox would not go.
    #[error("cannot remove {what}")]
    Remove {
        what: String,
        #[source]
        source: RuntimeError,
    },
}

impl TakeDownError {
    /// Records the event that belongs to it.
    pub(super) fn announce(&self, report: &Reporter<'_>) {
        report.warning(
            self.reason(),
            format!("error killing pod: {}", self.chain()),
        );
    }

    /// Records the event, and tells the pod's worker.
    pub(super) fn into_failure(self, report: &Reporter<'_>) -> PodFailure {
        self.announce(report);
        PodFailure {
            reason: self.reason(),
            message: self.chain(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Kill { .. } | Self::Stop { .. } => "FailedKillPod",
            Self::Remove { .. } => "FailedSync",
        }
    }

    fn chain(&self) -> String {
        match self {
            Self::Kill { source, .. } | Self::Stop { source, .. } | Self::Remove { source, .. } => {
                format!("{self}: {}", source.explanation())
            }
        }
    }
}

impl PodExecutor {
    /// Everything of the plan that ends something.
    pub(super) async fn take_down(
        &self,
        observation: &PodObservation,
        actions: &PodActions,
    ) -> Result<(), TakeDownError> {
        let report = self.report(&observation.name, &observation.uid);
        let ip = self.address_of(observation);
        let order = Order::of(&actions.kill);
        let kills = actions.kill.iter();
        all_or_first_failure(kills.map(|kill| self.kill(kill, &order, ip, &report))).await?;
        all_or_first_failure(actions.stop.iter().map(|stop| self.stop(&stop.id))).await?;
        let containers = actions.remove_containers.iter();
        all_or_first_failure(containers.map(|dead| async {
            let removed = self.runtime.remove_container(dead.id.clone()).await;
            gone(removed).map_err(|source| TakeDownError::Remove {
                what: format!("dead container {}", dead.name),
                source,
            })?;
            self.unlink_log(&observation.name, dead);
            Ok(())
        }))
        .await?;
        all_or_first_failure(actions.remove_sandboxes.iter().map(|dead| async {
            let removed = self.runtime.remove_sandbox(dead.id.clone()).await;
            gone(removed).map_err(|source| TakeDownError::Remove {
                what: format!("pod sandbox {}", dead.id),
                source,
            })
        }))
        .await
    }

    /// What is left behind is swept later.
    fn unlink_log(&self, pod: &PodName, dead: &RemoveContainer) {
        if let Err(error) = log_links::remove(&self.layout, pod, &dead.name, &dead.id) {
            tracing::warn!(%pod, container = %dead.name, %error, "cannot remove the link to a log");
        }
    }

    /// Ends one container: its hook first, then the container, both within its grace period.
    pub(super) async fn kill(
        &self,
        kill: &KillContainer,
        order: &Order,
        ip: Option<IpAddr>,
        report: &Reporter<'_>,
    ) -> Result<(), TakeDownError> {
        let report = report.container(&kill.name);
        report.normal("Killing", announcement(kill));
        let began = Instant::now();
        self.pre_stop(kill, ip, &report).await;
        let grace = kill.grace.saturating_sub(began.elapsed());
        order.wait_for_turn(kill, grace).await;
        let left = time_to_stop(kill.grace, began.elapsed());
        let stopped = self.runtime.stop_container(kill.id.clone(), left).await;
        order.has_ended(kill);
        gone(stopped).map_err(|source| TakeDownError::Kill {
            name: kill.name.clone(),
            source,
        })
    }

    async fn stop(&self, id: &SandboxId) -> Result<(), TakeDownError> {
        let stopped = self.runtime.stop_sandbox(id.clone()).await;
        gone(stopped).map_err(|source| TakeDownError::Stop {
            id: id.clone(),
            source,
        })
    }
}

fn announcement(kill: &KillContainer) -> String {
    let (subject, name) = (subject(kill.reason), &kill.name);
    match kill.reason {
        KillReason::SpecChanged { role } => {
            let then = what_follows(role, Afterwards::Restarts);
            format!("{subject} {name} definition changed{then}")
        }
        KillReason::ProbeFailed { kind, role, then } => {
            let probe = kind.as_str().to_lowercase();
            let then = what_follows(role, then);
            format!("{subject} {name} failed {probe} probe{then}")
        }
        KillReason::StateUnknown { .. } => {
            format!("{subject} is in \"unknown\" state, try killing it before restart")
        }
        KillReason::Resized => format!("{subject} {name} resize requires restart"),
        KillReason::PostStartFailed => "FailedPostStartHook".to_owned(),
        KillReason::Asked => format!(
            "Container {} will be restarted, as was asked for",
            kill.name
        ),
        KillReason::SandboxGone
        | KillReason::NotInPod
        | KillReason::Duplicate
        | KillReason::AllRestart
        | KillReason::PodEnds => format!("Stopping container {name}"),
    }
}

fn subject(reason: KillReason) -> &'static str {
    match reason {
        KillReason::SpecChanged {
            role: ContainerRole::Init,
        }
        | KillReason::StateUnknown {
            role: ContainerRole::Init,
        }
        | KillReason::ProbeFailed {
            role: ContainerRole::Init,
            ..
        } => "Init container",
        _ => "Container",
    }
}

/// Of an init container nobody says so.
fn what_follows(role: ContainerRole, then: Afterwards) -> &'static str {
    match then {
        Afterwards::Restarts if role == ContainerRole::Regular => ", will be restarted",
        Afterwards::Restarts | Afterwards::StaysEnded => "",
    }
}

/// What is not there any more has ended.
fn gone(ended: Result<(), RuntimeError>) -> Result<(), RuntimeError> {
    ended.or_else(|error| {
        if error.is_not_found() {
            Ok(())
        } else {
            Err(error)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::ProbeKind;

    #[test]
    fn why_a_container_ends_is_told_in_upstreams_words() {
        let (init, regular) = (ContainerRole::Init, ContainerRole::Regular);
        let failed = |role| KillReason::ProbeFailed {
            kind: ProbeKind::Liveness,
            role,
            then: Afterwards::Restarts,
        };
        let rows = [
            (
                KillReason::SpecChanged { role: regular },
                "Container web definition changed, will be restarted",
            ),
            (
                KillReason::SpecChanged { role: init },
                "Init container web definition changed",
            ),
            (
                KillReason::StateUnknown { role: regular },
                "Container is in \"unknown\" state, try killing it before restart",
            ),
            (
                KillReason::StateUnknown { role: init },
                "Init container is in \"unknown\" state, try killing it before restart",
            ),
            (
                failed(regular),
                "Container web failed liveness probe, will be restarted",
            ),
            (failed(init), "Init container web failed liveness probe"),
            (KillReason::PostStartFailed, "FailedPostStartHook"),
            (KillReason::PodEnds, "Stopping container web"),
        ];
        for (reason, expected) in rows {
            let kill = KillContainer {
                id: "id".into(),
                name: "web".into(),
                grace: Duration::ZERO,
                reason,
                pre_stop: None,
                after: Vec::new(),
            };
            assert_eq!(announcement(&kill), expected);
        }
    }
}
