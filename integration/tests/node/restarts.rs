//! Restart policies against the ways in which a container can end.

use podling_integration::harness::{Node, Pod};
use serde_json::{Value, json};

use crate::{pod, shell};

/// Ways to end. The pods share their process namespace: as its first process a container could not
/// be killed from within.
const ENDS: [(&str, &str, i64); 3] = [
    ("success", "exit 0", 0),
    ("failure", "exit 1", 1),
    ("signal", "sh -c 'kill -KILL $PPID'; sleep 1000", 137),
];

fn spec(image: &str, policy: &str, script: &str) -> Value {
    let mut spec = shell(image, script);
    spec["restartPolicy"] = json!(policy);
    spec["shareProcessNamespace"] = json!(true);
    spec
}

/// A node with one pod for each way to end.
async fn node_with(policy: &str) -> Node {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    for (name, script, _) in ENDS {
        node.manifest(
            &format!("{name}.yaml"),
            &pod(name, spec(&image, policy, script)),
        );
    }
    node
}

fn is_restarted(pod: &Pod) -> bool {
    pod.main().is_some_and(|main| main.restarts() >= 1)
}

async fn assert_restarted(node: &Node, name: &str, code: i64) {
    let pod = node.wait_pod(name, "is restarted", is_restarted).await;
    let main = pod.main().expect("it was restarted");
    assert_eq!(main.last_exit_code(), Some(code), "{name}");
    assert!(
        ["Running", "Pending"].contains(&pod.phase()),
        "{name} is {}",
        pod.phase()
    );
}

async fn assert_ended(node: &Node, name: &str, phase: &str, code: i64) {
    let pod = node
        .wait_pod(name, &format!("is {phase}"), |pod| pod.phase() == phase)
        .await;
    let main = pod.main().expect("it has run");
    assert_eq!(
        (main.exit_code(), main.restarts()),
        (Some(code), 0),
        "{name}"
    );
}

#[tokio::test]
async fn always_restarts_whatever_the_exit() {
    let node = node_with("Always").await;
    for (name, _, code) in ENDS {
        assert_restarted(&node, name, code).await;
    }
    node.stop().await;
}

#[tokio::test]
async fn on_failure_restarts_what_failed_and_leaves_what_succeeded() {
    let node = node_with("OnFailure").await;
    assert_ended(&node, "success", "Succeeded", 0).await;
    assert_restarted(&node, "failure", 1).await;
    assert_restarted(&node, "signal", 137).await;
    node.stop().await;
}

#[tokio::test]
async fn never_restarts_nothing_and_tells_success_from_failure() {
    let node = node_with("Never").await;
    assert_ended(&node, "success", "Succeeded", 0).await;
    assert_ended(&node, "failure", "Failed", 1).await;
    assert_ended(&node, "signal", "Failed", 137).await;
    node.stop().await;
}

#[tokio::test]
async fn a_container_that_keeps_failing_waits_longer_and_longer() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    node.manifest("loop.yaml", &pod("loop", shell(&image, "exit 3")));
    let pod = node
        .wait_pod("loop", "backs off", |pod| {
            pod.main()
                .is_some_and(|main| main.waiting() == "CrashLoopBackOff")
        })
        .await;
    let main = pod.main().expect("it has run");
    assert_eq!(main.last_exit_code(), Some(3));
    assert!(main.message().contains("back-off"), "{}", main.message());
    node.stop().await;
}
