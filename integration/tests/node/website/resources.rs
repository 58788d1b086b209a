//! qos-pod and those numbered after it, cpu-request-limit, memory-request-limit, pod-level-resources.

use podling_integration::harness::Pod;
use serde_json::{Value, json};

use super::{Site, example};

/// A pod of containers that sleep, with these resources.
fn sleepers(name: &str, resources: &[Value]) -> Value {
    let containers: Vec<_> = resources
        .iter()
        .enumerate()
        .map(|(index, resources)| {
            json!({
                "name": format!("{name}-ctr-{}", index + 1), "image": "busybox",
                "command": ["sleep", "3600"], "resources": resources,
            })
        })
        .collect();
    example(name, json!({ "containers": containers }))
}

#[tokio::test]
async fn website_pods_are_of_the_class_that_their_resources_make() {
    let site = Site::start(&["busybox"]).await;
    let guaranteed = json!({
        "limits": { "memory": "200Mi", "cpu": "100m" }, "requests": { "memory": "200Mi", "cpu": "100m" },
    });
    let burstable = json!({ "limits": { "memory": "200Mi" }, "requests": { "memory": "100Mi" } });
    let requested = json!({ "requests": { "memory": "200Mi" } });
    let rows = [
        ("qos-demo", vec![guaranteed], "Guaranteed"),
        ("qos-demo-2", vec![burstable], "Burstable"),
        ("qos-demo-3", vec![json!({})], "BestEffort"),
        ("qos-demo-4", vec![requested, json!({})], "Burstable"),
    ];
    for (name, resources, _) in &rows {
        site.apply(name, &[sleepers(name, resources)]);
    }
    for (name, _, class) in rows {
        let pod = site.ready(name).await;
        assert_eq!(pod.text("/status/qosClass"), class, "{name}");
    }
    site.node.stop().await;
}

#[tokio::test]
async fn website_memory_beyond_the_limit_ends_a_container_and_within_it_does_not() {
    let site = Site::start(&["busybox"]).await;
    let stress = |name: &str, limits: Value, megabytes: u32| {
        let script = format!("dd if=/dev/zero of=/memory/x bs=1M count={megabytes} && sleep 3600");
        let spec = json!({
            "containers": [{
                "name": format!("{name}-ctr"), "image": "busybox", "command": ["sh", "-c", script],
                "resources": limits, "volumeMounts": [{ "name": "memory", "mountPath": "/memory" }],
            }],
            "volumes": [{ "name": "memory", "emptyDir": { "medium": "Memory" } }],
            "terminationGracePeriodSeconds": 1,
        });
        example(name, spec)
    };
    let within = json!({ "requests": { "memory": "30Mi" }, "limits": { "memory": "60Mi" } });
    site.apply("memory-request-limit", &[stress("memory-demo", within, 20)]);
    let beyond = json!({ "requests": { "memory": "10Mi" }, "limits": { "memory": "20Mi" } });
    site.apply(
        "memory-request-limit-2",
        &[stress("memory-demo-2", beyond, 60)],
    );
    site.ready("memory-demo").await;
    let reason = |pod: &Pod| {
        let status = &pod.0["status"]["containerStatuses"][0];
        let now = &status["state"]["terminated"]["reason"];
        let before = &status["lastState"]["terminated"]["reason"];
        [now, before].iter().any(|reason| **reason == "OOMKilled")
    };
    site.node
        .wait_pod("memory-demo-2", "it was killed for its memory", reason)
        .await;
    site.node.stop().await;
}

/// What a container may use of memory, in bytes, on whichever hierarchy.
const MEMORY_LIMIT: &str =
    "cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes";

#[tokio::test]
async fn website_a_container_without_limits_may_use_what_its_pod_may() {
    let site = Site::start(&["busybox"]).await;
    let list = |cpu: &str, memory: &str| json!({ "cpu": cpu, "memory": memory });
    let mut pod = sleepers(
        "pod-resources-demo",
        &[
            json!({ "limits": list("0.1", "100Mi"), "requests": list("0.1", "50Mi") }),
            json!({}),
        ],
    );
    pod["spec"]["resources"] =
        json!({ "limits": list("0.2", "200Mi"), "requests": list("0.2", "100Mi") });
    site.apply("pod-level-resources", &[pod]);
    let pod = site.ready("pod-resources-demo").await;
    let limit = |container: &str| site.shell("pod-resources-demo", container, MEMORY_LIMIT);
    let mebibytes = |count: u64| format!("{}\n", count << 20);
    assert_eq!(limit("pod-resources-demo-ctr-1"), mebibytes(100));
    assert_eq!(limit("pod-resources-demo-ctr-2"), mebibytes(200));
    assert_eq!(pod.text("/status/qosClass"), "Burstable");
    assert_eq!(pod.text("/status/resources/limits/memory"), "200Mi");
    assert_eq!(pod.text("/status/allocatedResources/cpu"), "200m");
    site.node.stop().await;
}

#[tokio::test]
async fn website_containers_together_get_no_more_than_their_pod_may() {
    let site = Site::start(&["busybox"]).await;
    let filler = |name: &str| {
        let script = "dd if=/dev/zero of=/memory/$0 bs=1M count=40 && sleep 3600";
        json!({
            "name": name, "image": "busybox", "command": ["sh", "-c", script, name],
            "volumeMounts": [{ "name": "memory", "mountPath": "/memory" }],
        })
    };
    // Each of them alone would have room.
    let spec = json!({
        "resources": { "limits": { "memory": "60Mi" }, "requests": { "memory": "30Mi" } },
        "containers": [filler("one"), filler("two")],
        "volumes": [{ "name": "memory", "emptyDir": { "medium": "Memory", "sizeLimit": "200Mi" } }],
        "terminationGracePeriodSeconds": 1,
    });
    site.apply("pod-level-memory", &[example("memory-demo", spec)]);
    let is_killed = |pod: &Pod| {
        let statuses = pod.0["status"]["containerStatuses"].as_array().cloned();
        statuses.into_iter().flatten().any(|status| {
            ["state", "lastState"]
                .iter()
                .any(|state| status[state]["terminated"]["reason"] == "OOMKilled")
        })
    };
    site.node
        .wait_pod("memory-demo", "one was killed for their memory", is_killed)
        .await;
    site.node.stop().await;
}
