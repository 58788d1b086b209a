//! A table of pods, as a kubelet reports them, and the three columns each gets.

use serde_json::{Value, json};

use super::*;

fn waiting(reason: &str) -> Value {
    json!({ "waiting": { "reason": reason } })
}

fn ended(code: i32, reason: &str) -> Value {
    json!({ "terminated": { "exitCode": code, "reason": reason } })
}

fn running() -> Value {
    json!({ "running": { "startedAt": "2026-01-01T00:00:00Z" } })
}

/// The status of a container; a running one is ready.
fn container(name: &str, state: Value) -> Value {
    let is_running = state.get("running").is_some();
    json!({
        "name": name, "image": "i", "imageID": "", "restartCount": 0,
        "ready": is_running, "started": is_running, "state": state,
    })
}

fn pod(spec: Value, status: Value) -> Pod {
    serde_json::from_value(json!({ "metadata": { "name": "p" }, "spec": spec, "status": status }))
        .unwrap()
}

fn two_apps() -> Value {
    json!({ "containers": [{ "name": "a" }, { "name": "b" }] })
}

fn with_init() -> Value {
    json!({
        "initContainers": [{ "name": "i" }, { "name": "j" }],
        "containers": [{ "name": "a" }],
    })
}

fn apps(phase: &str, a: Value, b: Value) -> Pod {
    let statuses = [container("a", a), container("b", b)];
    pod(
        two_apps(),
        json!({ "phase": phase, "containerStatuses": statuses }),
    )
}

fn inits(i: Value, j: Value) -> Pod {
    let statuses = [container("i", i), container("j", j)];
    let app = [container("a", waiting("PodInitializing"))];
    pod(
        with_init(),
        json!({ "phase": "Pending", "initContainerStatuses": statuses, "containerStatuses": app }),
    )
}

fn columns(pod: &Pod) -> (String, String) {
    let summary = summarize(pod);
    (
        format!("{}/{}", summary.ready, summary.total),
        summary.status,
    )
}

fn assert_columns(pod: &Pod, ready: &str, status: &str) {
    assert_eq!(columns(pod), (ready.to_owned(), status.to_owned()));
}

#[test]
fn a_pod_without_container_statuses_shows_its_phase_or_reason() {
    assert_columns(
        &pod(two_apps(), json!({ "phase": "Pending" })),
        "0/2",
        "Pending",
    );
    let evicted = json!({ "phase": "Failed", "reason": "Evicted" });
    assert_columns(&pod(two_apps(), evicted), "0/2", "Evicted");
    let gated = json!({ "phase": "Pending", "conditions": [
        { "type": "PodScheduled", "status": "False", "reason": "SchedulingGated" }] });
    assert_columns(&pod(two_apps(), gated), "0/2", "SchedulingGated");
}

#[test]
fn running_containers_are_counted_as_ready() {
    assert_columns(&apps("Running", running(), running()), "2/2", "Running");
}

#[test]
fn a_waiting_or_ended_container_gives_its_reason_and_the_first_one_wins() {
    let table = [
        (
            waiting("ContainerCreating"),
            waiting("ImagePullBackOff"),
            "0/2",
            "ContainerCreating",
        ),
        (
            running(),
            waiting("CrashLoopBackOff"),
            "1/2",
            "CrashLoopBackOff",
        ),
        (ended(1, "Error"), running(), "1/2", "Error"),
        (
            ended(0, "Completed"),
            ended(0, "Completed"),
            "0/2",
            "Completed",
        ),
        (
            ended(137, "OOMKilled"),
            ended(1, "Error"),
            "0/2",
            "OOMKilled",
        ),
        (ended(3, ""), running(), "1/2", "ExitCode:3"),
    ];
    for (a, b, ready, status) in table {
        assert_columns(&apps("Running", a, b), ready, status);
    }
    let killed = json!({ "terminated": { "exitCode": 137, "signal": 9 } });
    assert_columns(&apps("Running", killed, running()), "1/2", "Signal:9");
}

#[test]
fn a_pod_with_a_completed_and_a_running_container_is_running_if_ready() {
    let mut pod = apps("Running", ended(0, "Completed"), running());
    assert_columns(&pod, "1/2", "NotReady");
    let ready = json!([{ "type": "Ready", "status": "True" }]);
    pod.status.as_mut().unwrap().conditions = serde_json::from_value(ready).unwrap();
    assert_columns(&pod, "1/2", "Running");
}

#[test]
fn the_first_unfinished_init_container_is_what_a_pod_shows() {
    let table = [
        (running(), waiting("PodInitializing"), "Init:0/2"),
        (ended(0, "Completed"), running(), "Init:1/2"),
        (
            ended(0, "Completed"),
            waiting("PodInitializing"),
            "Init:1/2",
        ),
        (ended(1, "Error"), waiting("PodInitializing"), "Init:Error"),
        (
            waiting("CrashLoopBackOff"),
            waiting("PodInitializing"),
            "Init:CrashLoopBackOff",
        ),
        (
            waiting("ErrImagePull"),
            waiting("PodInitializing"),
            "Init:ErrImagePull",
        ),
        (ended(4, ""), waiting("PodInitializing"), "Init:ExitCode:4"),
        (
            ended(0, "Completed"),
            ended(0, "Completed"),
            "PodInitializing",
        ),
    ];
    for (i, j, status) in table {
        assert_columns(&inits(i, j), "0/1", status);
    }
    let killed = json!({ "terminated": { "exitCode": 143, "signal": 15 } });
    assert_columns(
        &inits(killed, waiting("PodInitializing")),
        "0/1",
        "Init:Signal:15",
    );
}

#[test]
fn a_sidecar_counts_among_the_containers() {
    let spec = json!({
        "initContainers": [{ "name": "s", "restartPolicy": "Always" }],
        "containers": [{ "name": "a" }],
    });
    let status = json!({
        "phase": "Running",
        "initContainerStatuses": [container("s", running())],
        "containerStatuses": [container("a", running())],
    });
    assert_columns(&pod(spec, status), "2/2", "Running");
}

#[test]
fn a_pod_that_is_being_deleted_is_terminating_until_it_has_ended() {
    let deletion = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
    let mut pod = apps("Running", running(), running());
    pod.metadata.deletion_timestamp = deletion;
    assert_columns(&pod, "2/2", "Terminating");

    pod.status.as_mut().unwrap().phase = Some("Failed".to_owned());
    assert_eq!(summarize(&pod).status, "Failed");

    let status = pod.status.as_mut().unwrap();
    status.reason = Some("NodeLost".to_owned());
    assert_eq!(summarize(&pod).status, "Unknown");
}

#[test]
fn restarts_are_those_of_the_init_containers_until_they_are_done() {
    let again = |name, count: i32, finished: &str| {
        let mut status = container(name, running());
        status["restartCount"] = count.into();
        status["lastState"] = json!({ "terminated": { "exitCode": 1, "finishedAt": finished } });
        status
    };
    let mut initializing = inits(running(), waiting("PodInitializing"));
    initializing
        .status
        .as_mut()
        .unwrap()
        .init_container_statuses =
        serde_json::from_value(json!([again("i", 2, "2026-01-01T00:00:05Z")])).unwrap();
    let summary = summarize(&initializing);
    assert_eq!(summary.restarts, 2);
    assert_eq!(
        summary.last_restart,
        Some("2026-01-01T00:00:05Z".parse().unwrap())
    );

    let statuses = [
        again("a", 1, "2026-01-01T00:00:09Z"),
        again("b", 3, "2026-01-01T00:00:07Z"),
    ];
    let app = pod(
        two_apps(),
        json!({ "phase": "Running", "containerStatuses": statuses }),
    );
    let summary = summarize(&app);
    assert_eq!(summary.restarts, 4);
    assert_eq!(
        summary.last_restart,
        Some("2026-01-01T00:00:09Z".parse().unwrap())
    );
}
