//! Manifests and pods that cannot work: a clear word in the right place, and no harm to others.

use podling_integration::harness::{DEADLINE, Node, Pod, Registry, wait_until};
use serde_json::json;

use crate::{is_running, one, pod};

/// A pod that must not be disturbed.
async fn with_bystander(node: &Node) -> Pod {
    let image = node.import_testbox().await;
    node.manifest("bystander.yaml", &pod("bystander", one(&image, &["sleep"])));
    node.wait_pod("bystander", "runs", is_running).await
}

async fn assert_undisturbed(node: &Node, before: &Pod) {
    let after = node.wait_pod("bystander", "still runs", is_running).await;
    let id = |pod: &Pod| pod.main().map(|main| main.id().to_owned());
    assert_eq!(id(before), id(&after), "the bystander was restarted");
}

#[tokio::test]
async fn a_broken_manifest_is_reported_with_its_file_and_line() {
    let node = Node::start().await;
    let bystander = with_bystander(&node).await;
    node.manifest(
        "broken.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: [oops\n",
    );
    wait_until(DEADLINE, "the log names file and line", || {
        let log = node.daemon_log();
        log.lines()
            .any(|line| line.contains("broken.yaml") && line.contains("line"))
    })
    .await;
    assert_undisturbed(&node, &bystander).await;
    node.stop().await;
}

#[tokio::test]
async fn an_unknown_field_is_warned_about_and_the_pod_runs() {
    let node = Node::start().await;
    let image = node.import_testbox().await;
    let mut spec = one(&image, &["sleep"]);
    spec["containers"][0]["imagePullPolcy"] = json!("Never");
    node.manifest("typo.yaml", &pod("typo", spec));
    node.wait_pod("typo", "runs", is_running).await;
    wait_until(DEADLINE, "the log names the field", || {
        node.daemon_log().contains("imagePullPolcy")
    })
    .await;
    node.stop().await;
}

#[tokio::test]
async fn an_image_that_no_registry_has_is_named_in_the_pods_status() {
    let registry = Registry::start().await;
    let node = Node::start().await;
    let bystander = with_bystander(&node).await;
    let image = format!("{}/nobody/knows:1", registry.host());
    node.manifest("lost.yaml", &pod("lost", one(&image, &[])));
    let is_refused = |pod: &Pod| {
        let reasons = ["ErrImagePull", "ImagePullBackOff"];
        pod.main().is_some_and(|main| {
            reasons.contains(&main.waiting()) && main.message().contains("nobody/knows")
        })
    };
    node.wait_pod("lost", "says that there is no such image", is_refused)
        .await;
    assert_undisturbed(&node, &bystander).await;
    node.stop().await;
}

#[tokio::test]
async fn a_program_that_is_not_in_the_image_is_named_in_the_pods_status() {
    let node = Node::start().await;
    let bystander = with_bystander(&node).await;
    let image = node.import_testbox().await;
    let spec = json!({
        "containers": [{ "name": "main", "image": image, "command": ["/no/such/program"] }],
    });
    node.manifest("empty.yaml", &pod("empty", spec));
    node.wait_pod("empty", "says that there is no such program", |pod| {
        pod.main()
            .is_some_and(|main| main.message().contains("/no/such/program"))
    })
    .await;
    assert_undisturbed(&node, &bystander).await;
    node.stop().await;
}
