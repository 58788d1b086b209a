//! Volumes in a cluster: its claims, its drivers, and what has to be attached first.

use podling_integration::harness::csi_driver::{DRIVER, Driver};
use podling_integration::harness::{Cluster, DEADLINE, Node, Options, Pod, wait_until};
use serde_json::{Value, json};

use crate::shell;

const PODS: &str = "/api/v1/namespaces/default/pods";
const NODE: &str = "/api/v1/nodes/node";
const VOLUMES: &str = "/api/v1/persistentvolumes";
const CLAIMS: &str = "/api/v1/namespaces/default/persistentvolumeclaims";
const CSI_NODE: &str = "/apis/storage.k8s.io/v1/csinodes/node";
const ATTACHMENTS: &str = "/apis/storage.k8s.io/v1/volumeattachments";

pub(crate) async fn join(cluster: &Cluster) -> Node {
    Node::start_with(Options {
        start: cluster.joining(),
        ..Options::default()
    })
    .await
}

pub(crate) fn serve(node: &Node) -> Driver {
    Driver::serve(node)
}

/// A pod for the node that runs a script and has a claim at /room.
pub(crate) fn using(name: &str, image: &str, claim: &str, script: &str) -> Value {
    let mut spec = shell(image, script);
    spec["containers"][0]["volumeMounts"] = json!([{ "name": "room", "mountPath": "/room" }]);
    spec["volumes"] = json!([{ "name": "room", "persistentVolumeClaim": { "claimName": claim } }]);
    spec["nodeName"] = "node".into();
    spec["terminationGracePeriodSeconds"] = 1.into();
    spec["automountServiceAccountToken"] = false.into();
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": spec })
}

/// A volume, and a claim that is bound to it, as a cluster's controller does it.
pub(crate) async fn bound(cluster: &Cluster, name: &str, source: Value) {
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": name },
        "spec": {
            "accessModes": ["ReadWriteOnce"], "volumeName": name, "storageClassName": "",
            "resources": { "requests": { "storage": "1Gi" } },
        },
    });
    let claim = cluster.create(CLAIMS, &claim).await;
    let mut volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": name },
        "spec": {
            "accessModes": ["ReadWriteOnce"], "capacity": { "storage": "1Gi" },
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": "default",
                "name": name, "uid": claim["metadata"]["uid"],
            },
        },
    });
    let source = source.as_object().cloned().unwrap_or_default();
    for (key, value) in source {
        volume["spec"][key] = value;
    }
    cluster.create(VOLUMES, &volume).await;
    let status = json!({ "status": { "phase": "Bound", "capacity": { "storage": "1Gi" } } });
    cluster
        .patch(&format!("{CLAIMS}/{name}/status"), &status)
        .await;
}

pub(crate) fn is_ready(object: &Value) -> bool {
    let pod = Pod(object.clone());
    pod.phase() == "Running" && pod.is_ready()
}

fn path(name: &str) -> String {
    format!("{PODS}/{name}")
}

async fn run(cluster: &Cluster, pod: &Value) {
    cluster.create(PODS, pod).await;
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    cluster.wait(&path(name), "runs", is_ready).await;
}

async fn remove(cluster: &Cluster, name: &str) {
    cluster.delete(&path(name), None).await;
    cluster.wait_gone(&path(name)).await;
}

/// The unique name of a volume of the driver.
fn unique(handle: &str) -> String {
    format!("kubernetes.io/csi/{DRIVER}^{handle}")
}

fn is_used(node: &Value, handle: &str) -> bool {
    let used = node["status"]["volumesInUse"].as_array();
    used.is_some_and(|all| all.iter().any(|one| *one == unique(handle)))
}

#[tokio::test]
async fn a_cluster_is_told_of_drivers_and_their_volumes_wait_until_they_are_attached() {
    let cluster = Cluster::start().await;
    let node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    let driver = serve(&node);
    let has_driver = |csi: &Value| csi["spec"]["drivers"][0]["name"] == DRIVER;
    let csi = cluster
        .wait(CSI_NODE, "tells of the driver", has_driver)
        .await;
    assert_eq!(csi["spec"]["drivers"][0]["nodeID"], "toy-node");
    assert_eq!(csi["spec"]["drivers"][0]["allocatable"]["count"], 7);
    let migrated = &csi["metadata"]["annotations"]["storage.alpha.kubernetes.io/migrated-plugins"];
    let migrated = migrated.as_str().unwrap_or_default();
    assert_eq!(migrated.split(',').count(), 7, "{migrated}");
    let object = cluster.get(NODE).await.expect("it is there");
    let ids = &object["metadata"]["annotations"]["csi.volume.kubernetes.io/nodeid"];
    assert_eq!(*ids, json!({ DRIVER: "toy-node" }).to_string());
    let rack = &object["metadata"]["labels"]["topology.toy.example.com/rack"];
    assert_eq!(*rack, "r1");

    let source = json!({ "csi": { "driver": DRIVER, "volumeHandle": "vol-1", "fsType": "ext4" } });
    bound(&cluster, "disk", source).await;
    let pod = using("a", &image, "disk", "echo hello > /room/word; sleep 1000");
    cluster.create(PODS, &pod).await;
    let in_use = |node: &Value| is_used(node, "vol-1");
    cluster
        .wait(NODE, "says that it uses the volume", in_use)
        .await;
    assert!(!driver.told().iter().any(|line| line.starts_with("stage")));

    let attachment = attach(&cluster, "vol-1").await;
    cluster.wait(&path("a"), "runs", is_ready).await;
    assert!(driver.told().contains(&"stage at device=sdb".to_owned()));
    assert!(driver.told().contains(&"publish at device=sdb".to_owned()));

    remove(&cluster, "a").await;
    let is_free = |node: &Value| !is_used(node, "vol-1");
    cluster
        .wait(NODE, "does not use it any more", is_free)
        .await;
    let told = driver.told();
    assert_eq!(told.last().map(String::as_str), Some("unstage vol-1"));
    cluster
        .delete(&format!("{ATTACHMENTS}/{attachment}"), None)
        .await;
    detach_all(&cluster).await;
    drop(driver);
    let has_none = |csi: &Value| csi["spec"]["drivers"].as_array().is_none_or(Vec::is_empty);
    cluster
        .wait(CSI_NODE, "tells that it is gone", has_none)
        .await;
    node.stop().await;
}

#[tokio::test]
async fn a_pod_of_the_cluster_that_has_ended_does_not_use_its_volume_any_more() {
    let cluster = Cluster::start().await;
    let mut node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    let driver = serve(&node);
    let source = json!({ "csi": { "driver": DRIVER, "volumeHandle": "vol-1", "fsType": "ext4" } });
    bound(&cluster, "disk", source).await;
    let mut pod = using("job", &image, "disk", "echo hello > /room/word");
    pod["spec"]["restartPolicy"] = "Never".into();
    cluster.create(PODS, &pod).await;
    let in_use = |node: &Value| is_used(node, "vol-1");
    cluster
        .wait(NODE, "says that it uses the volume", in_use)
        .await;
    let attachment = attach(&cluster, "vol-1").await;
    let has_succeeded = |pod: &Value| pod["status"]["phase"] == "Succeeded";
    cluster.wait(&path("job"), "has ended", has_succeeded).await;
    let is_free = |node: &Value| !is_used(node, "vol-1");
    cluster
        .wait(NODE, "does not use it any more", is_free)
        .await;
    assert_eq!(told_last(&driver), "unstage vol-1");
    let told = driver.told().len();
    cluster
        .delete(&format!("{ATTACHMENTS}/{attachment}"), None)
        .await;
    detach_all(&cluster).await;

    // The next kubelet does not want it either.
    node.kill9();
    node.restart_with(&cluster.joining()).await;
    let other = cluster.create(PODS, &later(&image)).await;
    let name = other["metadata"]["name"].as_str().unwrap_or_default();
    cluster.wait(&path(name), "runs", is_ready).await;
    assert!(has_succeeded(
        &cluster.get(&path("job")).await.expect("it stays")
    ));
    assert!(is_free(&cluster.get(NODE).await.expect("it is there")));
    let calls = driver.told();
    let calls = calls[told..].iter().filter(|line| line.ends_with("vol-1"));
    assert_eq!(calls.count(), 0);
    remove(&cluster, name).await;
    remove(&cluster, "job").await;
    node.stop().await;
}

/// A pod without volumes.
fn later(image: &str) -> Value {
    let mut pod = using("later", image, "", "sleep 1000");
    pod["spec"]["volumes"] = json!(null);
    pod["spec"]["containers"][0]["volumeMounts"] = json!(null);
    pod
}

fn told_last(driver: &Driver) -> String {
    driver.told().last().cloned().unwrap_or_default()
}

/// Does what a cluster's attacher and its controller do; the name of what says it.
async fn attach(cluster: &Cluster, handle: &str) -> String {
    let name = podling_integration::harness::csi_driver::attachment(handle, "node");
    let attachment = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": { "name": name },
        "spec": {
            "attacher": DRIVER, "nodeName": "node",
            "source": { "persistentVolumeName": "disk" },
        },
    });
    // The controller of a real cluster may have been quicker.
    cluster.ensure(ATTACHMENTS, &attachment).await;
    let status = json!({ "status": {
        "attached": true, "attachmentMetadata": { "device": "sdb" },
    } });
    let path = format!("{ATTACHMENTS}/{name}/status");
    cluster.patch(&path, &status).await;
    let attached = json!({ "status": { "volumesAttached": [
        { "name": unique(handle), "devicePath": "" },
    ] } });
    cluster.patch(&format!("{NODE}/status"), &attached).await;
    name
}

async fn detach_all(cluster: &Cluster) {
    let none = json!({ "status": { "volumesAttached": null } });
    cluster.patch(&format!("{NODE}/status"), &none).await;
}

#[tokio::test]
async fn a_claim_of_the_cluster_on_a_path_of_the_host_outlives_its_pod() {
    let cluster = Cluster::start().await;
    let node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    let local = node.folder().join("local");
    std::fs::create_dir_all(&local).expect("there is room");
    let of_node = json!({ "required": { "nodeSelectorTerms": [{ "matchExpressions": [
        { "key": "kubernetes.io/hostname", "operator": "In", "values": ["node"] },
    ] }] } });
    let host = json!({ "hostPath": {
        "path": node.folder().join("host"), "type": "DirectoryOrCreate",
    } });
    bound(&cluster, "host", host).await;
    bound(
        &cluster,
        "local",
        json!({ "local": { "path": local }, "nodeAffinity": of_node }),
    )
    .await;
    for claim in ["host", "local"] {
        let script = "echo hello > /room/word; sleep 1000";
        run(&cluster, &using("writer", &image, claim, script)).await;
        let word = node.folder().join(claim).join("word");
        wait_until(DEADLINE, "the word is on the disk", || word.exists()).await;
        remove(&cluster, "writer").await;
        let script = "grep hello /room/word && sleep 1000";
        run(&cluster, &using("reader", &image, claim, script)).await;
        remove(&cluster, "reader").await;
        assert!(word.exists(), "what lies on a volume is not the pod's");
    }
    node.stop().await;
}
