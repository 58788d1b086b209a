//! The kubelet's metrics, under the names that dashboards of Kubernetes know.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

type Operation = [(&'static str, &'static str); 1];
type Operations = Family<Operation, Counter>;
type Latencies = Family<Operation, Histogram, fn() -> Histogram>;

/// The metrics of one kubelet; a clone counts into the same ones.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    operations: Operations,
    operation_errors: Operations,
    operation_latencies: Latencies,
    relist_latency: Histogram,
    last_relist: Gauge,
    running_pods: Gauge,
    running_containers: Family<Operation, Gauge>,
}

impl Metrics {
    /// Metrics of this node, all at zero.
    pub fn new(node_name: &str) -> Self {
        let latencies: fn() -> Histogram = latency;
        let mut metrics = Self {
            registry: Arc::default(),
            operations: Family::default(),
            operation_errors: Family::default(),
            operation_latencies: Family::new_with_constructor(latencies),
            relist_latency: latency(),
            last_relist: Gauge::default(),
            running_pods: Gauge::default(),
            running_containers: Family::default(),
        };
        metrics.registry = Arc::new(metrics.register(node_name));
        metrics
    }

    /// A call to the runtime was answered.
    pub fn operation(&self, call: &'static str, took: Duration, failed: bool) {
        let labels = [("operation_type", operation_type(call))];
        self.operations.get_or_create(&labels).inc();
        self.operation_latencies
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
        if failed {
            self.operation_errors.get_or_create(&labels).inc();
        }
    }

    /// Everything in the runtime was listed.
    pub fn relisted(&self, took: Duration) {
        self.relist_latency.observe(took.as_secs_f64());
        self.last_relist.set(jiff::Timestamp::now().as_second());
    }

    /// So many pods have a sandbox, and so many containers are in each state.
    pub fn running(&self, pods: usize, containers: &HashMap<&'static str, usize>) {
        self.running_pods.set(count(pods));
        for (state, number) in containers {
            self.running_containers
                .get_or_create(&[("container_state", state)])
                .set(count(*number));
        }
    }

    /// The text that Prometheus scrapes.
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a String takes every write");
        text
    }

    fn register(&self, node_name: &str) -> Registry {
        let mut registry = Registry::with_prefix("kubelet");
        let node: Family<[(&'static str, String); 1], Gauge> = Family::default();
        node.get_or_create(&[("node", node_name.to_owned())]).set(1);
        registry.register("node_name", "The node's name", node);
        registry.register(
            "running_pods",
            "Pods that have a ready sandbox",
            self.running_pods.clone(),
        );
        registry.register(
            "running_containers",
            "Containers by state",
            self.running_containers.clone(),
        );
        registry.register(
            "runtime_operations",
            "Calls to the runtime",
            self.operations.clone(),
        );
        registry.register(
            "runtime_operations_errors",
            "Calls to the runtime that failed",
            self.operation_errors.clone(),
        );
        registry.register_with_unit(
            "runtime_operations_duration",
            "How long calls to the runtime took",
            Unit::Seconds,
            self.operation_latencies.clone(),
        );
        registry.register_with_unit(
            "pleg_relist_duration",
            "How long listing everything in the runtime took",
            Unit::Seconds,
            self.relist_latency.clone(),
        );
        registry.register_with_unit(
            "pleg_last_seen",
            "When everything in the runtime was listed last",
            Unit::Seconds,
            self.last_relist.clone(),
        );
        registry
    }
}

fn latency() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.5, 12))
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The words that dashboards know for the calls of CRI.
fn operation_type(call: &'static str) -> &'static str {
    match call {
        "RunPodSandbox" => "run_podsandbox",
        "StopPodSandbox" => "stop_podsandbox",
        "RemovePodSandbox" => "remove_podsandbox",
        "PodSandboxStatus" => "podsandbox_status",
        "ListPodSandbox" => "list_podsandbox",
        "CreateContainer" => "create_container",
        "StartContainer" => "start_container",
        "StopContainer" => "stop_container",
        "RemoveContainer" => "remove_container",
        "ContainerStatus" => "container_status",
        "ListContainers" => "list_containers",
        "ExecSync" => "exec_sync",
        "ReopenContainerLog" => "reopen_container_log",
        "ImageStatus" => "image_status",
        "PullImage" => "pull_image",
        "Version" => "version",
        "Status" => "status",
        other => other,
    }
}
