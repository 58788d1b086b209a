//! How a Node comes to be, is told again, and is told apart from another machine of its name.

use std::fs;
use std::time::Duration;

use podling_integration::harness::daemon::Start;
use podling_integration::harness::{Cluster, DEADLINE, Node, Options, Pod, wait_until};
use serde_json::{Value, json};

use crate::{CONFIGURATION, one};

const NODES: &str = "/api/v1/nodes";
const OBJECT: &str = "/api/v1/nodes/node";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node";

fn is_ready(node: &Value) -> bool {
    Pod(node.clone()).has("Ready")
}

async fn start(cluster: &Cluster, more: &[&str]) -> (Node, Start) {
    let mut start = cluster.joining();
    start
        .arguments
        .extend(more.iter().map(|&word| word.to_owned()));
    let options = Options {
        start: start.clone(),
        ..Options::default()
    };
    (Node::start_with(options).await, start)
}

#[tokio::test]
async fn a_reboot_is_an_event_and_the_node_is_told_with_its_new_boot() {
    let cluster = Cluster::breakable();
    let (mut node, start) = start(&cluster, &[]).await;
    cluster.wait(OBJECT, "is ready", is_ready).await;
    node.kill9();
    let before = json!({ "status": { "nodeInfo": { "bootID": "before" } } });
    cluster.merge(&format!("{OBJECT}/status"), &before).await;
    node.restart_with(&start).await;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("the kernel tells");
    let boot = boot.trim();
    let words = format!("Node node has been rebooted, boot id: {boot}");
    let is_told = |events: &Value| {
        let mut all = events["items"].as_array().into_iter().flatten();
        all.any(|event| event["reason"] == "Rebooted" && event["message"] == words.as_str())
    };
    cluster
        .wait(
            "/api/v1/namespaces/default/events",
            "tells of the reboot",
            is_told,
        )
        .await;
    let is_new = |node: &Value| node["status"]["nodeInfo"]["bootID"] == boot;
    cluster.wait(OBJECT, "has the new boot", is_new).await;
    node.stop().await;
}

#[tokio::test]
async fn what_becomes_of_the_node_is_an_event_of_the_cluster() {
    let cluster = Cluster::breakable();
    let (node, _) = start(&cluster, &[]).await;
    cluster.wait(OBJECT, "is ready", is_ready).await;
    let events = "/api/v1/namespaces/default/events";
    let told = |reason: &'static str, message: &str| {
        let message = message.to_owned();
        move |events: &Value| {
            let mut all = events["items"].as_array().into_iter().flatten();
            all.any(|event| {
                let of = &event["involvedObject"];
                event["reason"] == reason
                    && event["message"] == message.as_str()
                    && event["count"] == 1
                    && of["kind"] == "Node"
                    && of["name"] == "node"
                    && of["uid"] == "node"
                    && of["namespace"].is_null()
            })
        }
    };
    let is_told = async |reason: &'static str| {
        let message = format!("Node node status is now: {reason}");
        cluster.wait(events, reason, told(reason, &message)).await;
    };
    let starting = told("Starting", "Starting kubelet.");
    cluster.wait(events, "tells of the start", starting).await;
    // How full the machine's disk is is not the test's.
    for reason in ["NodeHasSufficientMemory", "NodeHasSufficientPID"] {
        is_told(reason).await;
    }
    for (cordoned, reason) in [(true, "NodeNotSchedulable"), (false, "NodeSchedulable")] {
        let change = json!({ "spec": { "unschedulable": cordoned } });
        cluster.merge(OBJECT, &change).await;
        is_told(reason).await;
    }
    let shown = node.podling(&["events"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("NodeNotSchedulable"), "{shown}");
    node.stop().await;
}

#[tokio::test]
async fn a_kubelet_that_shall_not_register_tells_the_status_of_a_node_that_somebody_made() {
    let mut cluster = Cluster::breakable();
    let (node, _) = start(&cluster, &["--register-node=false"]).await;
    let waits = || node.daemon_log().contains("cannot register the node");
    wait_until(DEADLINE, "the kubelet finds no Node", waits).await;
    let requests = cluster.server().requests();
    let is_made = |one: &String| one.contains("POST") && one.ends_with(NODES);
    assert!(!requests.iter().any(is_made), "{requests:#?}");
    cluster
        .create(NODES, &json!({ "metadata": { "name": "node" } }))
        .await;
    let object = cluster.wait(OBJECT, "is ready", is_ready).await;
    let labels = &object["metadata"]["labels"];
    assert!(labels.is_null(), "its labels are whose it is: {labels}");
    node.stop().await;
}

#[tokio::test]
async fn a_status_is_told_again_as_often_as_configured_though_nothing_changed() {
    let cluster = Cluster::breakable();
    let config = cluster.file("config.yaml");
    let fields = "nodeStatusUpdateFrequency: 1s\nnodeStatusReportFrequency: 2s\n";
    fs::write(&config, format!("{CONFIGURATION}{fields}")).expect("there is room");
    let config = format!("--config={}", config.display());
    let (node, _) = start(&cluster, &[&config]).await;
    let mut object = cluster.wait(OBJECT, "is ready", is_ready).await;
    let beat = |node: &Value| {
        let mut all = node["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten();
        let ready = all.find(|one| one["type"] == "Ready");
        ready.map(|one| one["lastHeartbeatTime"].clone())
    };
    // Upstream's default is once in five minutes.
    for _ in 0..3 {
        let last = beat(&object);
        object = cluster
            .wait(OBJECT, "is told again", |node| beat(node) != last)
            .await;
    }
    node.stop().await;
}

#[tokio::test]
async fn a_machine_with_the_name_of_another_that_lives_is_refused_until_that_one_has_gone() {
    let cluster = Cluster::breakable();
    let twin = json!({
        "metadata": { "name": "node" },
        "status": { "nodeInfo": { "machineID": "another", "systemUUID": "another" } },
    });
    let twin = cluster.create(NODES, &twin).await;
    let lease = json!({
        "metadata": { "name": "node", "namespace": "kube-node-lease" },
        "spec": { "holderIdentity": "node", "leaseDurationSeconds": 4, "renewTime": "0" },
    });
    cluster.create(LEASES, &lease).await;
    let node = {
        // The other machine renews its lease while this one starts and is refused.
        let renewing = async {
            for number in 1.. {
                let time = json!({ "spec": { "renewTime": number.to_string() } });
                cluster.patch(LEASE, &time).await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let refused = async {
            let (node, _) = start(&cluster, &[]).await;
            let told = || node.daemon_log().contains("is another one that lives");
            wait_until(DEADLINE, "the machine is refused", told).await;
            node
        };
        tokio::select! {
            () = renewing => unreachable!("it goes on"),
            node = refused => node,
        }
    };
    let object = cluster.get(OBJECT).await.expect("it is there");
    assert_eq!(object["status"], twin["status"], "nothing was told over it");
    // The other one is silent now.
    cluster.wait(OBJECT, "is this machine", is_ready).await;
    node.stop().await;
}

#[tokio::test]
async fn pods_get_addresses_of_the_cidr_that_the_cluster_has_for_the_node() {
    let cluster = Cluster::breakable();
    let (node, _) = start(&cluster, &[]).await;
    cluster.wait(OBJECT, "is ready", is_ready).await;
    let (_, cidr) = node.range().cni_bridge();
    let spec = json!({ "spec": { "podCIDR": cidr, "podCIDRs": [cidr] } });
    cluster.patch(OBJECT, &spec).await;
    let is_told = || node.daemon_log().contains("updating Pod CIDR");
    wait_until(DEADLINE, "the runtime is told", is_told).await;
    let image = node.import_debian("busybox").await;
    let mut spec = one(&image, &["sleep", "1000"]);
    spec["nodeName"] = "node".into();
    spec["automountServiceAccountToken"] = false.into();
    let pod = json!({ "metadata": { "name": "web" }, "spec": spec });
    cluster
        .create("/api/v1/namespaces/default/pods", &pod)
        .await;
    let path = "/api/v1/namespaces/default/pods/web";
    let web = cluster.wait(path, "is ready", is_ready).await;
    let ip = web["status"]["podIP"].as_str().unwrap_or_default();
    assert!(
        ip.starts_with(&cidr.replace("0/24", "")),
        "{ip} is not of {cidr}"
    );
    cluster.delete(path, Some(1)).await;
    cluster.wait_gone(path).await;
    node.stop().await;
}
