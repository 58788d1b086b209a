//! The machine goes down: pods end first, and hold it up as long as they may.

use std::fs;
use std::path::Path;

use podling_integration::harness::daemon::Start;
use podling_integration::harness::logind::Logind;
use podling_integration::harness::{DEADLINE, Node, Options, Pod, wait_until};
use serde_json::{Value, json};

use crate::{configure, is_running, pod, said, shell};

const LOCK: &str = "shutdown | kubelet | Kubelet needs time to handle node shutdown | delay";
const MESSAGE: &str = "Pod was terminated in response to imminent node shutdown.";

/// A pod that, told to end, says so and waits for somebody to let it.
fn reluctant(image: &str) -> Value {
    let script = "trap 'echo asked; until [ -e /go ]; do sleep 0.05; done; exit 0' TERM; \
                  echo ready; while true; do sleep 0.05; done";
    let mut spec = shell(image, script);
    spec["terminationGracePeriodSeconds"] = json!(300);
    spec
}

fn condition(node: &Node) -> (String, String) {
    let answer = node.kubelet("/node").expect("the kubelet answers");
    let object: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let conditions = object["status"]["conditions"].as_array().cloned();
    let mut conditions = conditions.unwrap_or_default().into_iter();
    let ready = conditions.find(|one| one["type"] == "Ready");
    let ready = ready.expect("every node has it");
    let text = |field: &str| ready[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("message"))
}

fn is_given_up(pod: &Pod) -> bool {
    let is_told =
        pod.text("/status/reason") == "Terminated" && pod.text("/status/message") == MESSAGE;
    is_told && pod.phase() == "Failed" && !is_running(pod)
}

/// A node that has logind wait ten minutes, half of them for critical pods.
async fn start(root: &Path, logind: &Logind) -> Node {
    let fields = "shutdownGracePeriod: 10m\nshutdownGracePeriodCriticalPods: 5m\n";
    configure(root, fields);
    Node::start_with(Options {
        root: Some(root.to_owned()),
        start: Start {
            wrapper: logind.wrapper(),
            ..Start::default()
        },
    })
    .await
}

/// An ordinary pod and a critical one, both ready to be told to end.
async fn begin(node: &Node, image: &str) {
    node.manifest("web.yaml", &pod("web", reluctant(image)));
    let mut guard = reluctant(image);
    guard["priorityClassName"] = json!("system-node-critical");
    node.manifest("guard.yaml", &pod("guard", guard));
    for name in ["web", "guard"] {
        node.wait_pod(name, "runs", is_running).await;
        wait_said(node, name, "ready").await;
    }
}

/// Waits until a pod has written a word to its log.
async fn wait_said(node: &Node, name: &str, word: &str) -> Pod {
    let pod = node.pod(name).expect("it is there");
    let is_said = || node.logs(&pod, "main").contains(word);
    wait_until(DEADLINE, word, is_said).await;
    pod
}

/// What is left of it when all pods have ended.
fn assert_recorded(node: &Node) {
    let state = "var/lib/podling/kubelet/graceful_node_shutdown_state";
    let state = fs::read_to_string(node.root().join(state)).expect("it was written");
    assert!(!state.contains("0001-01-01"), "{state}");
    let metrics = node.kubelet("/metrics").expect("the kubelet answers");
    let metrics = metrics.text();
    for name in ["start", "end"] {
        let family = format!("kubelet_graceful_shutdown_{name}_time_seconds ");
        assert!(metrics.contains(&family), "{name}");
        assert!(!metrics.contains(&format!("{family}0\n")), "{name}");
    }
    let events = node.podling(&["get", "events"]);
    let events = String::from_utf8_lossy(&events.stdout).into_owned();
    let detected = "Shutdown manager detected shutdown event";
    assert!(events.contains(detected), "{events}");
}

#[tokio::test]
async fn pods_end_by_priority_before_the_machine_goes_down() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let drop_ins = root.path().join("etc/systemd/logind.conf.d");
    let logind = Logind::start(folder.path(), &drop_ins);
    let node = start(root.path(), &logind).await;
    // logind would wait for five seconds, and is told otherwise.
    let is_held = || logind.locks() == [LOCK];
    wait_until(DEADLINE, "shutdowns are held up", is_held).await;
    let drop_in = fs::read_to_string(drop_ins.join("99-kubelet.conf")).expect("it was written");
    let told = "[Login]\nInhibitDelayMaxSec=600\n";
    assert!(drop_in.contains(told), "{drop_in}");
    let image = node.import_debian("busybox").await;
    begin(&node, &image).await;
    assert_eq!(condition(&node).0, "True");

    logind.goes_down();
    wait_said(&node, "web", "asked").await;
    let guard = node.pod("guard").expect("it is there");
    assert!(is_running(&guard) && !node.logs(&guard, "main").contains("asked"));
    let (status, message) = condition(&node);
    assert_eq!(status, "False");
    assert!(message.contains("node is shutting down"), "{message}");
    node.manifest("late.yaml", &pod("late", shell(&image, "sleep 1000")));
    let is_refused = |pod: &Pod| pod.text("/status/reason") == "NodeShutdown";
    let late = node.wait_pod("late", "is refused", is_refused).await;
    let why = late.text("/status/message");
    let words = "Pod was rejected as the node is shutting down.";
    assert!(why.contains(words), "{why}");

    for name in ["web", "guard"] {
        wait_said(&node, name, "asked").await;
        assert_eq!(logind.locks(), [LOCK], "the machine waits");
        said(&node, name, "main", "touch /go");
        let ended = node.wait_pod(name, "has ended", is_given_up).await;
        assert!(ended.has("DisruptionTarget"), "{ended:?}");
    }
    let is_let_go = || logind.locks().is_empty();
    wait_until(DEADLINE, "the machine may go", is_let_go).await;
    assert_recorded(&node);

    // It stays after all: what ended has ended, and pods may come again.
    logind.stays();
    wait_until(DEADLINE, "shutdowns are held up again", is_held).await;
    assert_eq!(condition(&node).0, "True");
    let mut spec = shell(&image, "sleep 1000");
    spec["terminationGracePeriodSeconds"] = json!(1);
    node.manifest("new.yaml", &pod("new", spec));
    node.wait_pod("new", "runs", is_running).await;
    node.stop().await;
}
