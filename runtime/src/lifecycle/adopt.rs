//! Taking a pod over from a daemon that is gone, or from a monitor that was lost sight of.
//!
//! First listen, then ask what is: an end between the two is heard twice, never missed.

use std::time::Duration;

use tokio::time::sleep;

use super::error::LifecycleError;
use super::events::EventKind;
use super::pod::Pod;
use super::{clock, exits, stop_sandbox};
use crate::model::{ContainerId, ContainerState, ExitStatus, SandboxState};
use crate::monitor::protocol::{ContainerReport, ContainerStatus, MonitorState};
use crate::monitor::{self, MonitorClient};
use crate::monitor::{Events as MonitorEvents, MonitorError};

/// How often a monitor is asked whether a launch that it is at has come to an end.
const LAUNCH_POLL: Duration = Duration::from_millis(5);

/// Takes over a pod that a former daemon left. An error says that it was never finished and is to
/// be undone; `None` that nothing of it runs.
pub(super) async fn take_over(pod: &mut Pod) -> Result<Option<MonitorEvents>, LifecycleError> {
    match pod.sandbox.state {
        SandboxState::Reserved | SandboxState::Networked { .. } => {
            Err(LifecycleError::Ended(pod.sandbox.id.to_string()))
        }
        SandboxState::Stopped => {
            let why_unknown = "the machine or the monitor went down before it ended";
            if let Err(error) = exits::settle(pod, why_unknown) {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(sandbox = %pod.sandbox.id, error, "an end was not recorded");
            }
            if let Err(error) = stop_sandbox::leave_network(pod).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(sandbox = %pod.sandbox.id, error, "it is still on its network");
            }
            Ok(None)
        }
        SandboxState::Ready { .. } => Ok(resume(pod).await),
    }
}

async fn resume(pod: &mut Pod) -> Option<MonitorEvents> {
    let events = if pod.is_of_this_boot() && pod.monitor_lives() {
        listen_again(pod).await
    } else {
        None
    };
    if events.is_none() {
        stop_sandbox::give_up(pod, "its monitor was gone when podling started").await;
    }
    events
}

/// Listens to a pod's monitor and takes in what was missed; `None` when the sandbox cannot go on.
pub(super) async fn listen_again(pod: &mut Pod) -> Option<MonitorEvents> {
    match listen(&pod.monitor()).await {
        Ok((events, state)) if state.pause.is_some() => {
            take_in(pod, &state.containers).await;
            Some(events)
        }
        Ok(_) => None,
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(sandbox = %pod.sandbox.id, error, "cannot listen to the monitor");
            None
        }
    }
}

/// Listens, then asks until no launch is under way.
async fn listen(client: &MonitorClient) -> Result<(MonitorEvents, MonitorState), MonitorError> {
    let events = client.subscribe().await?;
    loop {
        let state = client.state().await?;
        let launching = |report: &ContainerReport| report.status == ContainerStatus::Launching;
        if !state.containers.iter().any(launching) {
            return Ok((events, state));
        }
        sleep(LAUNCH_POLL).await;
    }
}

async fn take_in(pod: &mut Pod, reports: &[ContainerReport]) {
    for report in reports {
        if let ContainerStatus::Exited(record) = &report.status {
            exits::record(pod, record).await;
        }
    }
    let now = clock::now();
    let corrections: Vec<_> = pod
        .containers
        .values()
        .filter_map(|container| {
            let state = corrected(&container.id, &container.state, reports, now)?;
            Some((container.id.clone(), state))
        })
        .collect();
    for (id, state) in corrections {
        let kind = match state {
            ContainerState::Running { .. } => EventKind::Started,
            ContainerState::Exited { .. } => EventKind::Stopped,
            _ => EventKind::Created,
        };
        if let Err(error) = pod.set_container(&id, state) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(container = %id, error, "its state was not recorded");
        }
        pod.tell(id.as_str(), kind);
    }
}

impl Pod {
    fn is_of_this_boot(&self) -> bool {
        self.sandbox.boot_id == self.parts.boot_id
    }

    fn monitor_lives(&self) -> bool {
        let run_dir = self.parts.layout.sandbox_run_dir(&self.sandbox.id);
        monitor::is_alive(&run_dir).unwrap_or(false)
    }
}

/// What a container's record must say, after what its monitor reports; `None` when it says it
/// already. Pure.
pub(super) fn corrected(
    id: &ContainerId,
    recorded: &ContainerState,
    reports: &[ContainerReport],
    now: i64,
) -> Option<ContainerState> {
    let report = reports
        .iter()
        .find(|report| report.id == *id)
        .map(|report| &report.status);
    let actual = match (recorded, report) {
        // The daemon died before its request reached the monitor: nothing was begun.
        (ContainerState::Starting, None) => ContainerState::Created,
        (ContainerState::Running { started_at, .. }, None) => ContainerState::Exited {
            started_at: *started_at,
            finished_at: now,
            exit: ExitStatus::Unknown {
                message: "its monitor does not know it".to_owned(),
            },
        },
        (ContainerState::Exited { .. }, _) | (_, None | Some(ContainerStatus::Launching)) => {
            return None;
        }
        (_, Some(ContainerStatus::Running { pid, started_at })) => ContainerState::Running {
            started_at: *started_at,
            pid: *pid,
        },
        (_, Some(ContainerStatus::Exited(record))) => ContainerState::Exited {
            started_at: record.started_at,
            finished_at: record.finished_at,
            exit: record.exit_status(),
        },
    };
    (actual != *recorded).then_some(actual)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::protocol::ExitRecord;

    fn id() -> ContainerId {
        ContainerId::from_random([7; 32])
    }

    fn report(status: ContainerStatus) -> Vec<ContainerReport> {
        vec![ContainerReport { id: id(), status }]
    }

    #[test]
    fn a_start_that_never_reached_the_monitor_was_not_begun() {
        let corrected = corrected(&id(), &ContainerState::Starting, &[], 8);
        assert_eq!(corrected, Some(ContainerState::Created));
    }

    #[test]
    fn a_container_that_was_started_meanwhile_runs() {
        let reports = report(ContainerStatus::Running {
            pid: 9,
            started_at: 5,
        });
        let corrected = corrected(&id(), &ContainerState::Starting, &reports, 8);
        assert_eq!(
            corrected,
            Some(ContainerState::Running {
                pid: 9,
                started_at: 5
            })
        );
    }

    #[test]
    fn a_container_that_ended_meanwhile_has_its_true_code() {
        let exit = ExitRecord {
            container_id: id(),
            pid: 9,
            started_at: 5,
            finished_at: 6,
            code: 7,
            oom_killed: false,
            log_lines_lost: 0,
        };
        let running = ContainerState::Running {
            pid: 9,
            started_at: 5,
        };
        let corrected = corrected(&id(), &running, &report(ContainerStatus::Exited(exit)), 8);
        let exit = ExitStatus::Code {
            code: 7,
            oom_killed: false,
        };
        assert_eq!(
            corrected,
            Some(ContainerState::Exited {
                started_at: 5,
                finished_at: 6,
                exit
            })
        );
    }

    #[test]
    fn what_is_recorded_rightly_is_left_alone() {
        let running = ContainerState::Running {
            pid: 9,
            started_at: 5,
        };
        let reports = report(ContainerStatus::Running {
            pid: 9,
            started_at: 5,
        });
        assert_eq!(corrected(&id(), &running, &reports, 8), None);
        assert_eq!(corrected(&id(), &ContainerState::Created, &[], 8), None);
    }
}
