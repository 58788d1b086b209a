//! Pods of a cluster whose containers get other sizes while they run.

use std::fs;
use std::path::PathBuf;

use podling_integration::harness::leftovers;
use podling_integration::harness::{Cluster, DEADLINE, Node, Options, Pod, wait_until};
use serde_json::{Value, json};

use crate::shell;

const PODS: &str = "/api/v1/namespaces/default/pods";
const NODE: &str = "/api/v1/nodes/node";
const SCRIPT: &str = "trap 'exit 0' TERM; while true; do sleep 0.1; done";

async fn join(cluster: &Cluster) -> Node {
    Node::start_with(Options {
        start: cluster.joining(),
        ..Options::default()
    })
    .await
}

fn path(name: &str) -> String {
    format!("{PODS}/{name}")
}

/// A pod for the node whose container `main` has these resources.
fn sized(name: &str, image: &str, resources: &Value) -> Value {
    let mut spec = shell(image, SCRIPT);
    spec["containers"][0]["resources"] = resources.clone();
    spec["nodeName"] = "node".into();
    spec["automountServiceAccountToken"] = false.into();
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": spec })
}

fn requests(cpu_millis: u64) -> Value {
    json!({ "requests": { "cpu": format!("{cpu_millis}m") } })
}

fn limited(cpu: &str, memory: &str) -> Value {
    json!({
        "requests": { "cpu": "50m", "memory": "16Mi" },
        "limits": { "cpu": cpu, "memory": memory },
    })
}

async fn resize(cluster: &Cluster, name: &str, resources: &Value) -> Value {
    let change = json!({ "spec": { "containers": [{ "name": "main", "resources": resources }] } });
    let path = format!("{}/resize", path(name));
    cluster.merge(&path, &change).await
}

fn is_ready(object: &Value) -> bool {
    let pod = Pod(object.clone());
    pod.phase() == "Running" && pod.is_ready()
}

/// The id and the restarts of a container.
fn identity(object: &Value, container: &str) -> (String, i64) {
    let pod = Pod(object.clone());
    let container = pod.container(container).expect("it has this container");
    (container.id().to_owned(), container.restarts())
}

/// The reason of the condition that tells why a pod has not got its size.
fn pending(object: &Value) -> Option<&str> {
    let mut all = object["status"]["conditions"].as_array()?.iter();
    all.find(|one| one["type"] == "PodResizePending")?["reason"].as_str()
}

/// Whether the container `main` has what its pod asks for, and nothing is told of a resize any more.
fn has_its_size(object: &Value) -> bool {
    let wished = &object["spec"]["containers"][0]["resources"];
    let main = &object["status"]["containerStatuses"][0];
    let mut conditions = object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten();
    let tells = |one: &Value| {
        let kind = one["type"].as_str();
        kind.is_some_and(|kind| kind.starts_with("PodResize"))
    };
    main["resources"] == *wished
        && main["allocatedResources"] == wished["requests"]
        && !conditions.any(tells)
}

/// The number in a file of a container's or a pod's cgroup, in whichever hierarchy; its name in each.
fn number(node: &Node, cgroup: &str, names: [&str; 2]) -> u64 {
    let id = cgroup.rsplit('/').next().unwrap_or(cgroup);
    let all = leftovers::cgroups(&node.range().cgroup());
    let is_it = |path: &PathBuf| path.file_name().is_some_and(|name| name == id);
    let mut files = all
        .into_iter()
        .filter(is_it)
        .flat_map(|path| names.map(|name| path.join(name)));
    let text = files
        .find_map(|file| fs::read_to_string(file).ok())
        .unwrap_or_else(|| panic!("no cgroup {id} has one of {names:?}"));
    let word = text.split_whitespace().next().unwrap_or_default();
    word.parse().unwrap_or_else(|_| panic!("{names:?}: {text}"))
}

pub(super) fn quota(node: &Node, cgroup: &str) -> u64 {
    number(node, cgroup, ["cpu.cfs_quota_us", "cpu.max"])
}

pub(super) fn memory(node: &Node, cgroup: &str) -> u64 {
    number(node, cgroup, ["memory.limit_in_bytes", "memory.max"])
}

fn cgroup_of(object: &Value) -> String {
    format!("pod{}", Pod(object.clone()).uid())
}

async fn wait_event(cluster: &Cluster, name: &str, reason: &str) -> Value {
    let events = "/api/v1/namespaces/default/events";
    let is_it =
        |event: &Value| event["reason"] == reason && event["involvedObject"]["name"] == name;
    let all = cluster
        .wait(events, reason, |all| {
            let mut items = all["items"].as_array().into_iter().flatten();
            items.any(is_it)
        })
        .await;
    let mut items = all["items"].as_array().into_iter().flatten();
    items
        .find(|event| is_it(event))
        .cloned()
        .expect("it was seen")
}

async fn remove(cluster: &Cluster, names: &[&str]) {
    for name in names {
        cluster.delete(&path(name), Some(1)).await;
    }
    for name in names {
        cluster.wait_gone(&path(name)).await;
    }
}

#[tokio::test]
async fn a_container_gets_more_and_less_cpu_while_it_runs_and_a_new_kubelet_leaves_it_so() {
    let cluster = Cluster::start().await;
    let mut node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    let pod = sized("web", &image, &limited("200m", "64Mi"));
    cluster.create(PODS, &pod).await;
    let web = cluster.wait(&path("web"), "is ready", is_ready).await;
    let (id, pods) = (identity(&web, "main"), cgroup_of(&web));
    let wait_for = async |cpu: &str, microseconds: u64| {
        resize(&cluster, "web", &limited(cpu, "64Mi")).await;
        let now = cluster
            .wait(&path("web"), "has its size", has_its_size)
            .await;
        assert_eq!(identity(&now, "main"), id, "it runs on");
        assert_eq!(quota(&node, &id.0), microseconds);
        assert_eq!(quota(&node, &pods), microseconds);
        now
    };
    let now = wait_for("500m", 50_000).await;
    let generation = &now["metadata"]["generation"];
    assert_eq!(now["status"]["observedGeneration"], *generation);
    wait_for("100m", 10_000).await;
    wait_event(&cluster, "web", "ResizeStarted").await;
    let completed = wait_event(&cluster, "web", "ResizeCompleted").await;
    let message = completed["message"].as_str().unwrap_or_default();
    assert!(
        message.starts_with("Pod resize completed: {\"containers\":[{\"name\":\"main\""),
        "{message}"
    );
    let stated = fs::read_to_string(
        node.root()
            .join("var/lib/podling/kubelet/allocated_pods_state"),
    );
    assert!(stated.expect("it is kept").contains("100m"));

    node.kill9();
    node.restart_with(&cluster.joining()).await;
    resize(&cluster, "web", &limited("300m", "64Mi")).await;
    let now = cluster
        .wait(&path("web"), "has its size", has_its_size)
        .await;
    assert_eq!(identity(&now, "main"), id, "it runs on");
    assert_eq!(quota(&node, &id.0), 30_000);
    remove(&cluster, &["web"]).await;
    node.stop().await;
}

#[tokio::test]
async fn a_container_that_wants_to_be_started_anew_for_its_memory_is_and_its_neighbour_is_not() {
    let cluster = Cluster::start().await;
    let node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    let mut pod = sized("web", &image, &limited("200m", "64Mi"));
    pod["spec"]["containers"][0]["resizePolicy"] =
        json!([{ "resourceName": "memory", "restartPolicy": "RestartContainer" }]);
    let mut side = pod["spec"]["containers"][0].clone();
    side["name"] = "side".into();
    let containers = pod["spec"]["containers"].as_array_mut();
    containers.expect("it is a list").push(side);
    cluster.create(PODS, &pod).await;
    let web = cluster.wait(&path("web"), "is ready", is_ready).await;
    let (main, side) = (identity(&web, "main"), identity(&web, "side"));

    resize(&cluster, "web", &limited("200m", "96Mi")).await;
    let now = cluster
        .wait(&path("web"), "is started anew", |pod| {
            has_its_size(pod) && is_ready(pod) && identity(pod, "main").1 == 1
        })
        .await;
    assert_ne!(identity(&now, "main").0, main.0);
    assert_eq!(identity(&now, "side"), side, "it runs on");
    let mebibytes = |number: u64| number << 20;
    assert_eq!(memory(&node, &identity(&now, "main").0), mebibytes(96));
    assert_eq!(memory(&node, &side.0), mebibytes(64));
    assert_eq!(memory(&node, &cgroup_of(&now)), mebibytes(160));
    remove(&cluster, &["web"]).await;
    node.stop().await;
}

#[tokio::test]
async fn memory_grows_and_shrinks_while_a_container_runs_and_not_below_what_it_uses() {
    let cluster = Cluster::start().await;
    let node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    let mut pod = sized("web", &image, &limited("200m", "64Mi"));
    // What is in its own memory counts.
    let script = format!("dd if=/dev/zero of=/dev/shm/used bs=1M count=24; {SCRIPT}");
    pod["spec"]["containers"][0]["args"] = json!(["sh", "-c", script]);
    cluster.create(PODS, &pod).await;
    let web = cluster.wait(&path("web"), "is ready", is_ready).await;
    let id = identity(&web, "main");
    for mebibytes in [128_u64, 96] {
        let size = limited("200m", &format!("{mebibytes}Mi"));
        resize(&cluster, "web", &size).await;
        let now = cluster
            .wait(&path("web"), "has its size", has_its_size)
            .await;
        assert_eq!(identity(&now, "main"), id, "it runs on");
        assert_eq!(memory(&node, &id.0), mebibytes << 20);
        assert_eq!(memory(&node, &cgroup_of(&now)), mebibytes << 20);
    }
    wait_until(DEADLINE, "the memory is used", || {
        let names = ["memory.usage_in_bytes", "memory.current"];
        number(&node, &id.0, names) > 24 << 20
    })
    .await;
    resize(&cluster, "web", &limited("200m", "20Mi")).await;
    let failed = wait_event(&cluster, "web", "ResizeError").await;
    let message = failed["message"].as_str().unwrap_or_default();
    assert!(
        message.contains("cannot decrease memory limits"),
        "{message}"
    );
    let told = cluster
        .wait(&path("web"), "says so", |pod| {
            let mut all = pod["status"]["conditions"].as_array().into_iter().flatten();
            all.any(|one| one["type"] == "PodResizeInProgress" && one["reason"] == "Error")
        })
        .await;
    let main = &told["status"]["containerStatuses"][0];
    assert_eq!(main["resources"]["limits"]["memory"], "96Mi", "what it has");
    assert_eq!(identity(&told, "main"), id, "it runs on");
    remove(&cluster, &["web"]).await;
    node.stop().await;
}

#[tokio::test]
async fn a_pod_waits_for_room_through_a_restart_and_gets_its_size_when_another_goes() {
    let cluster = Cluster::start().await;
    let mut node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    let known = |node: &Value| !node["status"]["allocatable"]["cpu"].is_null();
    let object = cluster.wait(NODE, "tells what it has", known).await;
    let text = object["status"]["allocatable"]["cpu"]
        .as_str()
        .unwrap_or_default();
    let all = match text.strip_suffix('m') {
        Some(millis) => millis.parse::<u64>().expect("a number"),
        None => text.parse::<u64>().expect("a number") * 1000,
    };
    let (half, most) = (all / 2, all - 100);
    cluster
        .create(PODS, &sized("web", &image, &requests(100)))
        .await;
    cluster
        .create(PODS, &sized("other", &image, &requests(half)))
        .await;
    cluster.wait(&path("other"), "is ready", is_ready).await;
    let web = cluster.wait(&path("web"), "is ready", is_ready).await;
    let id = identity(&web, "main");

    resize(&cluster, "web", &requests(all + 1000)).await;
    let infeasible = |pod: &Value| pending(pod) == Some("Infeasible");
    cluster
        .wait(&path("web"), "is told never", infeasible)
        .await;
    wait_event(&cluster, "web", "ResizeInfeasible").await;

    resize(&cluster, "web", &requests(most)).await;
    let deferred = |pod: &Value| pending(pod) == Some("Deferred");
    cluster
        .wait(&path("web"), "is told to wait", deferred)
        .await;
    wait_event(&cluster, "web", "ResizeDeferred").await;

    node.kill9();
    node.restart_with(&cluster.joining()).await;
    // What another asks for is there, and has to be seen by this kubelet first.
    cluster
        .create(PODS, &sized("third", &image, &requests(50)))
        .await;
    cluster.wait(&path("third"), "is ready", is_ready).await;
    let web = cluster.wait(&path("web"), "still waits", deferred).await;
    let main = &web["status"]["containerStatuses"][0];
    assert_eq!(main["allocatedResources"]["cpu"], "100m");
    assert_eq!(main["resources"]["requests"]["cpu"], "100m");

    remove(&cluster, &["third", "other"]).await;
    let web = cluster
        .wait(&path("web"), "has its size", has_its_size)
        .await;
    assert_eq!(identity(&web, "main"), id, "it runs on");
    remove(&cluster, &["web"]).await;
    node.stop().await;
}
