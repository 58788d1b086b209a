//! Pods whose upper cgroups systemd makes: the machine's own, or one of the test suite's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use podling_integration::harness::daemon::Start;
use podling_integration::harness::systemd::{self, Systemd, slice_directory};
use podling_integration::harness::{DEADLINE, Node, requests, wait_until};
use podling_proto::runtime::v1::{CgroupDriver, RuntimeConfigRequest};
use podling_systemd::{Value, slice_below, slice_of_path};

/// The machine's own where it has one.
fn systemd(node: &Node) -> Option<Systemd> {
    let is_there = podling_systemd::Systemd::runs_this_machine();
    (!is_there).then(|| Systemd::start(node.folder()))
}

fn start(systemd: Option<&Systemd>) -> Start {
    Start {
        arguments: vec!["--cgroup-driver=systemd".to_owned()],
        wrapper: systemd.map(Systemd::wrapper).unwrap_or_default(),
        ..Start::default()
    }
}

/// Scopes of podling below a slice.
fn scopes(slice: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(slice).into_iter().flatten().flatten();
    let is_scope = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "scope");
    entries.map(|entry| entry.path()).filter(is_scope).collect()
}

fn read(file: PathBuf) -> String {
    let text = fs::read_to_string(&file);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    text.trim().to_owned()
}

#[tokio::test]
async fn pods_are_in_scopes_that_systemd_delegates_over_crashes_and_leave_no_unit() {
    if !systemd::is_possible() {
        eprintln!("skipped: cgroup v2 alone is needed");
        return;
    }
    let mut node = Node::start().await;
    let systemd = systemd(&node);
    node.kill9();
    node.restart_with(&start(systemd.as_ref())).await;
    let image = node.import_testbox().await;
    let cri = node.cri().await;
    let mut runtime = cri.runtime.clone();
    let answer = runtime.runtime_config(RuntimeConfigRequest {}).await;
    let driver = answer.expect("it answers").into_inner().linux;
    assert_eq!(
        driver.map(|linux| linux.cgroup_driver()),
        Some(CgroupDriver::Systemd)
    );

    // Dashes are levels: one slice of the test's own, with one of the pod in it.
    let own = node.range().cgroup().replace(['/', '-'], "");
    let slice = format!("{own}-podu_1.slice");
    let directory = slice_directory(&slice);
    let mut container = requests::container(&image, &["sleep"]);
    let linux = container.linux.get_or_insert_default();
    let resources = linux.resources.get_or_insert_default();
    resources.memory_limit_in_bytes = 64 << 20;
    let made = requests::run_pod(&cri, requests::sandbox("one", &slice), container).await;
    let pod = made.expect("a pod");
    let [scope] = &scopes(&directory)[..] else {
        panic!("one scope is expected in {}", directory.display());
    };
    assert!(scope.ends_with(format!("cri-podling-{}.scope", pod.sandbox)));
    let limit = read(scope.join(&pod.container).join("memory.max"));
    assert_eq!(limit, (64 << 20).to_string());
    for inhabited in ["monitor", &pod.sandbox, &pod.container] {
        assert_ne!(
            read(scope.join(inhabited).join("cgroup.procs")),
            "",
            "{inhabited}"
        );
    }
    assert_eq!(
        read(scope.join("cgroup.procs")),
        "",
        "a delegated cgroup has no members"
    );
    if let Some(systemd) = &systemd {
        let said: BTreeMap<_, _> = systemd.units("cri-podling-");
        let said = said.values().next().expect("it was asked for a scope");
        assert_eq!(said.get("Delegate"), Some(&Value::Truth(true)));
        assert_eq!(said.get("TasksMax"), Some(&Value::Number(u64::MAX)));
    }

    // Another daemon finds it where it is.
    node.kill9();
    node.restart_with(&start(systemd.as_ref())).await;
    let cri = node.cri().await;
    assert_eq!(cri.sandboxes().await.len(), 1);
    requests::remove_pod(&cri, &pod.sandbox)
        .await
        .expect("it is removed");
    assert_eq!(scopes(&directory), [] as [PathBuf; 0], "no scope is left");
    if let Some(systemd) = &systemd {
        wait_until(DEADLINE, "the unit is forgotten", || {
            systemd.units("cri-podling-").is_empty()
        })
        .await;
    }

    // A path would be written behind systemd's back.
    let container = requests::container(&image, &["sleep"]);
    let refused =
        requests::run_pod(&cri, requests::sandbox("two", "/kubepods/pod1"), container).await;
    let refused = refused.expect_err("it is no slice").to_string();
    assert!(refused.contains("cgroupDriver: systemd"), "{refused}");
    node.stop().await;
    let _ = podling_systemd::Systemd::of_this_machine().stop(&format!("{own}.slice"));
    for slice in [slice, format!("{own}.slice")] {
        let _ = fs::remove_dir(slice_directory(&slice));
    }
}

/// A pod with limits that are in its slice too.
const LIMITED: &str = "apiVersion: v1
kind: Pod
metadata: {name: limited}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: IMAGE
    imagePullPolicy: Never
    args: [sleep]
    resources:
      requests: {cpu: 250m, memory: 32Mi}
      limits: {cpu: 500m, memory: 64Mi}
";

#[tokio::test]
async fn a_pods_slice_has_its_limits_and_goes_with_the_pod() {
    if !systemd::is_possible() {
        eprintln!("skipped: cgroup v2 alone is needed");
        return;
    }
    let mut node = Node::start().await;
    let systemd = systemd(&node);
    node.kill9();
    let start = start(systemd.as_ref());
    node.restart_with(&start).await;
    let image = node.import_testbox().await;
    node.manifest("limited.yaml", &LIMITED.replace("IMAGE", &image));
    let pod = node
        .wait_pod("limited", "runs", |pod| pod.phase() == "Running")
        .await;
    let uid = pod.0["metadata"]["uid"].as_str().expect("a pod has a UID");
    let root = slice_of_path(&node.range().cgroup());
    let slice = slice_below(&root, &format!("kubepods/burstable/pod{uid}"));
    let directory = slice_directory(&slice);
    assert_eq!(scopes(&directory).len(), 1, "{slice}");
    let limited = || {
        assert_eq!(read(directory.join("memory.max")), (64 << 20).to_string());
        let bandwidth = read(directory.join("cpu.max"));
        let mut numbers = bandwidth
            .split(' ')
            .map(|word| word.parse().expect("a number"));
        let (quota, period): (u64, u64) = (numbers.next().unwrap(), numbers.next().unwrap());
        assert_eq!(quota * 2, period, "half of a CPU");
    };
    limited();

    // Another kubelet states it anew.
    node.kill9();
    node.restart_with(&start).await;
    node.wait_pod("limited", "still runs", |pod| pod.phase() == "Running")
        .await;
    limited();
    node.remove_manifest("limited.yaml");
    node.wait_gone("limited").await;
    wait_until(DEADLINE, "its slice is gone", || !directory.exists()).await;

    // With the last pods their slices end.
    node.kill9();
    node.restart_with(&Start {
        ends_pods: true,
        ..start
    })
    .await;
    node.stop().await;
    assert!(!slice_directory(&root).exists(), "{root} is left");
}

#[tokio::test]
async fn a_daemon_that_shall_use_systemd_and_cannot_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("etc/podling")).expect("there is room");
    let text =
        "apiVersion: podling.dev/v1alpha1\nkind: RuntimeConfiguration\ncgroupDriver: systemd\n";
    fs::write(root.join("etc/podling/config.yaml"), text).expect("there is room");
    let nobody = format!("unix:path={}", folder.path().join("nobody").display());
    let output =
        std::process::Command::new(podling_integration::harness::programs::program("podling"))
            .arg("--root")
            .arg(&root)
            .arg("runtime")
            .env("DBUS_SYSTEM_BUS_ADDRESS", nobody)
            .env_remove("PODLING_ROOT")
            .output()
            .expect("podling starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(errors.contains("cgroupDriver: cgroupfs"), "{errors}");
}
