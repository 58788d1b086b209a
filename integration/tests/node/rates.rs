//! How often registries and the API server are asked at most.

use std::time::Instant;

use podling_integration::harness::{Cluster, Node, Options, Pod};
use serde_json::{Value, json};

use crate::cluster::{LEASE, NODE};
use crate::{configure, configured, is_running, one, pod};

/// A pod of many containers whose images are to be had from nobody, each asked for right after the other.
fn asking() -> Value {
    let container = |number: u32| {
        let image = format!("127.0.0.1:1/app-{number}:1");
        json!({ "name": format!("c{number}"), "image": image })
    };
    json!({ "containers": (0..8).map(container).collect::<Vec<_>>() })
}

/// Why each of its containers waits, once all of them have been asked for.
async fn answers(node: &Node) -> Vec<String> {
    let messages = |pod: &Pod| -> Vec<String> {
        let all = (0..8).map(|number| format!("c{number}"));
        let said = all.filter_map(|name| Some(pod.container(&name)?.message()));
        said.filter(|message| !message.is_empty()).collect()
    };
    let is_told = |pod: &Pod| messages(pod).len() == 8;
    let asks = node.wait_pod("asks", "has asked for all", is_told).await;
    messages(&asks)
}

#[tokio::test]
async fn no_more_pulls_begin_than_are_configured_and_the_others_fail_until_later() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let pace = |per_second: u32| format!("registryPullQPS: {per_second}\nregistryBurst: 3\n");
    let node = configured(root.path(), &pace(1)).await;
    node.manifest("asks.yaml", &pod("asks", asking()));
    let began = Instant::now();
    let told = answers(&node).await;
    let is_refused = |message: &String| message.contains("pull QPS exceeded");
    assert!(!told[..3].iter().any(is_refused), "{told:#?}");
    let asked = told.iter().filter(|message| !is_refused(message)).count();
    let most = 3 + usize::try_from(began.elapsed().as_secs()).expect("a short while") + 1;
    assert!(asked <= most, "{asked} of {most}: {told:#?}");
    let events = node.kubelet("/events").expect("an answer").text();
    assert!(
        asked == 8 || events.contains("app-7:1\\\": pull QPS exceeded"),
        "{events}"
    );
    node.remove_manifest("asks.yaml");
    node.wait_gone("asks").await;

    let mut node = node;
    node.kill9();
    configure(root.path(), &pace(0));
    node.restart().await;
    node.manifest("asks.yaml", &pod("asks", asking()));
    let told = answers(&node).await;
    assert!(!told.iter().any(is_refused), "{told:#?}");
    node.stop().await;
}

/// The requests of the node so far.
fn requests(cluster: &mut Cluster) -> Vec<String> {
    let requests = cluster.server().requests().into_iter();
    requests
        .filter(|one| one.starts_with("system:node:node "))
        .collect()
}

fn is_of_events(request: &str) -> bool {
    request.contains("/events")
}

/// Whether a request tells that the node lives, which waits for nobody.
fn is_of_life(request: &str) -> bool {
    request.contains("/leases") || request.contains("PATCH /api/v1/nodes/node/status")
}

async fn join(cluster: &Cluster, root: &std::path::Path, fields: &str) -> Node {
    configure(root, fields);
    Node::start_with(Options {
        root: Some(root.to_owned()),
        start: cluster.joining(),
    })
    .await
}

#[tokio::test]
async fn the_api_server_is_asked_no_more_often_than_is_configured() {
    let mut cluster = Cluster::breakable();
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let began = Instant::now();
    let node = join(&cluster, root.path(), "kubeAPIQPS: 1\nkubeAPIBurst: 2\n").await;
    let ready = |object: &Value| Pod(object.clone()).has("Ready");
    cluster.wait(NODE, "is ready", ready).await;
    cluster.wait(LEASE, "is there", |_| true).await;
    let all = requests(&mut cluster);
    let passed = began.elapsed().as_secs();
    let paced: Vec<_> = all
        .iter()
        .filter(|one| !is_of_events(one) && !is_of_life(one))
        .collect();
    let most = 2 + usize::try_from(passed).expect("a short while") + 1;
    assert!(paced.len() <= most, "{passed} s: {paced:#?}");
    node.stop().await;
}

#[tokio::test]
async fn events_are_told_no_more_often_than_is_configured_and_none_is_lost() {
    let mut cluster = Cluster::breakable();
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let began = Instant::now();
    let node = join(&cluster, root.path(), "eventRecordQPS: 2\neventBurst: 2\n").await;
    let image = node.import_testbox().await;
    let names = ["a", "b", "c", "d", "e", "f"];
    for name in names {
        node.manifest(&format!("{name}.yaml"), &pod(name, one(&image, &["sleep"])));
    }
    for name in names {
        node.wait_pod(name, "runs", is_running).await;
    }
    let told = requests(&mut cluster)
        .iter()
        .filter(|one| is_of_events(one))
        .count();
    let most = 2 + 2 * (usize::try_from(began.elapsed().as_secs()).expect("a short while") + 1);
    assert!(told <= most, "{told} of {most}");

    // Each start is told at last.
    let events = "/api/v1/namespaces/default/events";
    let started = |list: &Value, name: &str| {
        let events = list["items"].as_array();
        events.into_iter().flatten().any(|event| {
            event["reason"] == "Started"
                && event["involvedObject"]["name"] == format!("{name}-node")
        })
    };
    let all_started = |list: &Value| names.iter().all(|name| started(list, name));
    cluster
        .wait(events, "tell of all starts", all_started)
        .await;
    for name in names {
        node.remove_manifest(&format!("{name}.yaml"));
    }
    for name in names {
        cluster
            .wait_gone(&crate::cluster::path(&format!("{name}-node")))
            .await;
    }
    node.stop().await;
}
