//! Init containers: in order, again until they succeed, and before everything else.

use podling_integration::harness::Node;
use serde_json::json;

use crate::pod;

const COUNT_TO_THREE: &str =
    "n=$(($(cat /d/n 2>/dev/null || echo 0) + 1)); echo $n > /d/n; echo try $n; [ $n -ge 3 ]";

#[tokio::test]
async fn an_init_container_that_fails_twice_is_tried_until_it_succeeds() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let mount = json!([{ "name": "d", "mountPath": "/d" }]);
    let spec = json!({
        "initContainers": [{
            "name": "count", "image": image, "command": ["sh", "-c", COUNT_TO_THREE],
            "volumeMounts": mount,
        }],
        "containers": [{
            "name": "main", "image": image, "command": ["sh", "-c", "cat /d/n; sleep 1000"],
            "volumeMounts": mount,
        }],
        "volumes": [{ "name": "d", "emptyDir": {} }],
        "terminationGracePeriodSeconds": 1,
    });
    node.manifest("stubborn.yaml", &pod("stubborn", spec));

    let ready = node
        .wait_pod("stubborn", "is ready", |pod| pod.is_ready())
        .await;
    let count = ready.container("count").expect("it has run");
    assert_eq!((count.restarts(), count.exit_code()), (2, Some(0)));
    assert_eq!(ready.main().expect("it runs").restarts(), 0);
    assert_eq!(node.logs(&ready, "main"), "3\n");
    assert_eq!(node.logs(&ready, "count"), "try 3\n");
    node.stop().await;
}

#[tokio::test]
async fn an_init_container_that_fails_with_policy_never_fails_the_pod() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let spec = json!({
        "restartPolicy": "Never",
        "initContainers": [{ "name": "no", "image": image, "command": ["sh", "-c", "exit 4"] }],
        "containers": [{ "name": "main", "image": image, "command": ["sleep", "1000"] }],
    });
    node.manifest("doomed.yaml", &pod("doomed", spec));
    let failed = node
        .wait_pod("doomed", "has failed", |pod| pod.phase() == "Failed")
        .await;
    assert_eq!(
        failed.container("no").expect("it has run").exit_code(),
        Some(4)
    );
    assert!(failed.main().is_none_or(|main| !main.is_running()));
    node.stop().await;
}

#[tokio::test]
async fn init_containers_run_one_after_the_other() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let mount = json!([{ "name": "d", "mountPath": "/d" }]);
    let step = |name: &str| {
        let script = format!("echo {name} >> /d/order");
        json!({ "name": name, "image": image, "command": ["sh", "-c", script], "volumeMounts": mount })
    };
    let spec = json!({
        "initContainers": [step("first"), step("second"), step("third")],
        "containers": [{
            "name": "main", "image": image, "volumeMounts": mount,
            "command": ["sh", "-c", "cat /d/order; sleep 1000"],
        }],
        "volumes": [{ "name": "d", "emptyDir": {} }],
        "terminationGracePeriodSeconds": 1,
    });
    node.manifest("steps.yaml", &pod("steps", spec));
    let ready = node
        .wait_pod("steps", "is ready", |pod| pod.is_ready())
        .await;
    assert_eq!(node.logs(&ready, "main"), "first\nsecond\nthird\n");
    node.stop().await;
}
