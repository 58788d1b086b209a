//! What a node measures of its pods, as scrapers read it, and whom it has the kernel end first.

use std::collections::BTreeSet;
use std::fs;

use podling_integration::harness::{DEADLINE, Node, wait_until};
use serde_json::{Value, json};

use crate::{is_running, pod, said, shell};

fn page(node: &Node, path: &str) -> String {
    let answer = node.kubelet(path).map(|answer| answer.text());
    answer.unwrap_or_default()
}

/// The samples of a page whose family nobody has described.
fn undescribed(page: &str) -> Vec<&str> {
    let types: BTreeSet<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let name = |line: &'_ str| line.split(['{', ' ']).next().unwrap_or_default().to_owned();
    let is_described = |line: &str| {
        let name = name(line);
        let endings = ["", "_bucket", "_sum", "_count", "_total"];
        endings
            .iter()
            .any(|ending| types.contains(name.strip_suffix(ending).unwrap_or("?")))
    };
    let samples = page
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    samples.filter(|line| !is_described(line)).collect()
}

#[tokio::test]
async fn scrapers_find_the_families_and_labels_that_they_know() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let mut spec = shell(&image, "sleep 1000");
    spec["containers"][0]["livenessProbe"] =
        json!({ "exec": { "command": ["true"] }, "periodSeconds": 1 });
    node.manifest("web.yaml", &pod("web", spec));
    node.wait_pod("web", "runs", is_running).await;
    let rows: [(&str, &[&str]); 4] = [
        (
            "/metrics",
            &[
                "kubelet_running_pods 1",
                "kubelet_running_containers{container_state=\"running\"} 1",
                "kubelet_node_name{node=\"node\"} 1",
                "kubelet_runtime_operations_total{operation_type=\"create_container\"} 1",
                "kubelet_pod_start_duration_seconds_count",
                "kubelet_pleg_relist_duration_seconds_count",
            ],
        ),
        (
            "/metrics/cadvisor",
            &[
                "container_cpu_usage_seconds_total{",
                "container_memory_working_set_bytes{",
                "container=\"main\",namespace=\"default\",pod=\"web-node\"",
                "container_network_receive_bytes_total{",
                "machine_cpu_cores",
            ],
        ),
        (
            "/metrics/resource",
            &[
                "node_cpu_usage_seconds_total ",
                "container_memory_working_set_bytes{container=\"main\",namespace=\"default\",pod=\"web-node\"}",
                "pod_cpu_usage_seconds_total{namespace=\"default\",pod=\"web-node\"}",
                "resource_scrape_error 0",
            ],
        ),
        (
            "/metrics/probes",
            &[
                "prober_probe_total{",
                "container=\"main\"",
                "result=\"successful\"",
            ],
        ),
    ];
    for (path, words) in rows {
        let has_all = || {
            let page = page(&node, path);
            words.iter().all(|words| page.contains(words))
        };
        wait_until(DEADLINE, &format!("{path} has {words:?}"), has_all).await;
        let page = page(&node, path);
        assert_eq!(undescribed(&page), Vec::<&str>::new(), "{path}");
    }
    node.stop().await;
}

#[tokio::test]
async fn the_kernel_is_told_whom_to_end_first() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let answer = node.kubelet("/node").expect("an answer");
    let object: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let memory = object["status"]["capacity"]["memory"].as_str();
    let memory = memory.and_then(|text| text.strip_suffix("Ki")?.parse().ok());
    let memory: u64 = memory.expect("a machine has memory");
    let script = "sleep 1000";
    let with = |resources: Value| {
        let mut spec = shell(&image, script);
        spec["containers"][0]["resources"] = resources;
        spec
    };
    let quarter = format!("{}Ki", memory / 4);
    let whole = json!({ "cpu": "10m", "memory": "16Mi" });
    let pods = [
        ("nothing", with(json!({}))),
        (
            "quarter",
            with(json!({ "requests": { "memory": quarter } })),
        ),
        ("whole", with(json!({ "requests": whole, "limits": whole }))),
    ];
    let mut scores = Vec::new();
    for (name, spec) in pods {
        node.manifest(&format!("{name}.yaml"), &pod(name, spec));
        node.wait_pod(name, "runs", is_running).await;
        let score = said(&node, name, "main", "cat /proc/1/oom_score_adj");
        let score: i32 = score.trim().parse().expect("a number");
        scores.push(score);
    }
    // Who may not go lower than it is itself goes as low as that.
    let own = fs::read_to_string("/proc/self/oom_score_adj").expect("it is there");
    let own: i32 = own.trim().parse().expect("a number");
    assert_eq!(scores[..2], [1000, 750]);
    assert!([-997, own].contains(&scores[2]), "{scores:?}");
    node.stop().await;
}
