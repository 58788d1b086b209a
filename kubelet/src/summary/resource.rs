//! `/metrics/resource`: what autoscalers and `top` ask for. Names and labels are upstream's: pure.
#![deny(clippy::disallowed_methods)]

use jiff::Timestamp;

use super::exposition::{Exposition, Kind};
use super::shape::{CpuStats, MemoryStats, PodStats, Summary, SwapStats};

/// A number at a time.
type Sample = (f64, Timestamp);

/// The text; without a summary only that there was an error.
pub(super) fn text(summary: Option<&Summary>) -> String {
    let mut text = Exposition::default();
    if let Some(summary) = summary {
        node(&mut text, summary);
        containers(&mut text, &summary.pods);
        pods(&mut text, &summary.pods);
    }
    for (name, help) in [
        (
            "resource_scrape_error",
            "1 if there was an error while getting resource metrics, 0 otherwise",
        ),
        (
            "scrape_error",
            "1 if there was an error while getting container metrics, 0 otherwise",
        ),
    ] {
        text.family(name, help, Kind::Gauge);
        text.sample(name, &[], u8::from(summary.is_none()), None);
    }
    text.text()
}

fn node(text: &mut Exposition, summary: &Summary) {
    let node = &summary.node;
    let families = [
        (
            "node_cpu_usage_seconds_total",
            "Processor time of the node, in seconds of a core",
            Kind::Counter,
            cpu(node.cpu.as_ref()),
        ),
        (
            "node_memory_working_set_bytes",
            "Working set of the node, in bytes",
            Kind::Gauge,
            working_set(node.memory.as_ref()),
        ),
        (
            "node_swap_usage_bytes",
            "Swap that the node uses, in bytes",
            Kind::Gauge,
            swap(node.swap.as_ref()),
        ),
    ];
    for (name, help, kind, sample) in families {
        if let Some((value, at)) = sample {
            text.family(name, help, kind);
            text.sample(name, &[], value, Some(at));
        }
    }
}

fn containers(text: &mut Exposition, pods: &[PodStats]) {
    type Of = fn(&super::shape::ContainerStats) -> Option<Sample>;
    let families: [(&str, &str, Kind, Of); 4] = [
        (
            "container_cpu_usage_seconds_total",
            "Processor time of the container, in seconds of a core",
            Kind::Counter,
            |one| cpu(one.cpu.as_ref()),
        ),
        (
            "container_memory_working_set_bytes",
            "Working set of the container, in bytes",
            Kind::Gauge,
            |one| working_set(one.memory.as_ref()),
        ),
        (
            "container_swap_usage_bytes",
            "Swap that the container uses, in bytes",
            Kind::Gauge,
            |one| swap(one.swap.as_ref()),
        ),
        (
            "container_swap_limit_bytes",
            "Swap that the container may use, in bytes",
            Kind::Gauge,
            |one| swap_limit(one.swap.as_ref()),
        ),
    ];
    for (name, help, kind, of) in families {
        text.family(name, help, kind);
        for (pod, container) in each(pods) {
            if let Some((value, at)) = of(container) {
                text.sample(name, &labels(pod, &container.name), value, Some(at));
            }
        }
    }
    let name = "container_start_time_seconds";
    text.family(
        name,
        "When the container was started, in seconds since 1970",
        Kind::Gauge,
    );
    for (pod, container) in each(pods) {
        let seconds = container.start_time.as_nanosecond() as f64 / 1e9;
        text.sample(name, &labels(pod, &container.name), seconds, None);
    }
}

fn each(pods: &[PodStats]) -> impl Iterator<Item = (&PodStats, &super::shape::ContainerStats)> {
    pods.iter()
        .flat_map(|pod| pod.containers.iter().map(move |container| (pod, container)))
}

fn labels<'a>(pod: &'a PodStats, container: &'a str) -> [(&'static str, &'a str); 3] {
    [
        ("container", container),
        ("namespace", &pod.pod_ref.namespace),
        ("pod", &pod.pod_ref.name),
    ]
}

fn pods(text: &mut Exposition, pods: &[PodStats]) {
    type Of = fn(&PodStats) -> Option<Sample>;
    let families: [(&str, &str, Kind, Of); 3] = [
        (
            "pod_cpu_usage_seconds_total",
            "Processor time of the pod, in seconds of a core",
            Kind::Counter,
            |one| cpu(one.cpu.as_ref()),
        ),
        (
            "pod_memory_working_set_bytes",
            "Working set of the pod, in bytes",
            Kind::Gauge,
            |one| working_set(one.memory.as_ref()),
        ),
        (
            "pod_swap_usage_bytes",
            "Swap that the pod uses, in bytes",
            Kind::Gauge,
            |one| swap(one.swap.as_ref()),
        ),
    ];
    for (name, help, kind, of) in families {
        text.family(name, help, kind);
        for pod in pods {
            let labels = [
                ("namespace", pod.pod_ref.namespace.as_str()),
                ("pod", pod.pod_ref.name.as_str()),
            ];
            if let Some((value, at)) = of(pod) {
                text.sample(name, &labels, value, Some(at));
            }
        }
    }
}

fn cpu(stats: Option<&CpuStats>) -> Option<Sample> {
    let stats = stats?;
    Some((stats.usage_core_nano_seconds? as f64 / 1e9, stats.time))
}

fn working_set(stats: Option<&MemoryStats>) -> Option<Sample> {
    let stats = stats?;
    Some((stats.working_set_bytes? as f64, stats.time))
}

fn swap(stats: Option<&SwapStats>) -> Option<Sample> {
    let stats = stats?;
    Some((stats.swap_usage_bytes? as f64, stats.time))
}

fn swap_limit(stats: Option<&SwapStats>) -> Option<Sample> {
    let stats = stats?;
    let limit = stats.swap_available_bytes? + stats.swap_usage_bytes.unwrap_or_default();
    Some((limit as f64, stats.time))
}
