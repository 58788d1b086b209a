//! The READY, STATUS and RESTARTS columns: one pod's state in three words, by kubectl's rules.
//!
//! ```text
//! phase or reason ─► an unfinished init container? ─ yes ─► Init:…
//!                            │ no
//!                            ▼
//!                    the first container that waits or has ended ─► its reason
//!                            │
//!                            ▼
//!                    being deleted? ─► Terminating
//! ```

use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod, PodStatus};
use k8s_openapi::jiff::Timestamp;

/// What the three columns say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Containers that are ready.
    pub(crate) ready: usize,
    /// Containers that should be.
    pub(crate) total: usize,
    /// The STATUS column.
    pub(crate) status: String,
    /// Restarts of the containers that count now.
    pub(crate) restarts: i32,
    /// When the last of those containers ended before it was restarted.
    pub(crate) last_restart: Option<Timestamp>,
}

/// Sums a pod up.
pub(crate) fn summarize(pod: &Pod) -> Summary {
    let nothing = PodStatus::default();
    let status = pod.status.as_ref().unwrap_or(&nothing);
    let init = Init::of(pod, status);
    let app = Apps::of(status);

    let ready = init.sidecars_ready;
    let mut summary = Summary {
        ready,
        total: containers(pod).len()
            + init_containers(pod)
                .iter()
                .filter(|c| is_sidecar(c))
                .count(),
        status: phase_or_reason(status),
        restarts: init.all.count,
        last_restart: init.all.last,
    };
    if let Some(reason) = &init.unfinished {
        summary.status.clone_from(reason);
    }
    if init.unfinished.is_none() || has_condition(status, "Initialized") {
        summary.ready += app.ready;
        summary.restarts = init.sidecars.count + app.restarts.count;
        summary.last_restart = init.sidecars.last.max(app.restarts.last);
        if let Some(reason) = app.reason {
            summary.status = reason;
        }
        if summary.status == "Completed" && app.is_any_running {
            let is_ready = has_condition(status, "Ready");
            summary.status = if is_ready { "Running" } else { "NotReady" }.to_owned();
        }
    }
    if pod.metadata.deletion_timestamp.is_some() {
        deleted(status, &mut summary.status);
    }
    summary
}

/// Restarts of some containers, and the end before the last of them.
#[derive(Default)]
struct Restarts {
    count: i32,
    last: Option<Timestamp>,
}

impl Restarts {
    fn add(&mut self, container: &ContainerStatus) {
        self.count += container.restart_count;
        let ended = container
            .last_state
            .as_ref()
            .and_then(|state| state.terminated.as_ref());
        let finished = ended
            .and_then(|end| end.finished_at.as_ref())
            .map(|time| time.0);
        self.last = self.last.max(finished);
    }
}

/// What the init containers contribute, up to the first that is not done.
#[derive(Default)]
struct Init {
    all: Restarts,
    sidecars: Restarts,
    sidecars_ready: usize,
    unfinished: Option<String>,
}

impl Init {
    fn of(pod: &Pod, status: &PodStatus) -> Self {
        let specs = init_containers(pod);
        let mut sum = Self::default();
        for (place, container) in status.init_container_statuses.iter().flatten().enumerate() {
            let sidecar = specs
                .iter()
                .any(|spec| spec.name == container.name && is_sidecar(spec));
            sum.all.add(container);
            if sidecar {
                sum.sidecars.add(container);
            }
            if has_succeeded(container) {
                continue;
            }
            if sidecar && container.started == Some(true) {
                sum.sidecars_ready += usize::from(container.ready);
                continue;
            }
            sum.unfinished = Some(init_reason(container, place, specs.len()));
            break;
        }
        sum
    }
}

fn init_reason(container: &ContainerStatus, place: usize, total: usize) -> String {
    if let Some(end) = end_reason(container) {
        return format!("Init:{end}");
    }
    match waiting_reason(container) {
        Some(reason) if reason != "PodInitializing" => format!("Init:{reason}"),
        _ => format!("Init:{place}/{total}"),
    }
}

/// What the app containers contribute; of several reasons the first container's counts.
#[derive(Default)]
struct Apps {
    restarts: Restarts,
    ready: usize,
    reason: Option<String>,
    is_any_running: bool,
}

impl Apps {
    fn of(status: &PodStatus) -> Self {
        let mut sum = Self::default();
        for container in status.container_statuses.iter().flatten().rev() {
            sum.restarts.add(container);
            let reason = waiting_reason(container).map(str::to_owned);
            if let Some(reason) = reason.or_else(|| end_reason(container)) {
                sum.reason = Some(reason);
            } else if container.ready && is_running(container) {
                sum.is_any_running = true;
                sum.ready += 1;
            }
        }
        sum
    }
}

fn containers(pod: &Pod) -> &[Container] {
    pod.spec.as_ref().map_or(&[], |spec| &spec.containers)
}

fn init_containers(pod: &Pod) -> &[Container] {
    let spec = pod.spec.as_ref();
    spec.and_then(|spec| spec.init_containers.as_deref())
        .unwrap_or(&[])
}

/// An init container that goes on beside the others.
fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

fn is_running(container: &ContainerStatus) -> bool {
    container
        .state
        .as_ref()
        .is_some_and(|state| state.running.is_some())
}

fn has_succeeded(container: &ContainerStatus) -> bool {
    let state = container.state.as_ref();
    state
        .and_then(|state| state.terminated.as_ref())
        .is_some_and(|end| end.exit_code == 0)
}

fn waiting_reason(container: &ContainerStatus) -> Option<&str> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    waiting
        .reason
        .as_deref()
        .filter(|reason| !reason.is_empty())
}

/// Why a container that has ended did: its reason, or else the signal or the code.
fn end_reason(container: &ContainerStatus) -> Option<String> {
    let end = container.state.as_ref()?.terminated.as_ref()?;
    Some(match (&end.reason, end.signal) {
        (Some(reason), _) if !reason.is_empty() => reason.clone(),
        (_, Some(signal)) if signal != 0 => format!("Signal:{signal}"),
        _ => format!("ExitCode:{}", end.exit_code),
    })
}

fn phase_or_reason(status: &PodStatus) -> String {
    let conditions = status.conditions.iter().flatten();
    let gated = "SchedulingGated";
    if conditions
        .into_iter()
        .any(|c| c.type_ == "PodScheduled" && c.reason.as_deref() == Some(gated))
    {
        return gated.to_owned();
    }
    let reason = status.reason.as_ref().filter(|reason| !reason.is_empty());
    reason
        .or(status.phase.as_ref())
        .cloned()
        .unwrap_or_default()
}

fn has_condition(status: &PodStatus, name: &str) -> bool {
    let mut conditions = status.conditions.iter().flatten();
    conditions.any(|condition| condition.type_ == name && condition.status == "True")
}

/// A pod that is being deleted is Terminating until it has ended, Unknown when its node is lost.
fn deleted(status: &PodStatus, text: &mut String) {
    if status.reason.as_deref() == Some("NodeLost") {
        "Unknown".clone_into(text);
    } else if !matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        "Terminating".clone_into(text);
    }
}

#[cfg(test)]
mod tests;
