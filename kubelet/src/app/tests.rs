//! A whole kubelet over the runtime in memory.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::start::cgroup_driver;
use super::*;
use crate::cri::fake::{FakeRuntime, Program};
use crate::model::CgroupDriver;
use crate::resource::Tree;

const MANIFEST: &str = "apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: web, image: 'registry.test/web:1', imagePullPolicy: IfNotPresent}
";

/// A kubelet that runs.
struct Running {
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), AppError>>,
}

async fn start(root: &TempDir, runtime: &FakeRuntime, at_end: AtEnd) -> Running {
    let places = Places {
        manifests: root.path().join("manifests"),
        root: root.path().join("kubelet"),
        pod_logs: root.path().join("logs"),
        log_links: root.path().join("links"),
    };
    let mut settings = Settings::new("node-a", Path::new("/nowhere"), places);
    settings.cgroup_tree = Tree::Flat;
    settings.at_end = at_end;
    // The machine's own disk may be full.
    settings.eviction.thresholds.clear();
    make_directories(&settings).unwrap();
    let doors = listen(&settings).await.unwrap();
    let metrics = Metrics::new("node-a");
    let mut kubelet = Kubelet::build(
        settings,
        Arc::new(runtime.clone()),
        metrics,
        Wallet::default(),
    )
    .unwrap();
    let shutdown = CancellationToken::new();
    let told = shutdown.clone();
    let task = tokio::spawn(async move { kubelet.run(doors, told).await });
    Running { shutdown, task }
}

#[test]
fn directories_have_upstreams_modes_and_those_that_are_there_stay_as_they_are() {
    use std::os::unix::fs::PermissionsExt;
    let root = TempDir::new().unwrap();
    let at = |name: &str| root.path().join(name);
    let settings = Settings::new(
        "node-a",
        Path::new("/nowhere"),
        Places {
            manifests: at("etc/manifests"),
            root: at("lib/kubelet"),
            pod_logs: at("log/pods"),
            log_links: at("log/containers"),
        },
    );
    let mode = |name: &str| fs::metadata(at(name)).unwrap().permissions().mode() & 0o7777;
    fs::create_dir_all(at("lib/kubelet/plugins")).unwrap();
    fs::set_permissions(at("lib/kubelet/plugins"), fs::Permissions::from_mode(0o700)).unwrap();
    make_directories(&settings).unwrap();
    make_directories(&settings).unwrap();
    for (name, expected) in [
        ("etc/manifests", 0o755),
        ("lib/kubelet/pods", 0o750),
        ("lib/kubelet/plugins", 0o700),
        ("lib/kubelet/plugins_registry", 0o750),
        ("lib/kubelet/pod-resources", 0o750),
        ("log/pods", 0o750),
        ("log/containers", 0o755),
    ] {
        assert_eq!(mode(name), expected, "{name}");
    }
    fs::remove_dir(at("lib/kubelet/pods")).unwrap();
    fs::write(at("lib/kubelet/pods"), "").unwrap();
    let error = make_directories(&settings).unwrap_err().to_string();
    assert!(error.ends_with("lib/kubelet/pods"), "{error}");
}

impl Running {
    async fn stop(self) {
        self.shutdown.cancel();
        timeout(Duration::from_secs(20), self.task)
            .await
            .expect("it ends")
            .unwrap()
            .unwrap();
    }
}

async fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn is(runtime: &FakeRuntime, expected: &[(&str, &str)]) -> bool {
    let containers = runtime.containers();
    let seen: Vec<_> = containers
        .iter()
        .map(|(name, state)| (name.as_str(), *state))
        .collect();
    seen == expected
}

fn write_manifest(root: &TempDir) {
    fs::create_dir_all(root.path().join("manifests")).unwrap();
    fs::write(root.path().join("manifests/web.yaml"), MANIFEST).unwrap();
}

#[tokio::test]
async fn a_manifest_runs_and_a_removed_one_leaves_nothing() {
    let root = TempDir::new().unwrap();
    let runtime = FakeRuntime::new();
    runtime.publish("registry.test/web:1");
    write_manifest(&root);
    let kubelet = start(&root, &runtime, AtEnd::LeavePods).await;
    wait_until("the container runs", || is(&runtime, &[("web", "running")])).await;
    fs::remove_file(root.path().join("manifests/web.yaml")).unwrap();
    let pods = root.path().join("kubelet/pods");
    wait_until("the pod is gone", || {
        is(&runtime, &[]) && fs::read_dir(&pods).unwrap().next().is_none()
    })
    .await;
    kubelet.stop().await;
}

#[tokio::test]
async fn a_kubelet_that_starts_again_restarts_no_container() {
    let root = TempDir::new().unwrap();
    let runtime = FakeRuntime::new();
    runtime.publish("registry.test/web:1");
    write_manifest(&root);
    let first = start(&root, &runtime, AtEnd::LeavePods).await;
    wait_until("the container runs", || is(&runtime, &[("web", "running")])).await;
    first.stop().await;
    assert!(is(&runtime, &[("web", "running")]));

    let listed = runtime.calls("ListContainers");
    let second = start(&root, &runtime, AtEnd::LeavePods).await;
    wait_until("it has looked", || {
        runtime.calls("ListContainers") >= listed + 2
    })
    .await;
    second.stop().await;
    assert!(is(&runtime, &[("web", "running")]));
    assert_eq!(runtime.calls("StartContainer"), 1);
    assert_eq!(runtime.calls("RunPodSandbox"), 1);
}

#[tokio::test]
async fn a_container_that_exits_is_started_again() {
    let root = TempDir::new().unwrap();
    let runtime = FakeRuntime::new();
    runtime.publish("registry.test/web:1");
    write_manifest(&root);
    let kubelet = start(&root, &runtime, AtEnd::LeavePods).await;
    wait_until("the container runs", || is(&runtime, &[("web", "running")])).await;
    runtime.exit("web", 1);
    wait_until("it runs again", || {
        is(&runtime, &[("web", "exited"), ("web", "running")])
    })
    .await;
    kubelet.stop().await;
}

#[tokio::test]
async fn pods_end_with_their_kubelet_when_they_shall() {
    let root = TempDir::new().unwrap();
    let runtime = FakeRuntime::new();
    runtime.publish("registry.test/web:1");
    runtime.program("web", Program::IgnoresStop);
    write_manifest(&root);
    let kubelet = start(&root, &runtime, AtEnd::EndPods).await;
    wait_until("the container runs", || is(&runtime, &[("web", "running")])).await;
    kubelet.stop().await;
    assert!(is(&runtime, &[]));
    assert_eq!(runtime.ready_sandboxes(), 0);
}

#[tokio::test]
async fn directories_of_a_pod_that_is_gone_are_taken_away() {
    let root = TempDir::new().unwrap();
    let left = root.path().join("kubelet/pods/uid-9/volumes");
    fs::create_dir_all(&left).unwrap();
    let logs = root.path().join("logs/default_old_uid-9/web");
    fs::create_dir_all(&logs).unwrap();
    let kubelet = start(&root, &FakeRuntime::new(), AtEnd::LeavePods).await;
    wait_until("they are gone", || !left.exists() && !logs.exists()).await;
    kubelet.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_runtime_says_who_makes_cgroups_and_is_asked_until_it_answers() {
    let (runtime, shutdown) = (FakeRuntime::new(), CancellationToken::new());
    let asked = cgroup_driver(&runtime, CgroupDriver::Systemd, &shutdown).await;
    assert_eq!(asked, Some(CgroupDriver::Systemd), "it does not say");
    runtime.has_cgroups_by(CgroupDriver::Cgroupfs);
    let asked = cgroup_driver(&runtime, CgroupDriver::Systemd, &shutdown).await;
    assert_eq!(asked, Some(CgroupDriver::Cgroupfs));
}
