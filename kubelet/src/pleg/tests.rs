//! The generator over the runtime in memory.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Generator, Intervals, Parts, RuntimeObserver};
use crate::cri::fake::FakeRuntime;
use crate::cri::{SandboxConfig, SandboxMetadata, Sandboxes};
use crate::labels;
use crate::layout::Layout;
use crate::metrics::Metrics;
use crate::pulse::Pulse;
use crate::sync::Input;

fn sandbox(uid: &str) -> SandboxConfig {
    let pairs = [
        (labels::POD_UID, uid),
        (labels::POD_NAME, "web"),
        (labels::POD_NAMESPACE, "default"),
    ];
    SandboxConfig {
        metadata: SandboxMetadata {
            uid: uid.to_owned(),
            ..SandboxMetadata::default()
        },
        labels: pairs
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        ..SandboxConfig::default()
    }
}

struct Running {
    pulse: Pulse,
    inbox: mpsc::Receiver<Input>,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn start(runtime: &FakeRuntime) -> Running {
    let nowhere = TempDir::new().unwrap();
    let layout = Layout::new(nowhere.path(), nowhere.path());
    let observer = Arc::new(RuntimeObserver::new(Arc::new(runtime.clone()), layout));
    let (sender, inbox) = mpsc::channel(64);
    let shutdown = CancellationToken::new();
    let pulse = Pulse::default();
    let generator = Generator::new(Parts {
        runtime: Arc::new(runtime.clone()),
        observer,
        inbox: sender,
        intervals: Intervals::default(),
        metrics: Metrics::new("node-a"),
        pulse: pulse.clone(),
    });
    let task = tokio::spawn(generator.run(shutdown.clone()));
    Running {
        pulse,
        inbox,
        shutdown,
        task,
    }
}

/// The next input in a short form.
async fn next(running: &mut Running) -> String {
    match running.inbox.recv().await.expect("the generator runs") {
        Input::RuntimeChanged(uid) => format!("changed {uid}"),
        Input::Relisted(pods) => {
            let uids: Vec<_> = pods.iter().map(|pod| pod.uid.as_str()).collect();
            format!("relisted {}", uids.join(" ")).trim_end().to_owned()
        }
        other => panic!("the generator does not say {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_stood_before_the_start_is_told_first() {
    let runtime = FakeRuntime::new();
    runtime.run_sandbox(sandbox("a")).await.unwrap();
    let mut running = start(&runtime);
    assert_eq!(next(&mut running).await, "changed a");
    assert_eq!(next(&mut running).await, "relisted a");
}

#[tokio::test(start_paused = true)]
async fn an_event_is_passed_on_at_once() {
    let runtime = FakeRuntime::new();
    let mut running = start(&runtime);
    assert_eq!(next(&mut running).await, "relisted");
    let began = tokio::time::Instant::now();
    // Lets the generator subscribe.
    tokio::task::yield_now().await;
    runtime.run_sandbox(sandbox("a")).await.unwrap();
    assert_eq!(next(&mut running).await, "changed a");
    assert!(began.elapsed() < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn a_runtime_with_events_is_listed_once_a_minute() {
    let runtime = FakeRuntime::new();
    let mut running = start(&runtime);
    assert_eq!(next(&mut running).await, "relisted");
    assert!(
        timeout(Duration::from_secs(59), next(&mut running))
            .await
            .is_err()
    );
    assert_eq!(next(&mut running).await, "relisted");
}

#[tokio::test(start_paused = true)]
async fn a_runtime_without_events_is_listed_each_second() {
    let runtime = FakeRuntime::without_events();
    let mut running = start(&runtime);
    assert_eq!(next(&mut running).await, "relisted");
    runtime.run_sandbox(sandbox("a")).await.unwrap();
    let seen = timeout(Duration::from_millis(1100), next(&mut running)).await;
    assert_eq!(seen.as_deref(), Ok("changed a"));
    assert_eq!(runtime.calls("GetContainerEvents"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_cannot_be_listed_is_asked_again() {
    let runtime = FakeRuntime::without_events();
    runtime.fail_next("ListPodSandbox", "not ready");
    let mut running = start(&runtime);
    assert_eq!(next(&mut running).await, "relisted");
    assert_eq!(runtime.calls("ListPodSandbox"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_went_is_told() {
    let runtime = FakeRuntime::without_events();
    let id = runtime.run_sandbox(sandbox("a")).await.unwrap();
    let mut running = start(&runtime);
    assert_eq!(next(&mut running).await, "changed a");
    assert_eq!(next(&mut running).await, "relisted a");
    runtime.remove_sandbox(id).await.unwrap();
    assert_eq!(next(&mut running).await, "changed a");
    assert_eq!(next(&mut running).await, "relisted");
}

#[test]
fn a_pod_that_has_only_directories_left_is_found_with_its_name() {
    let root = TempDir::new().unwrap();
    let layout = Layout::new(root.path(), &root.path().join("logs"));
    for directory in [
        "pods/u1",
        "pods/u2",
        "logs/default_web-node_u1",
        "logs/other_pod_u3",
    ] {
        std::fs::create_dir_all(root.path().join(directory)).unwrap();
    }
    let mut found: Vec<_> = super::leftovers::on_disk(&layout)
        .unwrap()
        .into_iter()
        .map(|pod| format!("{} {}", pod.uid, pod.name))
        .collect();
    found.sort();
    assert_eq!(found, ["u1 default/web-node", "u2 /"]);
}

#[tokio::test(start_paused = true)]
async fn the_generator_ends_when_it_is_told_to() {
    let runtime = FakeRuntime::new();
    let mut running = start(&runtime);
    next(&mut running).await;
    running.shutdown.cancel();
    running.task.await.unwrap();
}

/// What is wrong after `seconds`, in which everything that the generator says is taken.
async fn problems_after(running: &mut Running, seconds: u64) -> Vec<String> {
    let taken = async { while running.inbox.recv().await.is_some() {} };
    let passed = timeout(Duration::from_secs(seconds), taken).await;
    assert!(passed.is_err(), "the generator runs");
    let checks = running.pulse.checks().into_iter();
    checks
        .filter(|check| check.name == "pleg")
        .filter_map(|check| check.problem)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_is_healthy_as_long_as_it_can_list() {
    let runtime = FakeRuntime::new();
    let mut running = start(&runtime);
    assert_eq!(
        problems_after(&mut running, 600).await,
        Vec::<String>::new()
    );
    for _ in 0..10 {
        runtime.fail_next("ListPodSandbox", "not ready");
    }
    let problems = problems_after(&mut running, 300).await;
    assert_eq!(problems.len(), 1, "{problems:?}");
}
