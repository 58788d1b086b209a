//! What drivers are told beside which volume it is: Secrets, tokens, again and again; and who may have it.

use podling_integration::harness::csi_driver::{DRIVER, Driver};
use podling_integration::harness::{Cluster, DEADLINE, Node, wait_until};
use serde_json::{Value, json};

use crate::csi_cluster::{bound, is_ready, join, serve, using};
use crate::{is_running, pod};

const PODS: &str = "/api/v1/namespaces/default/pods";
const DRIVERS: &str = "/apis/storage.k8s.io/v1/csidrivers";
const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const CSI_NODE: &str = "/apis/storage.k8s.io/v1/csinodes/node";
const TOKENS: &str = "csi.storage.k8s.io/serviceAccount.tokens=";

/// Says of the driver that its volumes need no attaching, and more.
async fn describe(cluster: &Cluster, more: Value) {
    let mut known = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": { "name": DRIVER },
        "spec": { "attachRequired": false },
    });
    for (key, value) in more.as_object().cloned().unwrap_or_default() {
        known["spec"][key] = value;
    }
    cluster.create(DRIVERS, &known).await;
}

fn path(name: &str) -> String {
    format!("{PODS}/{name}")
}

async fn remove(cluster: &Cluster, name: &str) {
    cluster.delete(&path(name), None).await;
    cluster.wait_gone(&path(name)).await;
}

fn count(driver: &Driver, is_it: impl Fn(&str) -> bool) -> usize {
    let told = driver.told();
    told.iter().filter(|line| is_it(line)).count()
}

/// The token for an audience, of what was told after this word.
fn token(driver: &Driver, word: &str) -> String {
    let told = driver.told();
    let before = format!("{word} {TOKENS}");
    let mut lines = told.iter().filter_map(|line| line.strip_prefix(&before));
    let tokens = lines.next().unwrap_or_else(|| panic!("{word}: {told:?}"));
    let tokens: Value = serde_json::from_str(tokens).expect("they are JSON");
    let of_vault = &tokens["vault"];
    assert!(of_vault["expirationTimestamp"].is_string(), "{tokens}");
    of_vault["token"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_driver_gets_tokens_of_the_pods_account_and_secrets_and_is_asked_again_if_it_wants_to() {
    let cluster = Cluster::start().await;
    let node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    let driver = serve(&node);
    let tokens = json!([{ "audience": "vault", "expirationSeconds": 600 }]);
    describe(
        &cluster,
        json!({ "tokenRequests": tokens, "requiresRepublish": true }),
    )
    .await;
    for (name, password) in [("of-stage", "b3Blbg=="), ("of-publish", "c2VzYW1l")] {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name },
            "data": { "password": password },
        });
        cluster.create(SECRETS, &secret).await;
    }
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "map" }, "data": { "k": "1" },
    });
    cluster.create(MAPS, &map).await;
    let source = json!({ "csi": {
        "driver": DRIVER, "volumeHandle": "vol-1",
        "nodeStageSecretRef": { "namespace": "default", "name": "of-stage" },
        "nodePublishSecretRef": { "namespace": "default", "name": "of-publish" },
    } });
    bound(&cluster, "disk", source).await;
    let mut a = using("a", &image, "disk", "sleep 1000");
    a["spec"]["serviceAccountName"] = "default".into();
    let volumes = a["spec"]["volumes"].as_array_mut().expect("they are");
    volumes.push(json!({ "name": "map", "configMap": { "name": "map" } }));
    cluster.create(PODS, &a).await;
    cluster.wait(&path("a"), "runs", is_ready).await;
    let first = token(&driver, "publish with");
    assert!(first.starts_with("token-of-"), "{first}");
    assert_eq!(count(&driver, |line| line == "stage with open"), 1);
    let secretly = "publish secretly password=sesame";
    // Once, and again with every look at the pod.
    assert!(count(&driver, |line| line == secretly) >= 1);

    // Whatever makes the kubelet look at the pod has the driver asked again.
    let published = count(&driver, |line| line == "publish vol-1");
    let changed = json!({ "data": { "k": "2" } });
    cluster.patch(&format!("{MAPS}/map"), &changed).await;
    wait_until(DEADLINE, "it is published again", || {
        count(&driver, |line| line == "publish vol-1") > published
    })
    .await;
    assert_eq!(count(&driver, |line| line == "stage vol-1"), 1);
    remove(&cluster, "a").await;
    assert_eq!(count(&driver, |line| line == "unpublish vol-1"), 1);

    // Where nobody logs them.
    cluster.delete(&format!("{DRIVERS}/{DRIVER}"), None).await;
    let hidden = json!({ "tokenRequests": tokens, "serviceAccountTokenInSecrets": true });
    describe(&cluster, hidden).await;
    let mut b = using("b", &image, "disk", "sleep 1000");
    b["spec"]["serviceAccountName"] = "default".into();
    let before = driver.told().len();
    cluster.create(PODS, &b).await;
    cluster.wait(&path("b"), "runs", is_ready).await;
    assert!(token(&driver, "publish secretly").starts_with("token-of-"));
    let since = &driver.told()[before..];
    let openly = format!("publish with {TOKENS}");
    assert!(
        !since.iter().any(|line| line.starts_with(&openly)),
        "{since:?}"
    );
    remove(&cluster, "b").await;
    node.stop().await;
}

#[tokio::test]
async fn a_driver_is_asked_again_how_many_volumes_the_node_can_have() {
    let cluster = Cluster::start().await;
    let node = join(&cluster).await;
    let driver = serve(&node);
    let of_node = |csi: &Value| csi["spec"]["drivers"][0]["allocatable"]["count"].as_i64();
    let has_seven = |csi: &Value| of_node(csi) == Some(7);
    cluster.wait(CSI_NODE, "tells the limit", has_seven).await;
    describe(&cluster, json!({ "nodeAllocatableUpdatePeriodSeconds": 1 })).await;
    driver.limit(3);
    let has_three = |csi: &Value| of_node(csi) == Some(3);
    cluster
        .wait(CSI_NODE, "tells the new limit", has_three)
        .await;
    node.stop().await;
}

#[tokio::test]
async fn without_a_controller_nobody_attaches_and_the_pod_is_told_so() {
    let cluster = Cluster::start().await;
    let node = Node::start_with(podling_integration::harness::Options {
        start: {
            let mut start = cluster.joining();
            let word = "--enable-controller-attach-detach=false".to_owned();
            start.arguments.push(word);
            start
        },
        ..Default::default()
    })
    .await;
    let image = node.import_debian("busybox").await;
    let driver = serve(&node);
    let source = json!({ "csi": { "driver": DRIVER, "volumeHandle": "vol-1" } });
    bound(&cluster, "disk", source).await;
    cluster
        .create(PODS, &using("a", &image, "disk", "sleep 1000"))
        .await;
    let refused = "AttachVolume.Attach failed for volume \"disk\" : attaching volumes from the kubelet \
                   is not supported";
    let is_told = |list: &Value| {
        let mut events = list["items"].as_array().into_iter().flatten();
        events.any(|event| event["reason"] == "FailedAttachVolume" && event["message"] == refused)
    };
    let events = "/api/v1/namespaces/default/events";
    cluster
        .wait(events, "tells that nobody attaches", is_told)
        .await;
    assert_eq!(count(&driver, |line| line.starts_with("stage")), 0);
    remove(&cluster, "a").await;
    node.stop().await;
}

#[tokio::test]
async fn a_volume_for_one_pod_is_the_next_ones_when_the_first_is_gone() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let driver = serve(&node);
    node.manifest("disk.yaml", &crate::csi::disk("disk", "ReadWriteOncePod"));
    let spec = || crate::csi::using(&image, "disk", "sleep 1000");
    node.manifest("a.yaml", &pod("a", spec()));
    node.wait_pod("a", "runs", is_running).await;
    node.manifest("b.yaml", &pod("b", spec()));
    let words = "volume uses the ReadWriteOncePod access mode and is already in use by another pod";
    wait_until(DEADLINE, "it is told who has it", || {
        let events = node.podling(&["events", "--for", "b"]);
        String::from_utf8_lossy(&events.stdout).contains(words)
    })
    .await;
    assert_eq!(count(&driver, |line| line == "publish vol-disk"), 1);
    node.remove_manifest("a.yaml");
    node.wait_gone("a").await;
    node.wait_pod("b", "runs", is_running).await;
    assert_eq!(count(&driver, |line| line == "publish vol-disk"), 2);
    node.remove_manifest("b.yaml");
    node.wait_gone("b").await;
    node.stop().await;
}
