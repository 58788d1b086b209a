//! What is counted of volumes, and of the drivers that are asked for them.

use std::time::Duration;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::model::Migrated;

type Labels<const N: usize> = [(&'static str, String); N];
type Times<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// Families whose names are older than the custom that they begin with the program's.
pub(super) const NAMES: [&str; 2] = [
    "kubelet_storage_operation_duration_seconds",
    "kubelet_csi_operations_seconds",
];

/// Counts what is done with volumes; a clone counts into the same.
#[derive(Clone)]
pub struct VolumeMetrics {
    operations: Times<4>,
    calls: Times<4>,
}

impl Default for VolumeMetrics {
    fn default() -> Self {
        Self {
            operations: Family::new_with_constructor(times),
            calls: Family::new_with_constructor(times),
        }
    }
}

impl VolumeMetrics {
    /// One thing was done with a volume of a plugin, or failed.
    pub(crate) fn operation<E>(
        &self,
        (plugin, operation, migrated): (&str, &'static str, Migrated),
        took: Duration,
        done: &Result<impl Sized, E>,
    ) {
        let status = match done {
            Ok(_) => "success",
            Err(_) => "fail-unknown",
        };
        let labels = [
            ("volume_plugin", plugin.to_owned()),
            ("operation_name", operation.to_owned()),
            ("status", status.to_owned()),
            ("migrated", migrated.as_str().to_owned()),
        ];
        self.operations
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
    }

    /// A driver has answered a call.
    pub(crate) fn call(
        &self,
        (driver, migrated): (&str, Migrated),
        method: &str,
        code: &str,
        took: Duration,
    ) {
        let labels = [
            ("driver_name", driver.to_owned()),
            ("method_name", format!("/csi.v1.Node/{method}")),
            ("grpc_status_code", code.to_owned()),
            ("migrated", migrated.as_str().to_owned()),
        ];
        self.calls
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "storage_operation_duration",
            "How long one thing that is done with a volume took",
            Unit::Seconds,
            self.operations.clone(),
        );
        registry.register_with_unit(
            "csi_operations",
            "How long CSI drivers took for their answers",
            Unit::Seconds,
            self.calls.clone(),
        );
    }
}

fn times() -> Histogram {
    Histogram::new([
        0.1, 0.25, 0.5, 1., 2.5, 5., 10., 15., 25., 50., 120., 300., 600.,
    ])
}
