//! The status of each container: waiting, running or terminated, and why. One that the runtime has
//! lost is told from what was known of it.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    ContainerState as State, ContainerStateRunning, ContainerStateTerminated,
    ContainerStateWaiting, ContainerStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::model::{
    Container, ContainerObservation, ContainerRole, ContainerState, HeldBack, PodSpec, in_words,
};
use crate::plan::{has_started, is_ready, makes_all_anew, wants_restart};

use super::generate::final_phase;
use super::{StatusInput, particulars};

/// Why a container is away while all of its pod begin anew.
pub(super) const ANEW: &str = "RestartingAllContainers";
const REMOVED: &str = "The container is removed because RestartAllContainers in place";

/// Bytes that the last words of all containers of a pod may have together.
const LONGEST_MESSAGES: usize = 12 * 1024;

/// The status of one container.
pub(super) fn status(
    input: &StatusInput<'_>,
    container: &Container,
    role: ContainerRole,
) -> ContainerStatus {
    let newest = input.observation.newest(&container.name);
    let Known {
        state,
        last,
        restarts,
    } = match newest {
        Some(newest) => seen(input, (container, role), newest),
        None => unseen(input, container, role),
    };
    let (state, last) = match waits_for(input, container, role, newest) {
        Some(waiting) if state.terminated.is_some() => (waiting, Some(state)),
        Some(waiting) => (waiting, last),
        None => (state, last),
    };
    let known = Known {
        state,
        last,
        restarts,
    };
    assemble(input, container, role, newest, known)
}

/// What is known of a container.
struct Known {
    state: State,
    /// How the one before it ended.
    last: Option<State>,
    restarts: i32,
}

fn seen(
    input: &StatusInput<'_>,
    (container, role): (&Container, ContainerRole),
    newest: &ContainerObservation,
) -> Known {
    let exited_before = input
        .observation
        .newest_exited(&container.name)
        .filter(|exited| newest.id != exited.id);
    Known {
        state: observed_state(input, newest),
        last: exited_before
            .map(|exited| observed_state(input, exited))
            .or_else(|| told_before(input, (container, role), newest)),
        restarts: i32::try_from(newest.restart_count).unwrap_or_default(),
    }
}

/// How the one before it ended, as was told while the runtime had it.
fn told_before(
    input: &StatusInput<'_>,
    (container, role): (&Container, ContainerRole),
    newest: &ContainerObservation,
) -> Option<State> {
    let before = previous(input, container, role)?;
    let is_other = before.container_id.as_deref() != Some(&container_id(input, newest));
    let has_ended = |state: &&State| state.terminated.is_some();
    let state = before.state.as_ref().filter(|_| is_other);
    let ended = state.filter(has_ended);
    ended
        .or(before.last_state.as_ref().filter(has_ended))
        .cloned()
}

/// The runtime has none: there never was one, or it is lost.
fn unseen(input: &StatusInput<'_>, container: &Container, role: ContainerRole) -> Known {
    let is_step = role == ContainerRole::Init && !container.is_sidecar();
    let previous = previous(input, container, role);
    let (state, last, restarts) = match previous {
        Some(status) => (
            status.state.clone().unwrap_or_default(),
            status
                .last_state
                .clone()
                .filter(|last| *last != State::default()),
            status.restart_count,
        ),
        None => (State::default(), None, 0),
    };
    if previous.is_some() && state.waiting.is_none() && is_restarting(input) {
        return Known {
            state: waiting(ANEW, Some(REMOVED.to_owned())),
            last: Some(terminated(removed())),
            restarts: restarts.saturating_add(1),
        };
    }
    if state.terminated.is_some() {
        return Known {
            state,
            last,
            restarts,
        };
    }
    if is_step && has_begun(input) {
        return Known {
            state: terminated(done_for_sure()),
            last,
            restarts,
        };
    }
    if state.running.is_some() && last.is_none() {
        return Known {
            state: initial(input),
            last: Some(terminated(lost())),
            restarts: restarts.saturating_add(1),
        };
    }
    Known {
        state: initial(input),
        last,
        restarts,
    }
}

/// Whether all containers of the pod are on their way to begin anew.
fn is_restarting(input: &StatusInput<'_>) -> bool {
    let conditions = input.previous.and_then(|status| status.conditions.as_ref());
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|one| one.type_ == "AllContainersRestarting" && one.status == "True")
        || makes_all_anew(input.pod, input.observation)
}

/// What was told of a container last.
fn previous<'a>(
    input: &StatusInput<'a>,
    container: &Container,
    role: ContainerRole,
) -> Option<&'a ContainerStatus> {
    let status = input.previous?;
    let list = match role {
        ContainerRole::Init => &status.init_container_statuses,
        ContainerRole::Regular => &status.container_statuses,
        ContainerRole::Ephemeral => &status.ephemeral_container_statuses,
    };
    let mut list = list.iter().flatten();
    list.find(|status| status.name == container.name.as_str())
}

/// Whether a regular container was made: then every init container has done its work.
fn has_begun(input: &StatusInput<'_>) -> bool {
    let mut regular = input.pod.spec.containers.iter();
    regular.any(|container| {
        let newest = input.observation.newest(&container.name);
        newest.is_some_and(|newest| newest.state != ContainerState::Unknown)
    })
}

fn assemble(
    input: &StatusInput<'_>,
    container: &Container,
    role: ContainerRole,
    newest: Option<&ContainerObservation>,
    known: Known,
) -> ContainerStatus {
    let Known {
        state,
        last,
        restarts,
    } = known;
    let (started, ready) = (
        newest.is_some_and(|newest| has_started(container, newest, input.probes)),
        newest.is_some_and(|newest| is_ready(container, newest, input.probes)),
    );
    let has_succeeded = state
        .terminated
        .as_ref()
        .is_some_and(|ended| ended.exit_code == 0);
    let resources = particulars::resources(input.pod, container, newest);
    // Of one that ended, and that the runtime has no more, is told what was told.
    let before = previous(input, container, role);
    let before = before.filter(|_| newest.is_none() && state.terminated.is_some());
    ContainerStatus {
        name: container.name.to_string(),
        container_id: match newest {
            Some(newest) => Some(container_id(input, newest)),
            None => before.and_then(|before| before.container_id.clone()),
        },
        image: match (newest, before) {
            (Some(newest), _) => newest.image.clone(),
            (None, Some(before)) => before.image.clone(),
            (None, None) => container.image.clone(),
        },
        image_id: match (newest, before) {
            (Some(newest), _) => newest.image_id.clone(),
            (None, before) => before.map_or_else(String::new, |before| before.image_id.clone()),
        },
        ready: match role {
            ContainerRole::Init if !container.is_sidecar() => has_succeeded,
            ContainerRole::Init => ready,
            ContainerRole::Regular => ready,
            ContainerRole::Ephemeral => false,
        },
        started: (role != ContainerRole::Ephemeral).then_some(started),
        restart_count: restarts,
        state: Some(within_limit(input, state)),
        last_state: Some(within_limit(input, last.unwrap_or_default())),
        user: particulars::user(newest),
        volume_mounts: particulars::volume_mounts(container, newest),
        allocated_resources: particulars::allocated(input.pod, container, newest),
        resources,
        ..ContainerStatus::default()
    }
}

/// The same with no longer last words than the container's share of those of its pod.
fn within_limit(input: &StatusInput<'_>, mut state: State) -> State {
    let spec = &input.pod.spec;
    let containers =
        spec.containers.len() + spec.init_containers.len() + spec.ephemeral_containers.len();
    let share = LONGEST_MESSAGES / containers.max(1);
    let ended = state.terminated.as_mut();
    if let Some(message) = ended.and_then(|ended| ended.message.as_mut()) {
        message.truncate(message.floor_char_boundary(share));
    }
    state
}

/// What a container that is to be started (again) waits for; `None` when it is not, as in a pod whose end
/// is decided, or when nothing is known to be in its way.
fn waits_for(
    input: &StatusInput<'_>,
    container: &Container,
    role: ContainerRole,
    newest: Option<&ContainerObservation>,
) -> Option<State> {
    let has_run = newest.is_some_and(|newest| newest.state.exit().is_some());
    let is_over = has_run && final_phase(input).is_some();
    if is_over || !is_wanted(&input.pod.spec, container, role, newest) {
        return None;
    }
    let held = input
        .held_back
        .iter()
        .find(|held| held.name == container.name);
    if let Some(held) = held {
        return Some(waiting("CrashLoopBackOff", Some(crash_loop(input, held))));
    }
    let failure = input.failures.get(&container.name)?;
    Some(waiting(
        failure.reason.as_str(),
        Some(failure.message.clone()),
    ))
}

fn is_wanted(
    spec: &PodSpec,
    container: &Container,
    role: ContainerRole,
    newest: Option<&ContainerObservation>,
) -> bool {
    let Some(newest) = newest else {
        return true;
    };
    match (role, newest.state.exit()) {
        (ContainerRole::Ephemeral, Some(_)) => false,
        (ContainerRole::Init, Some(exit)) if exit.is_success() && !container.is_sidecar() => false,
        _ => wants_restart(spec, container, newest),
    }
}

fn crash_loop(input: &StatusInput<'_>, held: &HeldBack) -> String {
    let (pod, delay) = (input.pod, in_words(held.delay));
    format!(
        "back-off {delay} restarting failed container={} pod={}_{}({})",
        held.name, pod.name.name, pod.name.namespace, pod.uid
    )
}

/// The state of a container that the runtime has nothing of.
fn initial(input: &StatusInput<'_>) -> State {
    let has_init = !input.pod.spec.init_containers.is_empty();
    waiting(
        if has_init {
            "PodInitializing"
        } else {
            "ContainerCreating"
        },
        None,
    )
}

fn observed_state(input: &StatusInput<'_>, seen: &ContainerObservation) -> State {
    match &seen.state {
        ContainerState::Created => initial(input),
        ContainerState::Running { started_at } => State {
            running: Some(ContainerStateRunning {
                started_at: Some(Time(*started_at)),
            }),
            ..State::default()
        },
        ContainerState::Exited(exit) => terminated(ContainerStateTerminated {
            container_id: Some(container_id(input, seen)),
            exit_code: exit.code,
            reason: Some(exit_reason(&exit.reason, exit.code)),
            message: Some(exit.message.clone()).filter(|message| !message.is_empty()),
            started_at: exit.started_at.map(Time),
            finished_at: Some(Time(exit.finished_at)),
            signal: None,
        }),
        ContainerState::Unknown => terminated(unknown(container_id(input, seen), input.now)),
    }
}

/// An exit code that nobody can know any more.
fn unknown(container_id: String, now: Timestamp) -> ContainerStateTerminated {
    ContainerStateTerminated {
        container_id: Some(container_id),
        exit_code: 137,
        reason: Some("ContainerStatusUnknown".to_owned()),
        message: Some("The container could not be located when the pod was terminated".to_owned()),
        finished_at: Some(Time(now)),
        ..ContainerStateTerminated::default()
    }
}

/// It ran, and the runtime has nothing of it any more.
fn lost() -> ContainerStateTerminated {
    let message = "The container could not be located when the pod was deleted.  The container \
                   used to be Running";
    ContainerStateTerminated {
        exit_code: 137,
        reason: Some("ContainerStatusUnknown".to_owned()),
        message: Some(message.to_owned()),
        ..ContainerStateTerminated::default()
    }
}

/// It was taken away so that all containers of the pod begin anew.
fn removed() -> ContainerStateTerminated {
    ContainerStateTerminated {
        exit_code: 137,
        reason: Some(ANEW.to_owned()),
        message: Some(REMOVED.to_owned()),
        ..ContainerStateTerminated::default()
    }
}

/// It must have ended well, or nothing would have come after it.
fn done_for_sure() -> ContainerStateTerminated {
    let message = "Unable to get init container status from container runtime and pod has been \
                   initialized, treat it as exited normally";
    ContainerStateTerminated {
        reason: Some("Completed".to_owned()),
        message: Some(message.to_owned()),
        ..ContainerStateTerminated::default()
    }
}

fn exit_reason(reason: &str, code: i32) -> String {
    match (reason, code) {
        ("", 0) => "Completed".to_owned(),
        ("", _) => "Error".to_owned(),
        (reason, _) => reason.to_owned(),
    }
}

fn container_id(input: &StatusInput<'_>, seen: &ContainerObservation) -> String {
    format!("{}://{}", input.facts.runtime_name, seen.id)
}

fn waiting(reason: &str, message: Option<String>) -> State {
    let waiting = ContainerStateWaiting {
        reason: Some(reason.to_owned()),
        message,
    };
    State {
        waiting: Some(waiting),
        ..State::default()
    }
}

fn terminated(terminated: ContainerStateTerminated) -> State {
    State {
        terminated: Some(terminated),
        ..State::default()
    }
}
