//! How changes of ConfigMaps and Secrets are noticed, when they are not followed.

use std::path::Path;

use podling_integration::harness::{Cluster, DEADLINE, Node, Options, Pod, wait_until};
use serde_json::{Value, json};

use crate::{configure, said};

const PODS: &str = "/api/v1/namespaces/default/pods";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const COLOURS: &str = "/api/v1/namespaces/default/configmaps/colours";

/// A node of the cluster that notices changes in this way.
async fn join(cluster: &Cluster, root: &Path, strategy: &str) -> Node {
    let strategy = format!("configMapAndSecretChangeDetectionStrategy: {strategy}\n");
    configure(root, &format!("syncFrequency: 1s\n{strategy}"));
    Node::start_with(Options {
        root: Some(root.to_owned()),
        start: cluster.joining(),
    })
    .await
}

/// A pod that shows the colour, and goes quickly.
fn pod(name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": {
            "nodeName": "node", "automountServiceAccountToken": false,
            "containers": [{
                "name": "main", "image": image, "args": ["sleep", "1000"],
                "volumeMounts": [{ "name": "colours", "mountPath": "/colours" }],
            }],
            "volumes": [{ "name": "colours", "configMap": { "name": "colours" } }],
        },
    })
}

async fn start(cluster: &Cluster, pod: &Value) {
    cluster.create(PODS, pod).await;
    let path = path(pod["metadata"]["name"].as_str().expect("it has a name"));
    let is_ready = |pod: &Value| Pod(pod.clone()).is_ready();
    cluster.wait(&path, "is ready", is_ready).await;
}

fn path(name: &str) -> String {
    format!("{PODS}/{name}")
}

fn colour(node: &Node, pod: &str) -> String {
    said(node, pod, "main", "cat /colours/now")
}

async fn paint(cluster: &Cluster, colour: &str) {
    let change = json!({ "data": { "now": colour } });
    cluster.patch(COLOURS, &change).await;
}

async fn end(cluster: &Cluster, node: Node, pods: &[&str]) {
    for name in pods {
        cluster.delete(&path(name), Some(1)).await;
        cluster.wait_gone(&path(name)).await;
    }
    node.stop().await;
}

fn watches(cluster: &mut Cluster) -> usize {
    let requests = cluster.server().requests();
    let is_watch = |one: &&String| one.contains("configmaps") && one.contains("watch=true");
    requests.iter().filter(is_watch).count()
}

#[tokio::test]
async fn objects_are_asked_for_each_time_when_they_shall_be() {
    let mut cluster = Cluster::breakable();
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let node = join(&cluster, root.path(), "Get").await;
    let image = node.import_debian("busybox").await;
    let colours = json!({ "metadata": { "name": "colours" }, "data": { "now": "blue" } });
    cluster.create(MAPS, &colours).await;
    start(&cluster, &pod("web", &image)).await;
    assert_eq!(colour(&node, "web"), "blue");
    paint(&cluster, "red").await;
    let is_red = || colour(&node, "web") == "red";
    wait_until(DEADLINE, "the file is as the object", is_red).await;
    assert_eq!(watches(&mut cluster), 0, "nobody watches");
    // By themselves pods are looked at once in a minute or more.
    let asked = gets(&mut cluster);
    let often = || gets(&mut cluster) >= asked + 5;
    let what = "pods are looked at as often as configured";
    wait_until(DEADLINE, what, often).await;
    let metrics = node.kubelet("/metrics").expect("the kubelet answers");
    let metrics = metrics.text();
    for family in [
        "rest_client_requests_total{code=\"200\",method=\"GET\",host=\"127.0.0.1:",
        "kubernetes_feature_enabled{name=\"GracefulNodeShutdown\",stage=\"BETA\"} 1\n",
        "process_open_fds ",
    ] {
        assert!(metrics.contains(family), "{family}\n{metrics}");
    }
    end(&cluster, node, &["web"]).await;
}

#[tokio::test]
async fn answers_about_objects_count_as_long_as_the_node_says_and_not_for_new_pods() {
    let mut cluster = Cluster::breakable();
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let node = join(&cluster, root.path(), "Cache").await;
    let image = node.import_debian("busybox").await;
    let colours = json!({ "metadata": { "name": "colours" }, "data": { "now": "blue" } });
    cluster.create(MAPS, &colours).await;
    start(&cluster, &pod("web", &image)).await;
    paint(&cluster, "red").await;
    let asked = gets(&mut cluster);
    assert_eq!(
        colour(&node, "web"),
        "blue",
        "an answer counts for a minute"
    );
    assert_eq!(gets(&mut cluster), asked);

    // A new pod has the object asked for, and the others see what it got.
    start(&cluster, &pod("late", &image)).await;
    assert_eq!(colour(&node, "late"), "red");
    let is_red = || colour(&node, "web") == "red";
    wait_until(DEADLINE, "both see the same", is_red).await;

    let at_once = json!({ "metadata": { "annotations": { "node.alpha.kubernetes.io/ttl": "0" } } });
    cluster.patch("/api/v1/nodes/node", &at_once).await;
    paint(&cluster, "green").await;
    let is_green = || colour(&node, "web") == "green";
    wait_until(DEADLINE, "the file is as the object", is_green).await;
    assert_eq!(watches(&mut cluster), 0, "nobody watches");
    end(&cluster, node, &["web", "late"]).await;
}

/// How often the object was asked for.
fn gets(cluster: &mut Cluster) -> usize {
    let requests = cluster.server().requests();
    requests.iter().filter(|one| one.contains(COLOURS)).count()
}
