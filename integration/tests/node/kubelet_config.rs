//! A KubeletConfiguration, drop-ins and flags of a real daemon.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;

use podling_integration::harness::daemon::Start;
use podling_integration::harness::programs::program;
use podling_integration::harness::{DEADLINE, Node, Options, http, leftovers, wait_until};
use serde_json::{Value, json};

use crate::{CONFIGURATION, configure, configured, is_running, pod, shell};

#[test]
fn every_mistake_of_files_and_flags_is_told_before_anything_is_started() {
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let file = folder.path().join("kubelet.yaml");
    let drop_ins = folder.path().join("drop-ins");
    fs::create_dir(&drop_ins).expect("it can be made");
    fs::write(&file, format!("{CONFIGURATION}maxPodz: 3\nport: many\n"))
        .expect("it can be written");
    fs::write(
        drop_ins.join("10.conf"),
        format!("{CONFIGURATION}syncFrequency: 1 day\n"),
    )
    .expect("it can be written");
    let told = Command::new(program("podling"))
        .arg("--root")
        .arg(folder.path())
        .args(["kubelet", "--max-pods=x", "--config"])
        .arg(&file)
        .arg("--config-dir")
        .arg(&drop_ins)
        .output()
        .expect("podling starts");
    assert!(!told.status.success());
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    for words in [
        "kubelet.yaml:3: unknown field \"maxPodz\"",
        "kubelet.yaml:4: port: ",
        "10.conf:3: syncFrequency: invalid duration \"1 day\"",
        "--max-pods: \"x\" is not a number",
    ] {
        assert!(told.contains(words), "{words}\n{told}");
    }
}

#[tokio::test]
async fn a_node_is_as_its_configuration_says() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let fields = "maxPods: 7\nkernelMemcgNotification: true\nhealthzPort: 0\n";
    let node = configured(root.path(), fields).await;
    let configz = node.kubelet("/configz").expect("an answer");
    let configz: Value = serde_json::from_slice(&configz.body).expect("JSON");
    assert_eq!(configz["kubeletconfig"]["maxPods"], 7);
    let log = node.daemon_log();
    let warnings = log.matches("configured, but without effect yet: ").count();
    assert_eq!(warnings, 1, "{log}");
    assert!(log.contains("kernelMemcgNotification"), "{log}");
    node.stop().await;
}

#[tokio::test]
async fn places_names_and_the_address_of_the_health_are_those_that_are_configured() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let place = |name: &str| folder.path().join(name);
    fs::write(
        place("resolv.conf"),
        "nameserver 192.0.2.53\nsearch example.test\n",
    )
    .expect("there is room");
    let logs = place("logs").display().to_string();
    let resolv_conf = place("resolv.conf").display().to_string();
    // An address of loopback that no other node of this machine has is free on every port.
    let health = free_address();
    let text = format!(
        "podLogsDir: {logs}\nresolvConf: {resolv_conf}\nfileCheckFrequency: 1s\n\
         oomScoreAdj: 321\nhealthzBindAddress: {}\nhealthzPort: {}\n",
        health.ip(),
        health.port(),
    );
    configure(root.path(), &text);
    let pki = place("pki").display().to_string();
    let arguments = ["--hostname-override", "Other-Node", "--cert-dir", &pki];
    let node = Node::start_with(Options {
        root: Some(root.path().to_owned()),
        start: Start {
            arguments: arguments.map(str::to_owned).to_vec(),
            ..Start::default()
        },
    })
    .await;
    let image = node.import_debian("busybox").await;
    assert_eq!(
        http::get(health, "/healthz").expect("it listens").text(),
        "ok"
    );
    assert!(place("pki").join("kubelet.crt").exists());
    let score = format!("/proc/{}/oom_score_adj", node.daemon_pid());
    let score = fs::read_to_string(score).expect("the daemon runs");
    assert_eq!(score, "321\n");
    assert!(!root.path().join("var/lib/podling/kubelet/pki").exists());

    let script = "cat /proc/self/oom_score_adj /etc/resolv.conf; sleep 1000";
    let mut spec = shell(&image, script);
    spec["terminationGracePeriodSeconds"] = json!(1);
    node.manifest("here.yaml", &pod("here", spec));
    let runs = |name: &str| {
        node.pods()
            .iter()
            .any(|pod| pod.name() == name && is_running(pod))
    };
    wait_until(DEADLINE, "the pod of that node runs", || {
        runs("here-other-node")
    })
    .await;
    let here = node.pods().pop().expect("it was seen");
    let log = place("logs").join(format!("default_here-other-node_{}/main/0.log", here.uid()));
    wait_until(DEADLINE, "the resolver's file is in the log", || {
        let log = fs::read_to_string(&log).unwrap_or_default();
        let words = [
            " F 1000\n",
            "nameserver 192.0.2.53\n",
            "search example.test\n",
        ];
        words.iter().all(|words| log.contains(words))
    })
    .await;

    // Nothing tells of a change behind a link: only looking finds it.
    let target = place("linked.json");
    fs::write(&target, pod("one", shell(&image, "sleep 1000"))).expect("there is room");
    let link = root.path().join("etc/podling/manifests/linked.json");
    std::os::unix::fs::symlink(&target, link).expect("a link can be made");
    wait_until(DEADLINE, "the linked pod runs", || runs("one-other-node")).await;
    let mut two = shell(&image, "sleep 1000");
    two["terminationGracePeriodSeconds"] = json!(1);
    fs::write(&target, pod("two", two)).expect("there is room");
    wait_until(DEADLINE, "the change is found", || runs("two-other-node")).await;
    node.stop().await;
}

/// A cgroup of the test's own, which goes with it.
struct OwnCgroup(String);

impl Drop for OwnCgroup {
    fn drop(&mut self) {
        leftovers::remove_cgroups(&self.0);
    }
}

#[tokio::test]
async fn a_daemons_process_its_log_and_the_machines_logs_are_as_configured() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    fs::create_dir_all(root.path().join("var/log")).expect("it can be made");
    fs::write(root.path().join("var/log/kern.log"), "a line\n").expect("there is room");
    let own = OwnCgroup(format!("/podling-kubelet-test-{}", std::process::id()));
    let text = format!(
        "maxOpenFiles: 3210\nkubeletCgroups: {}\nlogging:\n  format: json\n",
        own.0
    );
    let node = configured(root.path(), &text).await;
    let of_process = |file: &str| {
        let path = format!("/proc/{}/{file}", node.daemon_pid());
        fs::read_to_string(path).expect("the daemon runs")
    };
    let cgroups = of_process("cgroup");
    assert!(cgroups.contains(&format!(":{}\n", own.0)), "{cgroups}");
    let limits = of_process("limits");
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    assert!(
        files.is_some_and(|line| line.contains(" 3210 ")),
        "{limits}"
    );
    let log = node.daemon_log();
    let first: Result<Value, _> = serde_json::from_str(log.lines().next().unwrap_or_default());
    assert!(first.is_ok_and(|line| line["fields"].is_object()), "{log}");

    let kern = node.kubelet("/logs/kern.log").expect("the kubelet answers");
    assert_eq!(kern.text(), "a line\n");
    let image = node.import_debian("busybox").await;
    // Files of containers are not the daemon's.
    let mut spec = shell(&image, "ulimit -n; sleep 1000");
    spec["terminationGracePeriodSeconds"] = json!(1);
    node.manifest("here.yaml", &pod("here", spec));
    let here = node.wait_pod("here", "runs", is_running).await;
    let is_said = || node.logs(&here, "main").ends_with('\n');
    wait_until(DEADLINE, "the container tells its limit", is_said).await;
    assert_ne!(node.logs(&here, "main").trim(), "3210");
    node.stop().await;
}

/// A port of an address that only this test has.
pub(super) fn free_address() -> SocketAddr {
    let [.., third, fourth] = std::process::id().to_be_bytes();
    let own = Ipv4Addr::new(127, 64, third, fourth);
    let listener = TcpListener::bind((own, 0)).expect("loopback has free ports");
    listener.local_addr().expect("a listener has an address")
}
