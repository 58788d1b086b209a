//! How often probes were tried and what came of it: what `/metrics/probes` shows.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::model::{ContainerName, Pod, ProbeKind, Target};
use crate::scraped;

type Totals = Family<[(&'static str, String); 6], Counter>;
type Durations = Family<[(&'static str, String); 4], Histogram, fn() -> Histogram>;

const RESULTS: [&str; 2] = [SUCCESSFUL, FAILED];
const SUCCESSFUL: &str = "successful";
const FAILED: &str = "failed";

/// The metrics of all probes; a clone counts into the same ones.
#[derive(Clone)]
pub struct ProbeMetrics {
    registry: Arc<Registry>,
    totals: Totals,
    durations: Durations,
}

impl Default for ProbeMetrics {
    fn default() -> Self {
        let buckets: fn() -> Histogram = buckets;
        let (totals, durations) = (Totals::default(), Family::new_with_constructor(buckets));
        let mut registry = Registry::with_prefix("prober");
        registry.register(
            "probe",
            "Cumulative number of a liveness, readiness or startup probe for a container by result",
            totals.clone(),
        );
        registry.register_with_unit(
            "probe_duration",
            "How long a probe took until it was answered well",
            Unit::Seconds,
            durations.clone(),
        );
        Self {
            registry: Arc::new(registry),
            totals,
            durations,
        }
    }
}

impl ProbeMetrics {
    /// The text that Prometheus scrapes.
    pub fn text(&self) -> String {
        scraped::text(&[&self.registry])
    }

    pub(crate) fn succeeded(&self, target: &Target<'_>, kind: ProbeKind, took: Duration) {
        let name = &target.container.name;
        self.totals
            .get_or_create(&total(target.pod, name, kind, SUCCESSFUL))
            .inc();
        self.durations
            .get_or_create(&duration(target.pod, name, kind))
            .observe(took.as_secs_f64());
    }

    pub(crate) fn failed(&self, target: &Target<'_>, kind: ProbeKind) {
        self.totals
            .get_or_create(&total(target.pod, &target.container.name, kind, FAILED))
            .inc();
    }

    /// A probe has ended for good: nothing is told of it any more.
    pub(crate) fn forget(&self, pod: &Pod, container: &ContainerName, kind: ProbeKind) {
        for result in RESULTS {
            self.totals.remove(&total(pod, container, kind, result));
        }
        self.durations.remove(&duration(pod, container, kind));
    }
}

fn total(
    pod: &Pod,
    container: &ContainerName,
    kind: ProbeKind,
    result: &str,
) -> [(&'static str, String); 6] {
    [
        ("probe_type", kind.as_str().to_owned()),
        ("result", result.to_owned()),
        ("container", container.to_string()),
        ("pod", pod.name.name.to_string()),
        ("namespace", pod.name.namespace.to_string()),
        ("pod_uid", pod.uid.to_string()),
    ]
}

fn duration(pod: &Pod, container: &ContainerName, kind: ProbeKind) -> [(&'static str, String); 4] {
    [
        ("probe_type", kind.as_str().to_owned()),
        ("container", container.to_string()),
        ("pod", pod.name.name.to_string()),
        ("namespace", pod.name.namespace.to_string()),
    ]
}

/// The buckets that Prometheus' own clients have.
fn buckets() -> Histogram {
    Histogram::new([
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ])
}
