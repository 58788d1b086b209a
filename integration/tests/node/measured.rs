//! What clients of the CRI can learn about pods, and change about them while they run.

use podling_integration::harness::requests::{self, Running};
use podling_integration::harness::{Cri, DEADLINE, Node, wait_for};
use podling_proto::runtime::v1 as cri;
use tonic::{Code, Response, Status, Streaming};

const MIB: i64 = 1 << 20;

/// Every message of a stream that ends.
async fn all<T>(answer: Result<Response<Streaming<T>>, Status>) -> Vec<T> {
    let mut stream = answer.expect("a stream").into_inner();
    let mut messages = Vec::new();
    while let Some(message) = stream.message().await.expect("a message") {
        messages.push(message);
    }
    messages
}

/// A pod that burns a little time and then sleeps.
async fn pod(node: &Node, name: &str) -> (Cri, Running) {
    let image = node.import_debian("busybox").await;
    let parent = format!("{}/pod-{name}", node.range().cgroup());
    let script = "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; echo x > /written; sleep 1000";
    let mut container = requests::container(&image, &["sh", "-c", script]);
    container.labels.insert("app".to_owned(), name.to_owned());
    if let Some(linux) = &mut container.linux {
        linux.resources = Some(limits(64, 512));
    }
    let cri = node.cri().await;
    let running = requests::run_pod(&cri, requests::sandbox(name, &parent), container).await;
    (cri, running.expect("the pod runs"))
}

fn limits(mebibytes: i64, shares: i64) -> cri::LinuxContainerResources {
    cri::LinuxContainerResources {
        memory_limit_in_bytes: mebibytes * MIB,
        cpu_shares: shares,
        ..Default::default()
    }
}

async fn stats(cri: &Cri, id: &str) -> cri::ContainerStats {
    let request = cri::ContainerStatsRequest {
        container_id: id.to_owned(),
    };
    let answer = cri.runtime.clone().container_stats(request).await;
    answer
        .expect("there are statistics")
        .into_inner()
        .stats
        .expect("of the container")
}

#[tokio::test]
async fn a_pod_is_measured_whole_and_by_container() {
    let node = Node::start().await;
    let (cri, pod) = pod(&node, "measured").await;
    let used = |stats: &cri::ContainerStats| stats.cpu?.usage_core_nano_seconds.map(|n| n.value);
    let stats = wait_for(
        DEADLINE,
        "the container has used time and written",
        async || {
            let stats = stats(&cri, &pod.container).await;
            let has_written = stats.writable_layer.as_ref()?.inodes_used?.value > 0;
            (has_written && used(&stats)? > 0).then_some(stats)
        },
    )
    .await;
    assert_eq!(
        stats.attributes.expect("attributes").labels["app"],
        "measured"
    );
    let memory = stats.memory.expect("memory");
    let available = memory.available_bytes.expect("there is a limit").value;
    let working_set = memory.working_set_bytes.expect("a working set").value;
    assert_eq!(available + working_set, (64 * MIB).cast_unsigned());

    let request = cri::ListPodSandboxStatsRequest {
        filter: Some(cri::PodSandboxStatsFilter {
            id: pod.sandbox[..13].to_owned(),
            ..Default::default()
        }),
    };
    let answer = cri.runtime.clone().list_pod_sandbox_stats(request).await;
    let whole = answer.expect("there are statistics").into_inner().stats;
    assert_eq!(whole.len(), 1);
    let linux = whole[0].linux.clone().expect("it is Linux");
    assert_eq!(linux.containers.len(), 1);
    let network = linux.network.and_then(|network| network.default_interface);
    assert_eq!(network.expect("the pod has an interface").name, "eth0");
    // Pause and the container, counted in the pod's cgroup.
    let processes = linux.process.and_then(|process| process.process_count);
    assert!(processes.expect("processes are counted").value >= 2);
    requests::remove_pod(&cri, &pod.sandbox)
        .await
        .expect("the pod goes");
    node.stop().await;
}

#[tokio::test]
async fn every_metric_that_is_told_was_described() {
    let node = Node::start().await;
    let (cri, pod) = pod(&node, "metrics").await;
    let mut runtime = cri.runtime.clone();
    let answer = runtime
        .list_metric_descriptors(cri::ListMetricDescriptorsRequest {})
        .await;
    let descriptors = answer
        .expect("metrics are described")
        .into_inner()
        .descriptors;
    let answer = runtime
        .list_pod_sandbox_metrics(cri::ListPodSandboxMetricsRequest {})
        .await;
    let pods = answer.expect("metrics are told").into_inner().pod_metrics;
    let told = pods
        .iter()
        .find(|told| told.pod_sandbox_id == pod.sandbox)
        .expect("of the pod");
    let all = told
        .metrics
        .iter()
        .chain(&told.container_metrics[0].metrics);
    for metric in all.clone() {
        let described = descriptors.iter().find(|one| one.name == metric.name);
        let keys = described.expect("it was described").label_keys.len();
        assert_eq!(metric.label_values.len(), keys, "{}", metric.name);
    }
    let always = [
        "container_cpu_usage_seconds_total",
        "container_memory_working_set_bytes",
        "container_network_receive_bytes_total",
        "container_fs_usage_bytes",
        "container_oom_events_total",
        "container_processes",
        "container_sockets",
        "container_threads",
        "container_file_descriptors",
        "container_start_time_seconds",
    ];
    for name in always {
        assert!(all.clone().any(|metric| metric.name == name), "{name}");
    }
    requests::remove_pod(&cri, &pod.sandbox)
        .await
        .expect("the pod goes");
    node.stop().await;
}

#[tokio::test]
async fn lists_come_as_streams_too() {
    let node = Node::start().await;
    let (cri, pod) = pod(&node, "streamed").await;
    let (mut runtime, mut images) = (cri.runtime.clone(), cri.images.clone());
    let containers = all(runtime
        .stream_containers(cri::StreamContainersRequest::default())
        .await)
    .await;
    assert_eq!(containers.len(), 1, "one message, and the stream ends");
    assert_eq!(containers[0].containers[0].id, pod.container);
    let sandboxes = all(runtime
        .stream_pod_sandboxes(cri::StreamPodSandboxesRequest::default())
        .await)
    .await;
    assert_eq!(sandboxes[0].pod_sandboxes[0].id, pod.sandbox);
    let stats = all(runtime
        .stream_container_stats(cri::StreamContainerStatsRequest::default())
        .await)
    .await;
    assert!(stats[0].container_stats[0].memory.is_some());
    let stats = all(runtime
        .stream_pod_sandbox_stats(cri::StreamPodSandboxStatsRequest::default())
        .await)
    .await;
    assert_eq!(stats[0].pod_sandbox_stats.len(), 1);
    let metrics = all(runtime
        .stream_pod_sandbox_metrics(cri::StreamPodSandboxMetricsRequest::default())
        .await)
    .await;
    assert_eq!(metrics[0].pod_sandbox_metrics.len(), 1);
    let images = all(images
        .stream_images(cri::StreamImagesRequest::default())
        .await)
    .await;
    assert_eq!(images[0].images.len(), 1);
    requests::remove_pod(&cri, &pod.sandbox)
        .await
        .expect("the pod goes");
    node.stop().await;
}

#[tokio::test]
async fn limits_change_while_a_container_runs_and_stay_changed_after_a_restart() {
    let mut node = Node::start().await;
    let (cri, pod) = pod(&node, "resized").await;
    let update = async |cri: &Cri, mebibytes: i64| {
        let request = cri::UpdateContainerResourcesRequest {
            container_id: pod.container.clone(),
            linux: Some(limits(mebibytes, 0)),
            ..Default::default()
        };
        cri.runtime
            .clone()
            .update_container_resources(request)
            .await
    };
    update(&cri, 128).await.expect("it is raised");
    update(&cri, 96).await.expect("it is lowered");
    update(&cri, 0).await.expect("nothing is asked for");
    let refused = update(&cri, -7).await.expect_err("no such limit");
    assert_eq!(refused.code(), Code::InvalidArgument);
    node.kill9();
    node.restart().await;
    let cri = node.cri().await;
    let request = cri::ContainerStatusRequest {
        container_id: pod.container.clone(),
        verbose: true,
    };
    let answer = cri.runtime.clone().container_status(request).await;
    let answer = answer.expect("a status").into_inner();
    let resources = answer.status.and_then(|status| status.resources?.linux);
    let resources = resources.expect("resources");
    assert_eq!(resources.memory_limit_in_bytes, 96 * MIB);
    assert_eq!(resources.cpu_shares, 512, "nobody asked to change it");
    let info: serde_json::Value = serde_json::from_str(&answer.info["info"]).expect("JSON");
    assert_eq!(
        info["runtimeSpec"]["linux"]["resources"]["memory"]["limit"],
        96 * MIB
    );
    let memory = stats(&cri, &pod.container).await.memory.expect("memory");
    let limit = memory.available_bytes.expect("a limit").value
        + memory.working_set_bytes.expect("a working set").value;
    assert_eq!(limit, (96 * MIB).cast_unsigned());
    requests::remove_pod(&cri, &pod.sandbox)
        .await
        .expect("the pod goes");
    node.stop().await;
}
