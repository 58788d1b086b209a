//! Hooks: what a container does right after its start, and before its end.

use std::fs;

use podling_integration::harness::{Node, Pod};
use serde_json::{Value, json};

use crate::{is_running, pod, shell};

/// A spec whose container `main` runs a script, sees `/out` of the host and has these hooks.
fn hooked(image: &str, script: &str, out: &str, lifecycle: Value) -> Value {
    let mut spec = shell(image, script);
    spec["containers"][0]["lifecycle"] = lifecycle;
    spec["containers"][0]["volumeMounts"] = json!([{ "name": "out", "mountPath": "/out" }]);
    spec["volumes"] = json!([{ "name": "out", "hostPath": { "path": out } }]);
    spec
}

fn exec(script: &str) -> Value {
    json!({ "exec": { "command": ["sh", "-c", script] } })
}

/// A script that notes its end and obeys.
const OBEYS: &str =
    "trap 'echo ended >> /out/log; exit 0' TERM; touch /up; while :; do sleep 0.1; done";

#[tokio::test]
async fn hooks_run_after_the_start_and_before_the_end_even_over_a_crash_of_the_daemon() {
    let mut node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let out = node.folder().join("out");
    fs::create_dir_all(&out).expect("a directory can be made");
    let lifecycle = json!({
        "postStart": exec("while [ ! -e /up ]; do sleep 0.1; done; echo started >> /out/log"),
        "preStop": exec("echo stopping >> /out/log"),
    });
    let spec = hooked(&image, OBEYS, &out.to_string_lossy(), lifecycle);
    node.manifest("polite.yaml", &pod("polite", spec));
    node.wait_pod("polite", "runs", is_running).await;
    let log = || fs::read_to_string(out.join("log")).unwrap_or_default();
    assert_eq!(log(), "started\n");

    // The next daemon knows the pod only by what its containers carry.
    node.kill9();
    node.remove_manifest("polite.yaml");
    node.restart().await;
    node.wait_gone("polite").await;
    assert_eq!(log(), "started\nstopping\nended\n");
    node.stop().await;
}

#[tokio::test]
async fn a_container_whose_first_hook_fails_does_not_run_and_says_why() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let out = node.folder().to_string_lossy().into_owned();
    let lifecycle = json!({ "postStart": exec("echo no; exit 7") });
    let mut spec = hooked(&image, "sleep 1000", &out, lifecycle);
    spec["terminationGracePeriodSeconds"] = json!(1);
    node.manifest("rude.yaml", &pod("rude", spec));
    let waits = |pod: &Pod| {
        pod.main()
            .is_some_and(|main| main.waiting() == "PostStartHookError")
    };
    let waiting = node.wait_pod("rude", "waits", waits).await;
    let message = waiting.main().expect("it was made").message();
    assert!(message.contains("exited with 7"), "{message}");
    node.stop().await;
}
