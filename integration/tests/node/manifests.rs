//! Manifests come, change and go, and the pods follow.

use podling_integration::harness::{DEADLINE, Node, wait_until};

use crate::{is_running, one, pod};

#[tokio::test]
async fn editing_a_manifest_replaces_the_pod() {
    let node = Node::start().await;
    let image = node.import_testbox().await;
    node.manifest("box.yaml", &pod("box", one(&image, &["sleep"])));
    let first = node.wait_pod("box", "runs", is_running).await;

    node.manifest("box.yaml", &pod("box", one(&image, &["lines"])));
    let is_new = |pod: &podling_integration::harness::Pod| {
        pod.main().is_some_and(|main| {
            main.is_running() && main.id() != first.main().expect("it ran").id()
        })
    };
    let second = node.wait_pod("box", "runs anew", is_new).await;
    assert_ne!(
        first.uid(),
        second.uid(),
        "a static pod's UID comes from its manifest"
    );
    wait_until(DEADLINE, "the new arguments count", || {
        node.logs(&second, "main").starts_with("1\n")
    })
    .await;
    node.stop().await;
}

#[tokio::test]
async fn deleting_a_manifest_ends_the_pod_and_removes_all_of_it() {
    let node = Node::start().await;
    let image = node.import_testbox().await;
    node.manifest("box.yaml", &pod("box", one(&image, &["sleep"])));
    node.wait_pod("box", "runs", is_running).await;
    node.remove_manifest("box.yaml");
    node.wait_gone("box").await;
    assert!(node.cri().await.containers().await.is_empty());
    node.stop().await;
}

#[tokio::test]
async fn deleting_a_manifest_lets_the_container_end_by_itself() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let farewell = node.folder().join("farewell");
    std::fs::create_dir(&farewell).expect("there is room");
    let spec = serde_json::json!({
        "containers": [{
            "name": "main", "image": image,
            "command": ["sh", "-c", "trap 'echo bye > /f/word; exit 0' TERM; sleep 1000 & wait"],
            "volumeMounts": [{ "name": "f", "mountPath": "/f" }],
        }],
        "volumes": [{ "name": "f", "hostPath": { "path": farewell } }],
    });
    node.manifest("polite.yaml", &pod("polite", spec));
    node.wait_pod("polite", "runs", is_running).await;
    node.remove_manifest("polite.yaml");
    node.wait_gone("polite").await;
    let word = std::fs::read_to_string(farewell.join("word")).expect("it had time to write");
    assert_eq!(word, "bye\n");
    node.stop().await;
}

#[tokio::test]
async fn one_file_may_hold_several_pods_in_yaml_and_json() {
    let node = Node::start().await;
    let image = node.import_testbox().await;
    let yaml = |name: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\nspec:\n  containers:\n  \
             - name: main\n    image: {image}\n    args: [sleep]\n"
        )
    };
    node.manifest("two.yaml", &format!("{}---\n{}", yaml("a"), yaml("b")));
    node.manifest("three.json", &pod("c", one(&image, &["sleep"])));
    for name in ["a", "b", "c"] {
        node.wait_pod(name, "runs", is_running).await;
    }
    node.stop().await;
}

#[tokio::test]
async fn a_manifest_that_was_deleted_while_no_daemon_ran_ends_its_pod() {
    let mut node = Node::start().await;
    let image = node.import_testbox().await;
    node.manifest("box.yaml", &pod("box", one(&image, &["sleep"])));
    node.wait_pod("box", "runs", is_running).await;
    node.kill9();
    node.remove_manifest("box.yaml");
    node.restart().await;
    node.wait_gone("box").await;
    node.stop().await;
}
