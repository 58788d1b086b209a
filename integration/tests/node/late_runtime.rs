//! A kubelet whose runtime comes later than itself, goes, and comes again.

use std::process::{Child, Stdio};

use podling_integration::harness::{DEADLINE, Node, Pod, wait_until};
use serde_json::Value;

use crate::lost::RuntimeAlone;
use crate::{is_running, one, pod};

/// The kubelet of a node, over a runtime that may be there or not.
struct KubeletAlone(Child);

impl KubeletAlone {
    fn start(node: &Node) -> Self {
        let socket = node.root().join("run/podling/podling.sock");
        let endpoint = format!("--container-runtime-endpoint=unix://{}", socket.display());
        let mut kubelet = node.command(&["kubelet", &endpoint, "--node-name", "node"]);
        kubelet.args(["--cgroup-root", &node.range().cgroup()]);
        kubelet.args(["--listen", "127.0.0.1:0", "--eviction-hard=pid.available<1"]);
        kubelet.stdin(Stdio::null()).stdout(Stdio::null());
        Self(
            kubelet
                .stderr(Stdio::null())
                .spawn()
                .expect("podling starts"),
        )
    }
}

impl Drop for KubeletAlone {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
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
