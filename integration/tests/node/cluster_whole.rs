//! Pods of a cluster that ask for CPU and memory as a whole, and get another size while they run.

use podling_integration::harness::{Cluster, Pod};
use serde_json::{Value, json};

use crate::cluster::{PODS, is_ready, join, path, placed};
use crate::resizing::{memory, quota};
use crate::shell;

const MIB: u64 = 1 << 20;

fn whole(cpu: &str, memory: &str) -> Value {
    json!({
        "requests": { "cpu": "50m", "memory": "32Mi" },
        "limits": { "cpu": cpu, "memory": memory },
    })
}

async fn resize(cluster: &Cluster, resources: &Value) -> Value {
    let change = json!({ "spec": { "resources": resources } });
    cluster
        .merge(&format!("{}/resize", path("web")), &change)
        .await
}

/// Whether the pod has what it asks for as a whole, and nothing is told of a resize any more.
fn has_its_size(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    let tells = |one: &Value| {
        let kind = one["type"].as_str();
        kind.is_some_and(|kind| kind.starts_with("PodResize"))
    };
    object["status"]["resources"] == object["spec"]["resources"]
        && object["status"]["allocatedResources"] == object["spec"]["resources"]["requests"]
        && !conditions.any(tells)
}

#[tokio::test]
async fn a_pod_gets_more_and_less_as_a_whole_while_it_runs_and_a_new_kubelet_leaves_it_so() {
    let cluster = Cluster::breakable();
    let mut node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    let script = "trap 'exit 0' TERM; while true; do sleep 0.1; done";
    let mut spec = shell(&image, script);
    spec["resources"] = whole("200m", "64Mi");
    cluster.create(PODS, &placed("web", spec)).await;
    let before = cluster.wait(&path("web"), "is ready", is_ready).await;
    assert!(has_its_size(&before), "{before:#}");
    let ids = |object: &Value| {
        let pod = Pod(object.clone());
        let main = pod.main().expect("it has a container");
        let id = main.id().rsplit('/').next().unwrap_or_default().to_owned();
        (format!("pod{}", pod.uid()), id, main.restarts())
    };
    let (pod, main, restarts) = ids(&before);
    assert_eq!(memory(&node, &pod), 64 * MIB);
    assert_eq!(
        memory(&node, &main),
        64 * MIB,
        "it may use all of its pod's"
    );

    // The container has no limits of its own: those of its pod are for it, too.
    let sent = resize(&cluster, &whole("400m", "96Mi")).await;
    assert_eq!(sent["metadata"]["generation"], 2);
    let larger =
        |object: &Value| has_its_size(object) && object["status"]["observedGeneration"] == 2;
    let after = cluster.wait(&path("web"), "is larger", larger).await;
    assert_eq!(ids(&after), (pod.clone(), main.clone(), restarts));
    for cgroup in [&pod, &main] {
        assert_eq!(memory(&node, cgroup), 96 * MIB);
        assert_eq!(quota(&node, cgroup), 40_000);
    }
    let told = |list: &Value| {
        let events = list["items"].as_array();
        let mut events = events.into_iter().flatten();
        events.any(|event| event["reason"] == "ResizeCompleted")
    };
    let events = "/api/v1/namespaces/default/events";
    cluster.wait(events, "tell of the resize", told).await;

    node.kill9();
    node.restart_with(&cluster.joining()).await;
    resize(&cluster, &whole("300m", "80Mi")).await;
    let smaller =
        |object: &Value| has_its_size(object) && object["status"]["observedGeneration"] == 3;
    let after = cluster.wait(&path("web"), "is smaller", smaller).await;
    assert_eq!(ids(&after), (pod.clone(), main.clone(), restarts));
    for cgroup in [&pod, &main] {
        assert_eq!(memory(&node, cgroup), 80 * MIB);
        assert_eq!(quota(&node, cgroup), 30_000);
    }

    // More than the node has is told, and changes nothing.
    let huge = json!({
        "requests": { "cpu": "50m", "memory": "900Ti" },
        "limits": { "cpu": "300m", "memory": "900Ti" },
    });
    resize(&cluster, &huge).await;
    let pending = |object: &Value| {
        let conditions = object["status"]["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        conditions.any(|one| one["type"] == "PodResizePending" && one["reason"] == "Infeasible")
    };
    cluster
        .wait(&path("web"), "cannot be that large", pending)
        .await;
    assert_eq!(memory(&node, &pod), 80 * MIB);
    cluster.delete(&path("web"), Some(1)).await;
    cluster.wait_gone(&path("web")).await;
    node.stop().await;
}
