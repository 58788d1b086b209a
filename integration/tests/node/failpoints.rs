//! The daemon dies by SIGKILL at each recorded step, is started again, and gets where it was going.

use std::collections::BTreeSet;

use podling_integration::harness::Node;
use podling_integration::harness::census::Census;
use podling_integration::harness::daemon::Start;
use podling_integration::harness::wait::{DEADLINE, try_for};
use podling_proto::runtime::v1::ContainerState;

use crate::{is_running, one, pod};

/// The points whose names begin with one of these words.
pub(crate) fn points(node: &Node, beginnings: &[&str]) -> Vec<String> {
    let output = node.podling(&["failpoints"]);
    let names = String::from_utf8(output.stdout).expect("names are text");
    let chosen: Vec<String> = names
        .lines()
        .filter(|name| {
            beginnings
                .iter()
                .any(|beginning| name.starts_with(beginning))
        })
        .map(str::to_owned)
        .collect();
    assert!(
        !chosen.is_empty(),
        "no fail point begins with {beginnings:?}"
    );
    chosen
}

pub(crate) fn dies_at(point: &str) -> Start {
    Start {
        failpoint: Some(point.to_owned()),
        ..Start::default()
    }
}

/// What must not grow. A fresh daemon's descriptors depend on who talks to it, so they do not count.
fn census(node: &Node) -> Census {
    Census {
        descriptors: 0,
        ..Census::of(node)
    }
}

async fn assert_back_to(node: &Node, before: &Census, point: &str) {
    let is_back = try_for(DEADLINE, async || (census(node) == *before).then_some(())).await;
    assert!(
        is_back.is_some(),
        "{point}: before {before:?}, after {:?}",
        census(node)
    );
}

/// What there is once a pod has come and gone: the parents of pods' cgroups stay.
async fn after_a_first_pod(node: &Node, image: &str) -> Census {
    node.manifest("first.yaml", &pod("first", one(image, &["sleep"])));
    node.wait_pod("first", "runs", is_running).await;
    node.remove_manifest("first.yaml");
    node.wait_gone("first").await;
    census(node)
}

/// One running container and one sandbox, whatever the crash left half done.
async fn assert_single(node: &Node, point: &str) {
    let cri = node.cri().await;
    let running = i32::from(ContainerState::ContainerRunning);
    let containers = cri.containers().await;
    let containers = containers.iter().filter(|c| c.state == running).count();
    assert_eq!(
        (containers, cri.sandboxes().await.len()),
        (1, 1),
        "{point}: duplicates"
    );
}

/// Dies on the way up at each point; the pod comes up once all the same, and goes without a trace.
async fn dies_on_the_way_up(beginnings: &[&str]) {
    let mut node = Node::start().await;
    let image = node.import_testbox().await;
    let before = after_a_first_pod(&node, &image).await;
    for point in points(&node, beginnings) {
        node.kill9();
        node.restart_with(&dies_at(&point)).await;
        node.manifest("box.yaml", &pod("box", one(&image, &["sleep"])));
        node.wait_killed().await;
        node.restart().await;

        node.wait_pod("box", &format!("runs after {point}"), is_running)
            .await;
        assert_single(&node, &point).await;
        node.remove_manifest("box.yaml");
        node.wait_gone("box").await;
        assert_back_to(&node, &before, &point).await;
    }
    node.stop().await;
}

#[tokio::test]
async fn a_crash_at_any_step_of_run_pod_sandbox_is_made_good() {
    dies_on_the_way_up(&["run_sandbox."]).await;
}

#[tokio::test]
async fn a_crash_at_any_step_of_create_and_start_container_is_made_good() {
    dies_on_the_way_up(&["create_container.", "start_container."]).await;
}

#[tokio::test]
async fn a_crash_at_any_step_of_stop_and_remove_is_made_good() {
    let mut node = Node::start().await;
    let image = node.import_testbox().await;
    let before = after_a_first_pod(&node, &image).await;
    for point in points(&node, &["stop_", "remove_"]) {
        node.manifest("box.yaml", &pod("box", one(&image, &["sleep"])));
        node.wait_pod("box", "runs", is_running).await;
        node.kill9();
        node.restart_with(&dies_at(&point)).await;
        node.remove_manifest("box.yaml");
        node.wait_killed().await;
        node.restart().await;

        node.wait_gone("box").await;
        assert_back_to(&node, &before, &point).await;
    }
    node.stop().await;
}

#[tokio::test]
async fn every_fail_point_belongs_to_a_story() {
    let node = Node::start().await;
    let told = [
        "run_sandbox.",
        "create_container.",
        "start_container.",
        "stop_",
        "remove_",
        "cni_add.",
        "cni_del.",
        "images.",
        "pod_cidr.",
    ];
    let all: BTreeSet<_> = points(&node, &[""]).into_iter().collect();
    let covered: BTreeSet<_> = points(&node, &told).into_iter().collect();
    assert_eq!(all, covered);
    node.stop().await;
}
