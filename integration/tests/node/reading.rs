//! `logs` of one container, of several, and of pods that are selected by labels.

use std::process::Output;

use podling_integration::harness::{Following, Node};
use serde_json::{Value, json};

use crate::pod;

/// A pod of which each container says so many numbered lines, and ends.
fn talker(name: &str, image: &str, lines: u32) -> String {
    let says = |container: &str| {
        json!({
            "name": container, "image": image,
            "args": ["sh", "-c", format!("i=0; while [ $i -lt {lines} ]; do i=$((i+1)); echo {container}-$i; done")],
        })
    };
    let spec = json!({ "restartPolicy": "Never", "containers": [says("a"), says("b")] });
    let mut manifest: Value = serde_json::from_str(&pod(name, spec)).expect("it is JSON");
    manifest["metadata"]["labels"] = json!({ "app": "talker" });
    manifest.to_string()
}

fn text(output: &Output) -> (String, String) {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn logs_of_several_pods_and_containers_are_read_together() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    for name in ["one", "two", "six"] {
        node.manifest(&format!("{name}.yaml"), &talker(name, &image, 12));
    }
    for name in ["one", "two", "six"] {
        node.wait_pod(name, "has succeeded", |pod| pod.phase() == "Succeeded")
            .await;
    }
    // Of pods that were selected, ten lines of each container.
    let output = node.podling(&["logs", "-l", "app=talker", "--all-containers", "--prefix"]);
    let (said, _) = text(&output);
    assert_eq!(said.lines().count(), 60, "{said}");
    assert!(said.contains("[pod/two-node/b] b-3\n"), "{said}");
    assert!(!said.contains("] a-2\n"), "{said}");

    // Followed together, each line whole.
    let logs = [
        "logs",
        "-f",
        "-l",
        "app=talker",
        "--all-containers",
        "--all-pods",
        "--tail=-1",
    ];
    let (said, why) = text(&node.podling(&logs));
    assert_eq!(said, "");
    assert!(
        why.contains(
            "you are attempting to follow 6 log streams, but maximum allowed concurrency is 5"
        ),
        "{why}"
    );
    let mut following =
        Following::start(node.command(&[&logs[..], &["--max-log-requests=6"]].concat()));
    assert!(following.wait_ended().await);
    let said = following
        .wait("all of it has been read", |said| said.lines().count() >= 72)
        .await;
    let mut lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 72, "{said}");
    lines.sort_unstable();
    assert_eq!(lines[0], "[pod/one-node/a] a-1");
    assert_eq!(lines[71], "[pod/two-node/b] b-9");

    // A container is named with or without -c, and one that could have been another is told.
    let (said, why) = text(&node.podling(&["logs", "pod/one", "b", "--tail=1"]));
    assert_eq!((said.as_str(), why.as_str()), ("b-12\n", ""));
    let (said, why) = text(&node.podling(&["logs", "one", "--limit-bytes=4"]));
    assert_eq!(said, "a-1\n");
    assert_eq!(why, "Defaulted container \"a\" out of: a, b\n");

    // What cannot be read ends the command, unless that is only to be told.
    let before = ["logs", "one", "--all-containers", "--previous"];
    let output = node.podling(&before);
    assert!(!output.status.success());
    let output = node.podling(&[&before[..], &["--ignore-errors"]].concat());
    assert!(output.status.success());
    let (said, _) = text(&output);
    assert_eq!(said.matches("error: ").count(), 2, "{said}");

    let (_, why) = text(&node.podling(&["logs", "-l", "app=nobody"]));
    assert_eq!(why, "No resources found in default namespace.\n");
    node.stop().await;
}

#[tokio::test]
async fn a_log_is_followed_from_before_its_container_has_started() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let spec = json!({
        "restartPolicy": "Never",
        "initContainers": [{
            "name": "first", "image": image,
            "args": ["sh", "-c", "while [ ! -e /go/on ]; do sleep 0.1; done"],
            "volumeMounts": [{ "name": "go", "mountPath": "/go" }],
        }],
        "containers": [{ "name": "main", "image": image, "args": ["echo", "at last"] }],
        "volumes": [{ "name": "go", "hostPath": { "path": node.folder() } }],
    });
    node.manifest("late.yaml", &pod("late", spec));
    node.wait_pod("late", "its first container runs", |pod| {
        pod.container("first")
            .is_some_and(|first| first.is_running())
    })
    .await;
    let mut following = Following::start(node.command(&[
        "logs",
        "-f",
        "late",
        "-c",
        "main",
        "--pod-running-timeout=2m",
    ]));
    following
        .wait("it is told that it waits", |said| {
            said.contains("is waiting to start: PodInitializing")
        })
        .await;
    std::fs::write(node.folder().join("on"), "").expect("there is room");
    assert!(following.wait_ended().await, "{}", following.said());
    following
        .wait("it has been read", |said| said.ends_with("at last\n"))
        .await;
    node.stop().await;
}
