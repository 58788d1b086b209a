//! Hooks: after a start, and within the grace period before an end.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{Stage, web};
use crate::cri::fake::Command;
use crate::model::{Event, FailureReason, Hook, Pod};
use crate::plan::end_pod;
use crate::sync::Executor;

fn exec(line: &str) -> Hook {
    Hook::Exec(line.split(' ').map(str::to_owned).collect())
}

fn stage() -> Stage {
    let stage = Stage::new();
    stage.runtime.load("registry.test/web:1");
    stage
}

impl Stage {
    fn told(&self) -> Vec<(String, String)> {
        let events = self.notes.0.lock().unwrap();
        let told = |event: &Event| (event.reason.to_string(), event.message.clone());
        events.iter().map(told).collect()
    }

    async fn end(&self, pod: Option<&Pod>, seconds: u64) {
        let observation = self.observe(&web()).await;
        let ending = end_pod(pod, &observation, Some(Duration::from_secs(seconds)));
        let ended = self.executor.terminate(&observation, &ending).await;
        ended.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_runs_after_the_start_of_its_container() {
    let mut stage = stage();
    let mut pod = web();
    pod.spec.containers[0].lifecycle.post_start = Some(exec("warm up"));
    stage.settle(&pod).await;
    assert_eq!(stage.runtime.commands(), ["warm up"]);
    assert_eq!(stage.runtime.containers(), [("web".to_owned(), "running")]);
}

#[tokio::test(start_paused = true)]
async fn a_container_whose_hook_fails_is_ended_and_says_why_it_waits() {
    let mut stage = stage();
    stage.runtime.command("warm up", Command::Exits(3));
    let mut pod = web();
    pod.spec.containers[0].lifecycle.post_start = Some(exec("warm up"));
    stage.turn(&pod).await;
    let report = stage.turn(&pod).await;
    let report = match report {
        Some(report) if !report.is_success() => report,
        other => panic!("{other:?}"),
    };
    let failure = &report.containers[&"web".into()];
    assert_eq!(failure.reason, FailureReason::PostStartHookError);
    assert_eq!(
        failure.message,
        "Exec lifecycle hook ([warm up]) for Container \"web\" in Pod \"web-node_default(uid-1)\" \
         failed - error: command 'warm up' exited with 3: , message: \"warm up\""
    );
    assert!(
        stage
            .runtime
            .containers()
            .iter()
            .all(|(_, state)| *state == "exited"),
        "{:?}",
        stage.runtime.containers()
    );
    let told = stage.told();
    let expected = [
        ("FailedPostStartHook", "PostStartHook failed"),
        ("Killing", "FailedPostStartHook"),
    ]
    .map(|(reason, message)| (reason.to_owned(), message.to_owned()));
    assert!(told.windows(2).any(|pair| pair == expected), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn the_hook_before_an_end_is_part_of_the_grace_period() {
    // What the hook does, the grace period, and what is left of it for the container.
    let rows = [
        (Hook::Sleep(Duration::from_secs(5)), 30, 25),
        (Hook::Sleep(Duration::from_secs(30)), 30, 2),
        (exec("drain"), 30, 30),
        (exec("hang"), 30, 2),
        (exec("hang"), 0, 2),
    ];
    for (hook, grace, left) in rows {
        let mut stage = stage();
        stage.runtime.command("hang", Command::RunsOn);
        let mut pod = web();
        pod.spec.containers[0].lifecycle.pre_stop = Some(hook.clone());
        stage.settle(&pod).await;
        stage.end(Some(&pod), grace).await;
        assert_eq!(
            stage.runtime.graces(),
            [("web".to_owned(), left)],
            "{hook:?} {grace}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_is_told_and_its_container_ends_all_the_same() {
    let mut stage = stage();
    stage.runtime.command("drain", Command::Exits(1));
    let mut pod = web();
    pod.spec.containers[0].lifecycle.pre_stop = Some(exec("drain"));
    stage.settle(&pod).await;
    stage.end(Some(&pod), 30).await;
    let failed = ["FailedPreStopHook", "PreStopHook failed"].map(str::to_owned);
    assert!(stage.told().contains(&failed.into()));
    assert_eq!(stage.runtime.containers(), [("web".to_owned(), "exited")]);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_has_ended_by_itself_has_no_hook_run() {
    let mut stage = stage();
    let mut pod = web();
    pod.spec.containers[0].lifecycle.pre_stop = Some(exec("drain"));
    stage.settle(&pod).await;
    stage.runtime.exit("web", 0);
    stage.end(Some(&pod), 30).await;
    assert_eq!(stage.runtime.commands(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_not_known_any_more_still_has_its_hooks_run() {
    let mut stage = stage();
    let mut pod = web();
    pod.spec.containers[0].lifecycle.pre_stop = Some(exec("drain"));
    let manifest = json!({"spec": {"containers": [{
        "name": "web", "lifecycle": {"preStop": {"exec": {"command": ["drain"]}}},
    }]}});
    pod.manifest = Arc::new(serde_json::from_value(manifest).unwrap());
    stage.settle(&pod).await;
    stage.end(None, 30).await;
    assert_eq!(stage.runtime.commands(), ["drain"]);
}
