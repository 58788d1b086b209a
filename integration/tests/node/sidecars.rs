//! Sidecars: there before everything else, again when they end, and gone last.

use std::fs;

use podling_integration::harness::{Node, Pod};
use serde_json::{Value, json};

use crate::pod;

fn container(name: &str, image: &str, script: &str) -> Value {
    json!({
        "name": name, "image": image, "command": ["sh", "-c", script],
        "volumeMounts": [{ "name": "out", "mountPath": "/out" }],
    })
}

#[tokio::test]
async fn a_sidecar_starts_first_comes_back_and_ends_last() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let out = node.folder().join("out");
    fs::create_dir_all(&out).expect("a directory can be made");
    let serves = "trap 'echo proxy ended >> /out/log; exit 0' TERM; touch /out/up; \
                  while [ ! -e /out/crash ]; do sleep 0.1; done; rm /out/crash; exit 3";
    let mut proxy = container("proxy", &image, serves);
    proxy["restartPolicy"] = json!("Always");
    proxy["startupProbe"] =
        json!({ "exec": { "command": ["test", "-e", "/out/up"] }, "periodSeconds": 1 });
    let works = "test -e /out/up || exit 1; touch /out/works; \
                 trap 'sleep 0.5; echo main ended >> /out/log; exit 0' TERM; \
                 while :; do sleep 0.1; done";
    let spec = json!({
        "restartPolicy": "Never",
        "initContainers": [proxy],
        "containers": [container("main", &image, works)],
        "volumes": [{ "name": "out", "hostPath": { "path": out } }],
        "terminationGracePeriodSeconds": 20,
    });
    node.manifest("pair.yaml", &pod("pair", spec));
    node.wait_pod("pair", "is ready", Pod::is_ready).await;

    fs::write(out.join("crash"), "").expect("a file can be made");
    let is_back = |pod: &Pod| {
        let proxy = pod.container("proxy");
        proxy.is_some_and(|proxy| proxy.restarts() == 1 && proxy.is_running())
    };
    let back = node
        .wait_pod("pair", "has its sidecar again", is_back)
        .await;
    assert_eq!(back.main().expect("it runs").restarts(), 0);

    node.remove_manifest("pair.yaml");
    node.wait_gone("pair").await;
    let log = fs::read_to_string(out.join("log")).expect("they have said so");
    assert_eq!(log, "main ended\nproxy ended\n");
    node.stop().await;
}

#[tokio::test]
async fn a_pod_whose_work_is_done_has_succeeded_although_its_sidecar_would_run_on() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let runs_on = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
    let spec = json!({
        "restartPolicy": "OnFailure",
        "initContainers": [{
            "name": "proxy", "image": image, "restartPolicy": "Always",
            "command": ["sh", "-c", runs_on],
        }],
        "containers": [{ "name": "main", "image": image, "command": ["sh", "-c", "exit 0"] }],
    });
    node.manifest("job.yaml", &pod("job", spec));
    let done = node
        .wait_pod("job", "has succeeded", |pod| pod.phase() == "Succeeded")
        .await;
    let proxy = done.container("proxy").expect("it has run");
    assert!(!proxy.is_running());
    node.stop().await;
}
