//! What a container leaves behind when it ends: its message, or the end of its log.

use podling_integration::harness::{Node, Pod};
use serde_json::{Value, json};

use crate::pod;

/// A container that ends after a script.
fn ending(image: &str, name: &str, policy: &str, script: &str) -> Value {
    json!({
        "name": name, "image": image, "command": ["sh", "-c", script],
        "terminationMessagePolicy": policy,
    })
}

/// What was left, of a container that has ended.
fn words<'a>(pod: &'a Pod, name: &str) -> &'a str {
    let container = pod.container(name).expect("it has a status");
    let message = container.0.pointer("/state/terminated/message");
    message.and_then(Value::as_str).unwrap_or_default()
}

const FALLS_BACK: &str = "FallbackToLogsOnError";

#[tokio::test]
async fn a_container_leaves_its_message_or_the_end_of_its_log() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let counting = "i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i + 1)); done; exit 3";
    let own = json!({
        "name": "own", "image": image, "terminationMessagePath": "/said",
        "command": ["sh", "-c", "echo log; printf own > /said; exit 1"],
        "terminationMessagePolicy": FALLS_BACK,
    });
    let spec = json!({
        "restartPolicy": "Never",
        "containers": [
            ending(&image, "log", FALLS_BACK, counting),
            own,
            ending(&image, "well", FALLS_BACK, "echo all is well"),
            ending(&image, "quiet", "File", "echo log; exit 1"),
        ],
    });
    node.manifest("last.yaml", &pod("last", spec));
    let ended = node
        .wait_pod("last", "has failed", |pod| pod.phase() == "Failed")
        .await;
    let log = words(&ended, "log");
    assert_eq!(log.lines().count(), 80, "{log}");
    assert!(log.ends_with("line 199\n"), "{log}");
    assert_eq!(words(&ended, "own"), "own");
    assert_eq!(words(&ended, "well"), "");
    assert_eq!(words(&ended, "quiet"), "");
    node.stop().await;
}

#[tokio::test]
async fn last_words_are_cut_so_that_a_pods_status_stays_small() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let long = "yes | head -c 6000 > /dev/termination-log; printf end >> /dev/termination-log";
    let all = |count: usize| {
        let names = (0..count).map(|number| format!("c{number}"));
        let all: Vec<_> = names
            .map(|name| ending(&image, &name, "File", long))
            .collect();
        json!({ "restartPolicy": "Never", "containers": all })
    };
    node.manifest("one.yaml", &pod("one", all(1)));
    node.manifest("many.yaml", &pod("many", all(6)));
    let one = node
        .wait_pod("one", "has succeeded", |pod| pod.phase() == "Succeeded")
        .await;
    let said = words(&one, "c0");
    assert_eq!(said.len(), 4096);
    assert!(said.ends_with("\nend"), "the end of the file is taken");
    let many = node
        .wait_pod("many", "has succeeded", |pod| pod.phase() == "Succeeded")
        .await;
    for number in 0..6 {
        assert_eq!(words(&many, &format!("c{number}")).len(), 2048);
    }
    node.stop().await;
}
