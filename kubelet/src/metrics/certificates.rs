//! What is told of the node's certificates, under upstream's names.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// From a minute to four years.
const AGES: [f64; 10] = [
    60.0,
    3600.0,
    14_400.0,
    86_400.0,
    604_800.0,
    2_592_000.0,
    7_776_000.0,
    15_552_000.0,
    31_104_000.0,
    124_416_000.0,
];

/// Tells of one certificate; a clone tells of the same.
#[derive(Clone)]
pub struct CertificateMetrics {
    until: Arc<Mutex<Option<Timestamp>>>,
    left: Gauge<f64, AtomicU64>,
    failures: Counter,
    ages: Histogram,
}

impl Default for CertificateMetrics {
    fn default() -> Self {
        Self {
            until: Arc::default(),
            left: Gauge::default(),
            failures: Counter::default(),
            ages: Histogram::new(AGES),
        }
    }
}

impl CertificateMetrics {
    /// It ends then; nothing when there is none.
    pub(crate) fn ends_at(&self, until: Option<Timestamp>) {
        *self.until.lock().expect("no holder of this lock can panic") = until;
    }

    /// No new one was to be had.
    pub(crate) fn failed(&self) {
        self.failures.inc();
    }

    /// It was replaced at this age.
    pub(crate) fn rotated(&self, age: SignedDuration) {
        self.ages.observe(age.as_secs_f64());
    }

    /// Whole seconds until it ends, fewer than none after that, and without end for none.
    pub(super) fn look(&self, now: Timestamp) {
        let until = *self.until.lock().expect("no holder of this lock can panic");
        let left = until.map(|until| until.duration_since(now).as_secs_f64().trunc());
        self.left.set(left.unwrap_or(f64::INFINITY));
    }

    /// As the certificate that the API server is shown.
    pub(super) fn register_client(&self, registry: &mut Registry) {
        registry.register(
            "certificate_manager_client_ttl_seconds",
            "Seconds until the client certificate ends; without end for none",
            self.left.clone(),
        );
        registry.register(
            "certificate_manager_client_expiration_renew_errors",
            "Renewals of the client certificate that failed",
            self.failures.clone(),
        );
    }

    /// As the certificate that the kubelet's server shows.
    pub(super) fn register_server(&self, registry: &mut Registry) {
        registry.register(
            "certificate_manager_server_ttl_seconds",
            "Seconds until the serving certificate ends; without end for none",
            self.left.clone(),
        );
        registry.register(
            "certificate_manager_server_rotation_seconds",
            "How old serving certificates were when they were replaced",
            self.ages.clone(),
        );
        registry.register(
            "server_expiration_renew_errors",
            "Renewals of the serving certificate that failed",
            self.failures.clone(),
        );
    }
}
