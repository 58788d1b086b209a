//! Pods that do not run here: refused for good with the reason, and no harm to those that do.

use podling_integration::harness::{Node, Pod};
use serde_json::{Value, json};

use crate::{configured, is_running, one, pod, shell};

fn failed_for(reason: &str) -> impl Fn(&Pod) -> bool {
    move |pod| pod.phase() == "Failed" && pod.text("/status/reason") == reason
}

/// A pod that asks for so much of a CPU.
fn asking(image: &str, cpu: &str) -> Value {
    let mut spec = one(image, &["sleep"]);
    spec["containers"][0]["resources"] = json!({ "requests": { "cpu": cpu } });
    spec
}

/// A pod of which a port is one of the host.
fn listening(image: &str, port: u16, on_host: u16) -> Value {
    let mut spec = one(image, &["sleep"]);
    spec["containers"][0]["ports"] = json!([{ "containerPort": port, "hostPort": on_host }]);
    spec
}

#[tokio::test]
async fn what_does_not_fit_fails_with_the_reason_and_everything_else_runs() {
    let node = Node::start().await;
    let image = node.import_testbox().await;
    node.manifest("first.yaml", &pod("first", listening(&image, 80, 31_234)));
    node.wait_pod("first", "runs", is_running).await;

    let with = |field: &str, value: Value| {
        let mut spec = one(&image, &["sleep"]);
        spec[field] = value;
        spec
    };
    let sysctls = json!([{ "name": "kernel.msgmax", "value": "65536" }]);
    let rows = [
        ("cpu", asking(&image, "1000"), "OutOfcpu"),
        ("port", listening(&image, 81, 31_234), "NodePorts"),
        (
            "place",
            with("nodeSelector", json!({ "disk": "ssd" })),
            "NodeAffinity",
        ),
        (
            "windows",
            with("os", json!({ "name": "windows" })),
            "PodOSNotSupported",
        ),
        (
            "sysctl",
            with("securityContext", json!({ "sysctls": sysctls })),
            "SysctlForbidden",
        ),
    ];
    for (name, spec, reason) in rows {
        node.manifest(&format!("{name}.yaml"), &pod(name, spec));
        node.wait_pod(name, "is refused", failed_for(reason)).await;
    }
    let cpu = node.pod("cpu").expect("it is there");
    let message = cpu.text("/status/message");
    let start =
        "Pod was rejected: Node didn't have enough resource: cpu, requested: 1000000, used: 0";
    assert!(message.starts_with(start), "{message}");
    assert!(cpu.main().is_none(), "no container is told of");
    for (command, word) in [
        (&["get", "pods"][..], "OutOfcpu"),
        (&["events"][..], "NodePorts"),
    ] {
        let shown = node.podling(command);
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(shown.contains(word), "{shown}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_refused_pod_is_not_asked_again_until_its_manifest_changes() {
    let node = Node::start().await;
    let image = node.import_testbox().await;
    node.manifest("first.yaml", &pod("first", listening(&image, 80, 31_235)));
    node.wait_pod("first", "runs", is_running).await;
    node.manifest("second.yaml", &pod("second", listening(&image, 81, 31_235)));
    node.wait_pod("second", "is refused", failed_for("NodePorts"))
        .await;

    node.remove_manifest("first.yaml");
    node.wait_gone("first").await;
    node.wait_pod("second", "stays failed", failed_for("NodePorts"))
        .await;
    node.manifest("second.yaml", &pod("second", listening(&image, 82, 31_235)));
    node.wait_pod("second", "runs", is_running).await;
    node.stop().await;
}

#[tokio::test]
async fn a_new_daemon_lets_in_what_runs_before_what_is_new() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let mut node = configured(root.path(), "maxPods: 2\n").await;
    let image = node.import_testbox().await;
    for name in ["m", "n"] {
        node.manifest(&format!("{name}.yaml"), &pod(name, one(&image, &["sleep"])));
        node.wait_pod(name, "runs", is_running).await;
    }
    node.kill9();
    node.manifest("a.yaml", &pod("a", one(&image, &["sleep"])));
    node.restart().await;
    let refused = node
        .wait_pod("a", "is refused", failed_for("OutOfpods"))
        .await;
    assert_eq!(
        refused.text("/status/message"),
        "Pod was rejected: Node didn't have enough resource: pods, requested: 1, used: 2, capacity: 2"
    );
    for name in ["m", "n"] {
        let runs = node.wait_pod(name, "still runs", is_running).await;
        assert_eq!(runs.main().map(|main| main.restarts()), Some(0));
    }
    node.stop().await;
}

#[tokio::test]
async fn a_job_that_is_done_takes_no_room_and_a_restart_does_not_ask_it_again() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let mut node = configured(root.path(), "maxPods: 1\n").await;
    let image = node.import_testbox().await;
    let busybox = node.import_debian("busybox").await;
    let mut job = shell(&busybox, "exit 0");
    job["restartPolicy"] = json!("Never");
    node.manifest("job.yaml", &pod("job", job));
    let is_done = |pod: &Pod| pod.phase() == "Succeeded";
    node.wait_pod("job", "is done", is_done).await;
    node.manifest("next.yaml", &pod("next", one(&image, &["sleep"])));
    node.wait_pod("next", "runs", is_running).await;
    node.kill9();
    node.restart().await;
    node.wait_pod("job", "is still done", is_done).await;
    node.wait_pod("next", "still runs", is_running).await;
    node.stop().await;
}

#[tokio::test]
async fn a_critical_pod_gets_the_room_of_an_ordinary_one() {
    let node = Node::start().await;
    let image = node.import_testbox().await;
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    node.manifest(
        "ordinary.yaml",
        &pod("ordinary", asking(&image, &cpus.to_string())),
    );
    node.manifest("bystander.yaml", &pod("bystander", one(&image, &["sleep"])));
    node.wait_pod("ordinary", "runs", is_running).await;
    node.wait_pod("bystander", "runs", is_running).await;

    let mut critical = asking(&image, "500m");
    critical["priorityClassName"] = json!("system-node-critical");
    node.manifest("critical.yaml", &pod("critical", critical));
    node.wait_pod("critical", "runs", is_running).await;
    let victim = node
        .wait_pod("ordinary", "made room", failed_for("Preempting"))
        .await;
    assert_eq!(
        victim.text("/status/message"),
        "Preempted in order to admit critical pod"
    );
    assert!(victim.has("DisruptionTarget"));
    assert!(victim.main().is_some_and(|main| main.exit_code().is_some()));
    node.wait_pod("bystander", "still runs", is_running).await;
    node.stop().await;
}
