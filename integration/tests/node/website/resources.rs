//! qos-pod and those numbered after it, cpu-request-limit, memory-request-limit.

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
