//! Volumes of a driver in a whole cluster: its controllers bind and attach them, the node does the rest.
//!
//! The driver is the toy of the harness, and the story's own hand does what its attacher would do.

use podling_integration::harness::csi_driver::{DRIVER, Driver, attachment};
use podling_integration::harness::{Cluster, DEADLINE, Node, Pod, wait_until};
use serde_json::{Value, json};

use super::{APPS, NODE, PODS, app, end, join, kubectl, pods, template};

const ATTACHMENTS: &str = "/apis/storage.k8s.io/v1/volumeattachments";
const CLAIM: &str = "/api/v1/namespaces/default/persistentvolumeclaims/room";
const SCRIPT: &str = "echo run >> /room/runs; cat /room/runs; \
                      trap 'exit 0' TERM; sleep 1000000 & wait";

fn serve(node: &Node) -> Driver {
    Driver::serve(node)
}

/// A volume of the driver, and a claim that asks for it by name.
async fn claim(cluster: &Cluster) {
    let shape = json!({
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "by-hand",
    });
    let (mut volume, mut claim) = (shape.clone(), shape);
    volume["capacity"] = json!({"storage": "1Gi"});
    volume["csi"] = json!({"driver": DRIVER, "volumeHandle": "vol-1", "fsType": "ext4"});
    claim["volumeName"] = "room".into();
    claim["resources"] = json!({"requests": {"storage": "1Gi"}});
    for (path, kind, spec) in [
        ("/api/v1/persistentvolumes", "PersistentVolume", volume),
        (
            "/api/v1/namespaces/default/persistentvolumeclaims",
            "PersistentVolumeClaim",
            claim,
        ),
    ] {
        let object = json!({
            "apiVersion": "v1", "kind": kind, "metadata": {"name": "room"}, "spec": spec,
        });
        cluster.create(path, &object).await;
    }
    let is_bound = |claim: &Value| claim["status"]["phase"] == "Bound";
    cluster.wait(CLAIM, "is bound", is_bound).await;
}

/// Waits until the cluster wants the volume attached, and says that it is, as the driver's attacher does.
async fn attach(cluster: &Cluster) {
    let path = format!("{ATTACHMENTS}/{}", attachment("vol-1", "node"));
    let is_wanted = |object: &Value| object["spec"]["attacher"] == DRIVER;
    cluster.wait(&path, "is wanted", is_wanted).await;
    let status = json!({"status": {
        "attached": true, "attachmentMetadata": {"device": "sdb"},
    }});
    cluster.patch(&format!("{path}/status"), &status).await;
}

/// Whether the node has the volume, as itself and as the cluster's controller say.
fn has_volume(node: &Value) -> [bool; 2] {
    let name = format!("kubernetes.io/csi/{DRIVER}^vol-1");
    let says = |list: &Value, is_it: &dyn Fn(&Value) -> bool| {
        let mut all = list.as_array().into_iter().flatten();
        all.any(is_it)
    };
    [
        says(&node["status"]["volumesInUse"], &|one| *one == name),
        says(&node["status"]["volumesAttached"], &|one| {
            one["name"] == name
        }),
    ]
}

fn count(driver: &Driver, call: &str) -> usize {
    let told = driver.told();
    told.iter().filter(|line| *line == call).count()
}

// kubectl waits for what the driver does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs controllers and a scheduler: make cluster-test CLUSTER=DIR"]
async fn a_volume_of_a_driver_is_attached_for_a_pod_and_detached_from_a_drained_node() {
    let cluster = Cluster::start().await;
    let (node, image) = join(&cluster).await;
    let driver = serve(&node);
    claim(&cluster).await;
    let mut template = template(&image, "one");
    let spec = &mut template["spec"];
    spec["containers"][0]["command"] = json!(["sh", "-c", SCRIPT]);
    spec["containers"][0]["volumeMounts"] = json!([{"name": "room", "mountPath": "/room"}]);
    spec["volumes"] = json!([{"name": "room", "persistentVolumeClaim": {"claimName": "room"}}]);
    let object = app("Deployment", json!({"replicas": 1}), template);
    cluster
        .create(&format!("{APPS}/deployments"), &object)
        .await;
    let path = format!("{APPS}/deployments/web");
    let has = |count: u64| {
        move |object: &Value| object["status"]["availableReplicas"].as_u64().unwrap_or(0) == count
    };

    // The node uses the volume before it is attached, and stages nothing until it is.
    let is_used = |node: &Value| has_volume(node) == [true, false];
    cluster.wait(NODE, "uses the volume", is_used).await;
    assert_eq!(count(&driver, "stage vol-1"), 0);
    attach(&cluster).await;
    cluster.wait(&path, "has a pod", has(1)).await;
    let object = cluster.get(NODE).await.expect("it is there");
    assert_eq!(has_volume(&object), [true, true], "{object:#}");
    assert!(driver.told().contains(&"stage at device=sdb".to_owned()));

    // The next pod finds what the last one has left.
    let first = pods(&cluster).await;
    kubectl(&cluster, &["delete", "pod", first[0].name()]);
    let is_next = |list: &Value| {
        let all = list["items"].as_array().cloned().unwrap_or_default();
        let all: Vec<Pod> = all.into_iter().map(Pod).collect();
        all.len() == 1 && all[0].uid() != first[0].uid() && all[0].is_ready()
    };
    cluster.wait(PODS, "are the next", is_next).await;
    let second = pods(&cluster).await;
    assert_eq!(kubectl(&cluster, &["logs", second[0].name()]), "run\nrun\n");

    kubectl(
        &cluster,
        &["drain", "node", "--ignore-daemonsets", "--timeout=100s"],
    );
    let attachment = format!("{ATTACHMENTS}/{}", attachment("vol-1", "node"));
    cluster.wait_gone(&attachment).await;
    let is_free = |node: &Value| has_volume(node) == [false, false];
    cluster.wait(NODE, "has no volume", is_free).await;
    let is_last = || driver.told().last().map(String::as_str) == Some("unstage vol-1");
    wait_until(DEADLINE, "the volume is unstaged", is_last).await;

    kubectl(&cluster, &["uncordon", "node"]);
    attach(&cluster).await;
    cluster.wait(&path, "has a pod again", has(1)).await;
    end(&cluster, node, &path).await;
}
