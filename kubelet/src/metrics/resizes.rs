//! What is counted of containers that get another size while they run.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::count;
use crate::allocation::{Asked, Trigger};

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Upper bounds in milliseconds.
const DURATIONS: [f64; 14] = [
    10.0, 50.0, 100.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0, 20_000.0, 30_000.0, 60_000.0,
    120_000.0, 300_000.0, 600_000.0,
];

/// Counts resizes; a clone counts into the same.
#[derive(Clone)]
pub struct ResizeMetrics {
    asked: Family<Labels<3>, Counter>,
    durations: Family<Labels<1>, Histogram, fn() -> Histogram>,
    pending: Family<Labels<1>, Gauge>,
    infeasible: Family<Labels<1>, Counter>,
    in_progress: Gauge,
    accepted: Family<Labels<1>, Counter>,
}

impl Default for ResizeMetrics {
    fn default() -> Self {
        Self {
            asked: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            pending: Family::default(),
            infeasible: Family::default(),
            in_progress: Gauge::default(),
            accepted: Family::default(),
        }
    }
}

/// A pod that is counted as being resized until this is dropped.
pub(crate) struct Resizing(Gauge);

impl Drop for Resizing {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl ResizeMetrics {
    /// More or less of something is asked for a container.
    pub(crate) fn asked(&self, asked: &Asked) {
        let labels = [
            ("resource", asked.resource),
            ("requirement", asked.requirement),
            ("operation", asked.operation),
        ];
        self.asked.get_or_create(&labels).inc();
    }

    /// Containers of a pod were given other sizes, or not.
    pub(crate) fn carried_out<E>(&self, took: Duration, done: &Result<(), E>) {
        let success = if done.is_ok() { "true" } else { "false" };
        let durations = self.durations.get_or_create(&[("success", success)]);
        durations.observe(took.as_secs_f64() * 1000.0);
    }

    /// So many wishes may be granted later, and so many never.
    pub(crate) fn are_pending(&self, (deferred, infeasible): (usize, usize)) {
        for (reason, number) in [("deferred", deferred), ("infeasible", infeasible)] {
            let labels = [("reason", reason)];
            self.pending.get_or_create(&labels).set(count(number));
        }
    }

    /// A wish can never be granted here.
    pub(crate) fn infeasible(&self, detail: &'static str) {
        let labels = [("reason_detail", detail)];
        self.infeasible.get_or_create(&labels).inc();
    }

    /// A wish that had to wait was granted.
    pub(crate) fn accepted(&self, trigger: Trigger) {
        let labels = [("retry_trigger", trigger.as_str())];
        self.accepted.get_or_create(&labels).inc();
    }

    /// A pod is being resized.
    pub(crate) fn resizing(&self) -> Resizing {
        self.in_progress.inc();
        Resizing(self.in_progress.clone())
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "container_requested_resizes",
            "Changes of what is asked for containers that run, by resource, requirement and operation",
            self.asked.clone(),
        );
        registry.register(
            "pod_resize_duration_milliseconds",
            "How long it took to give containers of a pod other sizes",
            self.durations.clone(),
        );
        registry.register(
            "pod_pending_resizes",
            "Pods whose containers do not get the sizes that they ask for, by reason",
            self.pending.clone(),
        );
        registry.register(
            "pod_infeasible_resizes",
            "Resizes that cannot be had on this node, by reason",
            self.infeasible.clone(),
        );
        registry.register(
            "pod_in_progress_resizes",
            "Pods whose containers are getting other sizes",
            self.in_progress.clone(),
        );
        registry.register(
            "pod_deferred_accepted_resizes",
            "Resizes that had to wait and came about, by what made room",
            self.accepted.clone(),
        );
    }
}
