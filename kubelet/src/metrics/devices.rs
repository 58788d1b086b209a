//! What is counted of device plugins.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::default_latency;

type Resource = [(&'static str, String); 1];

/// Counts what device plugins do; a clone counts into the same.
#[derive(Clone)]
pub struct DeviceMetrics {
    registrations: Family<Resource, Counter>,
    allocations: Family<Resource, Histogram, fn() -> Histogram>,
}

impl Default for DeviceMetrics {
    fn default() -> Self {
        Self {
            registrations: Family::default(),
            allocations: Family::new_with_constructor(default_latency),
        }
    }
}

impl DeviceMetrics {
    /// A plugin was let in.
    pub(crate) fn registered(&self, resource: &str) {
        self.registrations.get_or_create(&of(resource)).inc();
    }

    /// A plugin made devices ready.
    pub(crate) fn allocated(&self, resource: &str, took: Duration) {
        let allocations = self.allocations.get_or_create(&of(resource));
        allocations.observe(took.as_secs_f64());
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "device_plugin_registration",
            "Registrations of device plugins",
            self.registrations.clone(),
        );
        registry.register_with_unit(
            "device_plugin_alloc_duration",
            "How long plugins took to make devices ready",
            Unit::Seconds,
            self.allocations.clone(),
        );
    }
}

fn of(resource: &str) -> Resource {
    [("resource_name", resource.to_owned())]
}
