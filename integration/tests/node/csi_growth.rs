//! Claims of the cluster that grow: the node's half of it is done, told, and survives the node's death.

use podling_integration::harness::csi_driver::{DRIVER, Driver, Manner};
use podling_integration::harness::{Cluster, DEADLINE, Node, wait_until};
use serde_json::{Value, json};
use tonic::Code;

use crate::csi_cluster::{bound, is_ready, join, serve, using};

const PODS: &str = "/api/v1/namespaces/default/pods";
const EVENTS: &str = "/api/v1/namespaces/default/events";
const VOLUME: &str = "/api/v1/persistentvolumes/disk";
const CLAIM: &str = "/api/v1/namespaces/default/persistentvolumeclaims/disk";
const DRIVERS: &str = "/apis/storage.k8s.io/v1/csidrivers";
const SECRETS: &str = "/api/v1/namespaces/default/secrets";

/// A node with a driver whose volumes need not be attached, and a claim of 1Gi for one of them.
async fn with_disk(cluster: &Cluster) -> (Node, Driver, String) {
    let node = join(cluster).await;
    let image = node.import_debian("busybox").await;
    let driver = serve(&node);
    let known = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": { "name": DRIVER },
        "spec": { "attachRequired": false },
    });
    cluster.create(DRIVERS, &known).await;
    let key = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "key" },
        "data": { "password": "b3Blbg==" },
    });
    cluster.create(SECRETS, &key).await;
    let source = json!({ "csi": {
        "driver": DRIVER, "volumeHandle": "vol-1", "fsType": "ext4",
        "nodeExpandSecretRef": { "namespace": "default", "name": "key" },
    } });
    bound(cluster, "disk", source).await;
    (node, driver, image)
}

/// What a cluster's resizer does: the volume is larger, and it is the node's turn.
async fn grow(cluster: &Cluster, size: &str) {
    let asked = json!({ "spec": { "resources": { "requests": { "storage": size } } } });
    cluster.patch(CLAIM, &asked).await;
    let holds = json!({ "spec": { "capacity": { "storage": size } } });
    cluster.patch(VOLUME, &holds).await;
    let status = json!({ "status": {
        "allocatedResources": { "storage": size },
        "allocatedResourceStatuses": { "storage": "NodeResizePending" },
        "conditions": [{ "type": "FileSystemResizePending", "status": "True" }],
    } });
    cluster.patch(&format!("{CLAIM}/status"), &status).await;
}

fn state(claim: &Value) -> &str {
    let states = &claim["status"]["allocatedResourceStatuses"];
    states["storage"].as_str().unwrap_or_default()
}

/// Whether the claim says that it is of this size, and nothing of growing any more.
fn has_grown(claim: &Value, size: &str) -> bool {
    let conditions = claim["status"]["conditions"].as_array();
    claim["status"]["capacity"]["storage"] == size
        && state(claim).is_empty()
        && conditions.is_none_or(Vec::is_empty)
}

async fn wait_event(cluster: &Cluster, about: [&str; 2], said: [&str; 2]) {
    let is_it = |event: &Value| {
        let object = &event["involvedObject"];
        object["kind"] == about[0]
            && object["name"] == about[1]
            && event["reason"] == said[0]
            && event["message"]
                .as_str()
                .is_some_and(|words| words.contains(said[1]))
    };
    let what = format!("tells {} {} of {}", about[0], about[1], said[0]);
    let any = |list: &Value| {
        list["items"]
            .as_array()
            .is_some_and(|all| all.iter().any(is_it))
    };
    cluster.wait(EVENTS, &what, any).await;
}

fn has_heard(driver: &Driver, line: &str) -> bool {
    driver.told().iter().any(|one| one == line)
}

fn path(name: &str) -> String {
    format!("{PODS}/{name}")
}

#[tokio::test]
async fn a_claim_grows_while_it_is_used_even_if_the_daemon_dies_in_between() {
    let cluster = Cluster::start().await;
    let (mut node, driver, image) = with_disk(&cluster).await;
    cluster
        .create(PODS, &using("a", &image, "disk", "sleep 1000"))
        .await;
    let before = cluster.wait(&path("a"), "runs", is_ready).await;
    assert!(!has_heard(&driver, "expand vol-1"), "it is large enough");

    driver.behave(Manner::Hangs("expand"));
    grow(&cluster, "2Gi").await;
    // A kubelet that starts sees at once what another would see when it looks again.
    node.kill9();
    node.restart_with(&cluster.joining()).await;
    let in_progress = |claim: &Value| state(claim) == "NodeResizeInProgress";
    cluster.wait(CLAIM, "is made larger", in_progress).await;
    wait_until(DEADLINE, "the driver is asked", || {
        has_heard(&driver, "expand vol-1")
    })
    .await;
    node.kill9();
    driver.behave(Manner::Answers);
    node.restart_with(&cluster.joining()).await;
    let is_larger = |claim: &Value| has_grown(claim, "2Gi");
    cluster.wait(CLAIM, "has grown", is_larger).await;
    let told = driver.told();
    for line in ["expand to 2147483648", "expand with open"] {
        assert!(has_heard(&driver, line), "{line}: {told:?}");
    }
    let is_at = |line: &String, place: &str| line.starts_with(place);
    let at = told
        .iter()
        .find(|line| is_at(line, "expand at "))
        .expect("it is there");
    assert!(
        at.ends_with("/volumes/kubernetes.io~csi/disk/mount"),
        "{at}"
    );
    let staged = told.iter().find(|line| is_at(line, "expand staged at "));
    let staged = staged.expect("it is there");
    assert!(staged.ends_with("/globalmount"), "{staged}");
    let grown = [
        "FileSystemResizeSuccessful",
        "MountVolume.NodeExpandVolume succeeded for volume \"disk\" node",
    ];
    wait_event(&cluster, ["Pod", "a"], grown).await;
    wait_event(&cluster, ["PersistentVolumeClaim", "disk"], grown).await;
    let after = cluster.get(&path("a")).await.expect("it is there");
    let id = |pod: &Value| pod["status"]["containerStatuses"][0]["containerID"].clone();
    assert_eq!(id(&after), id(&before), "its container goes on");
    cluster.delete(&path("a"), None).await;
    cluster.wait_gone(&path("a")).await;
    node.stop().await;
}

#[tokio::test]
async fn a_claim_that_grew_is_noticed_while_nothing_else_happens() {
    let cluster = Cluster::start().await;
    let (node, driver, image) = with_disk(&cluster).await;
    cluster
        .create(PODS, &using("a", &image, "disk", "sleep 1000"))
        .await;
    let before = cluster.wait(&path("a"), "runs", is_ready).await;
    grow(&cluster, "2Gi").await;
    // Volumes are looked at each minute.
    let is_larger = |claim: &Value| has_grown(claim, "2Gi");
    cluster.wait(CLAIM, "has grown", is_larger).await;
    assert!(has_heard(&driver, "expand to 2147483648"));
    let after = cluster.get(&path("a")).await.expect("it is there");
    let id = |pod: &Value| pod["status"]["containerStatuses"][0]["containerID"].clone();
    assert_eq!(id(&after), id(&before), "its container goes on");
    cluster.delete(&path("a"), None).await;
    cluster.wait_gone(&path("a")).await;
    node.stop().await;
}

#[tokio::test]
async fn a_pod_begins_when_its_volume_is_as_large_as_it_shall_be_and_is_told_why_it_is_not() {
    let cluster = Cluster::start().await;
    let (mut node, driver, image) = with_disk(&cluster).await;
    grow(&cluster, "2Gi").await;
    driver.behave(Manner::Refuses("expand", "no room"));
    cluster
        .create(PODS, &using("a", &image, "disk", "sleep 1000"))
        .await;
    let refused = "MountVolume.Setup failed while expanding volume for volume \"disk\" : \
                   Expander.NodeExpand failed to expand the volume : rpc error: code = Internal \
                   desc = no room";
    wait_event(&cluster, ["Pod", "a"], ["FailedMount", refused]).await;
    let says_why = |claim: &Value| {
        let conditions = claim["status"]["conditions"].to_string();
        conditions.contains("NodeResizeError") && conditions.contains("failed to expand pvc with")
    };
    cluster.wait(CLAIM, "says why", says_why).await;
    driver.behave(Manner::Answers);
    cluster.wait(&path("a"), "runs", is_ready).await;
    let claim = cluster.get(CLAIM).await.expect("it is there");
    assert!(has_grown(&claim, "2Gi"), "{claim:#}");

    // What cannot be is not tried again: somebody has to ask for something else.
    driver.behave(Manner::RefusesAs(Code::OutOfRange, "expand", "too large"));
    grow(&cluster, "9Gi").await;
    node.kill9();
    node.restart_with(&cluster.joining()).await;
    let is_given_up = |claim: &Value| state(claim) == "NodeResizeInfeasible";
    cluster.wait(CLAIM, "is given up", is_given_up).await;
    let failed = "NodeExpandVolume.NodeExpandVolume failed for volume \"disk\" : \
                  Expander.NodeExpand failed to expand the volume rpc error: code = OutOfRange";
    wait_event(&cluster, ["Pod", "a"], ["VolumeResizeFailed", failed]).await;
    let a = cluster.get(&path("a")).await.expect("it is there");
    assert!(is_ready(&a), "it goes on with what it has");

    // Who only reads does not need it.
    cluster.delete(&path("a"), None).await;
    cluster.wait_gone(&path("a")).await;
    driver.behave(Manner::Answers);
    grow(&cluster, "3Gi").await;
    let asked = driver.told().len();
    let mut reader = using("reader", &image, "disk", "sleep 1000");
    reader["spec"]["volumes"][0]["persistentVolumeClaim"]["readOnly"] = true.into();
    cluster.create(PODS, &reader).await;
    cluster.wait(&path("reader"), "runs", is_ready).await;
    let read_only = "MountVolume.NodeExpandVolume failed for volume \"disk\" requested read-only \
                     file system";
    for about in [["Pod", "reader"], ["PersistentVolumeClaim", "disk"]] {
        wait_event(&cluster, about, ["FileSystemResizeFailed", read_only]).await;
    }
    let since = &driver.told()[asked..];
    assert!(
        !since.iter().any(|line| line.starts_with("expand")),
        "{since:?}"
    );
    cluster.delete(&path("reader"), None).await;
    cluster.wait_gone(&path("reader")).await;
    node.stop().await;
}
