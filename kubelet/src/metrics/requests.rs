//! What is counted of requests to the kubelet's server.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::default_latency;

type Labels = [(&'static str, &'static str); 4];

/// Paths that are counted by name; nobody shall be able to make more series.
const PATHS: &[&str] = &[
    "attach",
    "configz",
    "containerLogs",
    "debug",
    "events",
    "exec",
    "healthz",
    "logs",
    "metrics",
    "metrics/cadvisor",
    "metrics/probes",
    "metrics/resource",
    "node",
    "pods",
    "portForward",
    "run",
    "runningpods",
    "stats",
];

/// Those whose requests may last.
const LONG: &[&str] = &["exec", "attach", "portForward", "debug"];

const METHODS: &[&str] = &[
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
];

const OTHER: &str = "other";

/// Counts requests; a clone counts into the same.
#[derive(Clone)]
pub struct RequestMetrics {
    requests: Family<Labels, Counter>,
    inflight: Family<Labels, Gauge>,
    times: Family<Labels, Histogram, fn() -> Histogram>,
}

impl Default for RequestMetrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            inflight: Family::default(),
            times: Family::new_with_constructor(default_latency),
        }
    }
}

/// Which server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The one that changes nothing.
    ReadOnly,
    /// The one that knows who asks.
    ReadWrite,
}

/// A request that is being answered.
pub(crate) struct Asked {
    metrics: RequestMetrics,
    labels: Labels,
    began: tokio::time::Instant,
}

impl RequestMetrics {
    /// A request has come; it is over when what is returned is dropped.
    pub(crate) fn asked(&self, door: Door, method: &str, path: &str) -> Asked {
        let path = known(PATHS, &first_parts(path));
        let labels = [
            ("method", known(METHODS, method)),
            ("path", path),
            (
                "server_type",
                match door {
                    Door::ReadOnly => "readonly",
                    Door::ReadWrite => "readwrite",
                },
            ),
            (
                "long_running",
                if LONG.contains(&path) {
                    "true"
                } else {
                    "false"
                },
            ),
        ];
        self.requests.get_or_create(&labels).inc();
        self.inflight.get_or_create(&labels).inc();
        Asked {
            metrics: self.clone(),
            labels,
            began: tokio::time::Instant::now(),
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "http_requests",
            "Requests since the server started",
            self.requests.clone(),
        );
        registry.register(
            "http_inflight_requests",
            "Requests that are being answered",
            self.inflight.clone(),
        );
        registry.register_with_unit(
            "http_requests_duration",
            "How long answering requests took",
            Unit::Seconds,
            self.times.clone(),
        );
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.metrics.inflight.get_or_create(&self.labels).dec();
        let took: Duration = self.began.elapsed();
        let times = self.metrics.times.get_or_create(&self.labels);
        times.observe(took.as_secs_f64());
    }
}

/// The first part of a path; of metrics the first two.
fn first_parts(path: &str) -> String {
    let mut parts = path.trim_start_matches('/').split('/');
    let first = parts.next().unwrap_or_default();
    match parts.next() {
        Some(second) if first == "metrics" => format!("{first}/{second}"),
        _ => first.to_owned(),
    }
}

fn known(words: &'static [&'static str], word: &str) -> &'static str {
    let mut words = words.iter();
    words.find(|one| **one == word).copied().unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_are_counted_by_what_they_ask_for_and_by_nothing_that_a_client_makes_up() {
        let metrics = RequestMetrics::default();
        for path in [
            "/exec/default/web/main",
            "/metrics/cadvisor",
            "/metrics/x",
            "/x/y",
        ] {
            drop(metrics.asked(Door::ReadWrite, "GET", path));
        }
        drop(metrics.asked(Door::ReadOnly, "PLAY", "/pods"));
        let mut registry = Registry::with_prefix("kubelet");
        metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "kubelet_http_requests_total{method=\"GET\",path=\"exec\",server_type=\"readwrite\",long_running=\"true\"} 1",
            "kubelet_http_requests_total{method=\"GET\",path=\"other\",server_type=\"readwrite\",long_running=\"false\"} 2",
            "kubelet_http_requests_total{method=\"other\",path=\"pods\",server_type=\"readonly\",long_running=\"false\"} 1",
            "kubelet_http_inflight_requests{method=\"other\",path=\"pods\",server_type=\"readonly\",long_running=\"false\"} 0",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
    }
}
