//! What is counted of keeping the node in order.

use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::default_latency;

type Labels = [(&'static str, &'static str); 1];

/// Counts what goes for the node's sake; a clone counts into the same.
#[derive(Clone, Debug)]
pub struct UpkeepMetrics {
    evictions: Family<Labels, Counter>,
    images: Family<Labels, Counter>,
    stats_ages: Family<Labels, Histogram, fn() -> Histogram>,
    shutdown_began: Gauge,
    shutdown_ended: Gauge,
}

/// Why an image went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// Nobody has used it for too long.
    Age,
    /// Its disk was too full.
    Space,
}

impl Default for UpkeepMetrics {
    fn default() -> Self {
        let ages: fn() -> Histogram = default_latency;
        Self {
            evictions: Family::default(),
            images: Family::default(),
            stats_ages: Family::new_with_constructor(ages),
            shutdown_began: Gauge::default(),
            shutdown_ended: Gauge::default(),
        }
    }
}

impl UpkeepMetrics {
    /// A pod is given up for what was seen so long ago.
    pub(crate) fn stats_age(&self, signal: &'static str, age: Duration) {
        let ages = self
            .stats_ages
            .get_or_create(&[("eviction_signal", signal)]);
        ages.observe(age.as_secs_f64());
    }

    /// A pod was given up, by the signal that was met or the limit that was passed.
    pub(crate) fn evicted(&self, signal: &'static str) {
        let labels = [("eviction_signal", signal)];
        self.evictions.get_or_create(&labels).inc();
    }

    /// An image was removed.
    pub(crate) fn image_gone(&self, why: Gone) {
        let why = match why {
            Gone::Age => "age",
            Gone::Space => "space",
        };
        self.images.get_or_create(&[("reason", why)]).inc();
    }

    /// When the last shutdown of the machine began and ended for its pods.
    pub(crate) fn shutdown(&self, began: Option<Timestamp>, ended: Option<Timestamp>) {
        let seconds = |time: Option<Timestamp>| time.map_or(0, Timestamp::as_second);
        self.shutdown_began.set(seconds(began));
        self.shutdown_ended.set(seconds(ended));
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "evictions",
            "Pods that were given up for the node's sake, by signal",
            self.evictions.clone(),
        );
        registry.register_with_unit(
            "eviction_stats_age",
            "How old what was seen of the node was when a pod was given up for it, by signal",
            Unit::Seconds,
            self.stats_ages.clone(),
        );
        registry.register(
            "image_garbage_collected",
            "Images that nobody used and that were removed, by reason",
            self.images.clone(),
        );
        registry.register_with_unit(
            "graceful_shutdown_start_time",
            "When the last shutdown of the machine began to end pods",
            Unit::Seconds,
            self.shutdown_began.clone(),
        );
        registry.register_with_unit(
            "graceful_shutdown_end_time",
            "When the last shutdown of the machine had ended all pods",
            Unit::Seconds,
            self.shutdown_ended.clone(),
        );
    }
}
