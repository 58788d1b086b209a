//! kill -9 of the daemon: pods do not notice, and nothing is lost.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use podling_integration::harness::{DEADLINE, Node, Pod, processes, wait_until};
use podling_proto::runtime::v1::ContainerState;
use serde_json::json;

use crate::{is_running, one, pod};

/// The numbers that the container has printed, from the log file of its first run.
fn numbers(root: &Path, pod: &Pod) -> Vec<u64> {
    let directory = format!("default_{}_{}", pod.name(), pod.uid());
    let file = root.join("var/log/pods").join(directory).join("main/0.log");
    let text = fs::read_to_string(file).unwrap_or_default();
    // A line that is being written has no end yet.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let number = |line: &str| line.rsplit(' ').next()?.parse().ok();
    whole
        .lines()
        .map(|line| number(line).expect("every line is a number"))
        .collect()
}

#[tokio::test]
async fn a_container_that_prints_loses_no_line_and_is_not_restarted() {
    let mut node = Node::start().await;
    let image = node.import_testbox().await;
    node.manifest(
        "lines.yaml",
        &pod("lines", one(&image, &["lines", "--every", "5"])),
    );
    let before = node.wait_pod("lines", "runs", is_running).await;

    for _ in 0..3 {
        node.kill9();
        let printed = numbers(node.root(), &before).len();
        wait_until(
            DEADLINE,
            "the container goes on printing without a daemon",
            || numbers(node.root(), &before).len() > printed + 100,
        )
        .await;
        node.restart().await;
        node.wait_pod("lines", "runs", is_running).await;
    }
    let printed = numbers(node.root(), &before).len();
    wait_until(DEADLINE, "the container goes on printing", || {
        numbers(node.root(), &before).len() > printed + 100
    })
    .await;

    let after = node.wait_pod("lines", "runs", is_running).await;
    let ids = [&before, &after].map(|pod| pod.main().expect("it runs").id().to_owned());
    assert_eq!(ids[0], ids[1], "the container was replaced");
    assert_eq!(after.main().expect("it runs").restarts(), 0);
    let seen = numbers(node.root(), &after);
    assert!(
        seen.iter().copied().eq(1..=seen.len() as u64),
        "lines are lost or doubled"
    );
    node.stop().await;
}

#[tokio::test]
async fn an_exit_while_no_daemon_runs_keeps_its_code() {
    let mut node = Node::start().await;
    let image = node.import_testbox().await;
    let mut spec = one(&image, &["exit", "7", "--after", "4000"]);
    spec["restartPolicy"] = json!("Never");
    node.manifest("seven.yaml", &pod("seven", spec));
    node.wait_pod("seven", "runs", is_running).await;

    node.kill9();
    let (root, cgroup) = (node.root().to_owned(), node.range().cgroup());
    wait_until(DEADLINE, "the container ends without a daemon", || {
        !processes::of_node(&root, &cgroup)
            .iter()
            .any(|p| p.command.contains("exit 7"))
    })
    .await;
    node.restart().await;

    let ended = node
        .wait_pod("seven", "has failed", |pod| pod.phase() == "Failed")
        .await;
    let main = ended.main().expect("it has run");
    assert_eq!((main.exit_code(), main.restarts()), (Some(7), 0));
    node.stop().await;
}

#[tokio::test]
async fn kubelet_and_runtime_agree_on_every_container_after_a_restart() {
    let mut node = Node::start().await;
    let image = node.import_testbox().await;
    for name in ["one", "two", "three"] {
        node.manifest(&format!("{name}.yaml"), &pod(name, one(&image, &["sleep"])));
    }
    for name in ["one", "two", "three"] {
        node.wait_pod(name, "runs", is_running).await;
    }
    node.kill9();
    node.restart().await;
    for name in ["one", "two", "three"] {
        node.wait_pod(name, "runs", is_running).await;
    }

    let by_kubelet: BTreeMap<String, bool> = node
        .pods()
        .iter()
        .filter_map(|pod| {
            pod.main()
                .map(|main| (main.id().to_owned(), main.is_running()))
        })
        .collect();
    let cri = node.cri().await;
    let by_runtime: BTreeMap<String, bool> = cri
        .containers()
        .await
        .into_iter()
        .map(|c| (c.id, c.state == i32::from(ContainerState::ContainerRunning)))
        .collect();
    assert_eq!(by_kubelet, by_runtime);
    assert_eq!(cri.sandboxes().await.len(), 3);
    node.stop().await;
}
