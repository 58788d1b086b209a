//! A kubelet whose runtime comes later than itself, goes, and comes again.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use podling_integration::harness::{DEADLINE, Node, Pod, wait_until};
use serde_json::Value;

use crate::lost::RuntimeAlone;
use crate::{configure, is_running, one, pod};

/// The kubelet of a node, over a runtime that may be there or not.
pub(super) struct KubeletAlone {
    child: Child,
    log: PathBuf,
}

impl KubeletAlone {
    fn start(node: &Node) -> Self {
        Self::start_with(node, &[])
    }

    pub(super) fn start_with(node: &Node, more: &[&str]) -> Self {
        let socket = node.root().join("run/podling/podling.sock");
        let endpoint = format!("--container-runtime-endpoint=unix://{}", socket.display());
        let mut kubelet = node.command(&["kubelet", &endpoint, "--node-name", "node"]);
        kubelet.args(["--cgroup-root", &node.range().cgroup()]);
        kubelet.args(["--listen", "127.0.0.1:0", "--eviction-hard=pid.available<1"]);
        let log = node.folder().join("kubelet.log");
        let lines = File::create(&log).expect("there is room");
        kubelet
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let child = kubelet.stderr(lines).spawn().expect("podling starts");
        Self { child, log }
    }

    /// What it has logged.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for KubeletAlone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the node says of its readiness.
fn readiness(node: &Node) -> (String, String) {
    let answer = node.kubelet("/node").map(|answer| answer.body);
    let object: Value = serde_json::from_slice(&answer.unwrap_or_default()).unwrap_or_default();
    let conditions = object["status"]["conditions"].as_array();
    let mut ready = conditions
        .into_iter()
        .flatten()
        .filter(|one| one["type"] == "Ready");
    let ready = ready.next().cloned().unwrap_or_default();
    let word = |field: &str| ready[field].as_str().unwrap_or_default().to_owned();
    (word("status"), word("message"))
}

#[tokio::test]
async fn nothing_starts_while_the_runtime_is_away_and_what_runs_goes_on() {
    let mut node = Node::start().await;
    let image = node.import_testbox().await;
    node.kill9();
    node.manifest("early.yaml", &pod("early", one(&image, &["sleep"])));
    let kubelet = KubeletAlone::start(&node);
    let runtime = RuntimeAlone::start(&node);
    let early = node.wait_pod("early", "runs", is_running).await;
    wait_until(DEADLINE, "the node is ready", || {
        readiness(&node).0 == "True"
    })
    .await;

    drop(runtime);
    node.manifest("late.yaml", &pod("late", one(&image, &["sleep"])));
    wait_until(DEADLINE, "the node says why it is not ready", || {
        let (status, message) = readiness(&node);
        status == "False" && message.contains("container runtime is down")
    })
    .await;
    let late = node.pod("late");
    assert!(late.is_none_or(|late| late.phase() == "Pending"));

    let runtime = RuntimeAlone::start(&node);
    node.wait_pod("late", "runs", is_running).await;
    let now = node.wait_pod("early", "runs on", is_running).await;
    let id = |pod: &Pod| pod.main().expect("it runs").id().to_owned();
    assert_eq!(id(&now), id(&early));
    drop((kubelet, runtime));
    node.restart().await;
    node.stop().await;
}

/// How many calls of the runtime have failed, of one kind.
fn failures(node: &Node, call: &str) -> u64 {
    let page = node.kubelet("/metrics").map(|answer| answer.text());
    let page = page.unwrap_or_default();
    let name = format!("kubelet_runtime_operations_errors_total{{operation_type=\"{call}\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&name));
    line.and_then(|count| count.parse().ok())
        .unwrap_or_default()
}

#[tokio::test]
async fn a_runtime_that_hangs_is_waited_for_as_long_as_configured() {
    let mut node = Node::start().await;
    let image = node.import_testbox().await;
    node.kill9();
    configure(node.root(), "runtimeRequestTimeout: 1s\n");
    let runtime = RuntimeAlone::start(&node);
    let kubelet = KubeletAlone::start(&node);
    node.manifest("web.yaml", &pod("web", one(&image, &["sleep"])));
    let before = node.wait_pod("web", "runs", is_running).await;
    wait_until(DEADLINE, "the node is ready", || {
        readiness(&node).0 == "True"
    })
    .await;

    runtime.send(rustix::process::Signal::STOP);
    wait_until(DEADLINE, "the node says why it is not ready", || {
        let (status, message) = readiness(&node);
        status == "False" && message.contains("container runtime is down")
    })
    .await;
    wait_until(DEADLINE, "a call has taken too long", || {
        failures(&node, "version") > 0
    })
    .await;
    runtime.send(rustix::process::Signal::CONT);
    wait_until(DEADLINE, "the node is ready", || {
        readiness(&node).0 == "True"
    })
    .await;
    let after = node.wait_pod("web", "runs on", is_running).await;
    let id = |pod: &Pod| pod.main().expect("it runs").id().to_owned();
    assert_eq!(id(&after), id(&before));
    drop((kubelet, runtime));
    node.restart().await;
    node.stop().await;
}
