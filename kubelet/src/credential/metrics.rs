//! What is counted of the programs that give credentials.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

type Plugin = [(&'static str, String); 1];

/// Counts runs of programs; a clone counts into the same.
#[derive(Clone)]
pub struct CredentialMetrics {
    errors: Family<Plugin, Counter>,
    durations: Family<Plugin, Histogram, fn() -> Histogram>,
    configuration: Family<Plugin, Gauge>,
}

impl Default for CredentialMetrics {
    fn default() -> Self {
        Self {
            errors: Family::default(),
            durations: Family::new_with_constructor(duration),
            configuration: Family::default(),
        }
    }
}

fn duration() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1., 2.5, 5., 10.])
}

impl CredentialMetrics {
    /// The configuration in use, by its hash.
    pub(super) fn configured(&self, hash: String) {
        self.configuration.get_or_create(&[("hash", hash)]).set(1);
    }

    /// A program ran.
    pub(super) fn ran(&self, plugin: &str, took: Duration) {
        let labels = [("plugin_name", plugin.to_owned())];
        self.durations
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
    }

    /// A program failed.
    pub(super) fn failed(&self, plugin: &str) {
        let labels = [("plugin_name", plugin.to_owned())];
        self.errors.get_or_create(&labels).inc();
    }

    /// Shows all of it, in a registry with the prefix `kubelet`.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "credential_provider_plugin_errors",
            "Runs of credential provider plugins that failed",
            self.errors.clone(),
        );
        registry.register(
            "credential_provider_plugin_duration",
            "How long credential provider plugins ran, in seconds",
            self.durations.clone(),
        );
        registry.register(
            "credential_provider_config_info",
            "The configuration of credential provider plugins",
            self.configuration.clone(),
        );
    }
}
