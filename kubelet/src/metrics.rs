//! The kubelet's metrics, under the names that dashboards of Kubernetes know.

mod certificates;
mod devices;
mod listing;
mod names;
mod operations;
mod pinning;
mod pod_certificates;
mod pods;
mod process;
mod requests;
mod resizes;
mod rest;
mod starts;
mod startup;
mod upkeep;
mod volumes;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::credential::CredentialMetrics;
use crate::probe::ProbeMetrics;
use crate::scraped;

pub use certificates::CertificateMetrics;
pub use devices::DeviceMetrics;
pub use listing::ListingMetrics;
pub(crate) use listing::Question;
use names::{OLD_NAMES, REFUSALS};
pub use operations::Work;
use operations::operation_type;
pub use pinning::PinningMetrics;
pub(crate) use pinning::{Aligned, WholeCores};
pub use pod_certificates::PodCertificateMetrics;
pub(crate) use pod_certificates::{CertificateState, CountedCertificate};
pub(crate) use pods::Working;
pub use pods::{Lifecycle, PodCount, PodMetrics, Wanted};
pub use process::FeatureGate;
pub use requests::{Door, RequestMetrics};
pub use resizes::ResizeMetrics;
pub(crate) use resizes::Resizing;
pub use rest::RestMetrics;
pub use starts::{StartMetrics, Users};
pub use startup::StartupMetrics;
pub use upkeep::{Gone, UpkeepMetrics};
pub use volumes::VolumeMetrics;

type Operation = [(&'static str, &'static str); 1];
type Word = [(&'static str, String); 1];
type Operations = Family<Operation, Counter>;
type Latencies = Family<Operation, Histogram, fn() -> Histogram>;

/// The metrics of one kubelet; a clone counts into the same ones.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    /// Of what does not begin with the kubelet's name.
    others: Arc<Registry>,
    operations: Operations,
    operation_errors: Operations,
    operation_latencies: Latencies,
    pod_starts: Histogram,
    worker_starts: Histogram,
    worker_latencies: Latencies,
    refusals: Family<Word, Counter>,
    preemptions: Family<Word, Counter>,
    relist_latency: Histogram,
    relist_interval: Histogram,
    pod_relist_latency: Histogram,
    last_relist: Gauge,
    running_pods: Gauge,
    running_containers: Family<Operation, Gauge>,
    probes: ProbeMetrics,
    credentials: CredentialMetrics,
    devices: DeviceMetrics,
    client_certificate: CertificateMetrics,
    server_certificate: CertificateMetrics,
    pod_certificates: PodCertificateMetrics,
    pinning: PinningMetrics,
    listing: ListingMetrics,
    starts: StartMetrics,
    startup: StartupMetrics,
    pods: PodMetrics,
    requests: RequestMetrics,
    resizes: ResizeMetrics,
    upkeep: UpkeepMetrics,
    rest: RestMetrics,
    volumes: VolumeMetrics,
    sli: Histogram,
    cgroup_version: Gauge,
}

impl Metrics {
    /// Metrics of this node, all at zero.
    pub fn new(node_name: &str) -> Self {
        Self::with_gates(node_name, &[])
    }

    /// The same of a kubelet with these feature gates.
    pub(crate) fn with_gates(node_name: &str, gates: &[FeatureGate]) -> Self {
        let latencies: fn() -> Histogram = latency;
        let mut metrics = Self {
            registry: Arc::default(),
            others: Arc::default(),
            operations: Family::default(),
            operation_errors: Family::default(),
            operation_latencies: Family::new_with_constructor(latencies),
            pod_starts: start_latency(),
            worker_starts: start_latency(),
            worker_latencies: Family::new_with_constructor(latencies),
            refusals: Family::default(),
            preemptions: Family::default(),
            relist_latency: latency(),
            relist_interval: latency(),
            pod_relist_latency: default_latency(),
            last_relist: Gauge::default(),
            running_pods: Gauge::default(),
            running_containers: Family::default(),
            probes: ProbeMetrics::default(),
            credentials: CredentialMetrics::default(),
            devices: DeviceMetrics::default(),
            client_certificate: CertificateMetrics::default(),
            server_certificate: CertificateMetrics::default(),
            pod_certificates: PodCertificateMetrics::default(),
            pinning: PinningMetrics::default(),
            listing: ListingMetrics::default(),
            starts: StartMetrics::default(),
            startup: StartupMetrics::new(jiff::Timestamp::now()),
            pods: PodMetrics::default(),
            requests: RequestMetrics::default(),
            resizes: ResizeMetrics::default(),
            upkeep: UpkeepMetrics::default(),
            rest: RestMetrics::default(),
            volumes: VolumeMetrics::default(),
            sli: start_latency(),
            cgroup_version: Gauge::default(),
        };
        metrics.registry = Arc::new(metrics.register(node_name));
        let mut others = Registry::default();
        process::register(&mut others, gates);
        metrics.rest.register(&mut others);
        metrics.others = Arc::new(others);
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

    /// A pod runs, so long after the kubelet saw it first, and has waited so long for images and init
    /// containers.
    pub fn pod_started(&self, after: Duration, waited: Duration) {
        self.pod_starts.observe(after.as_secs_f64());
        self.sli.observe(after.saturating_sub(waited).as_secs_f64());
    }

    /// The same of one with a network of its own, the first of which is told.
    pub fn networked_pod_started(&self, after: Duration, waited: Duration) {
        self.pod_started(after, waited);
        self.pods.first_networked(after.saturating_sub(waited));
    }

    /// The version of the machine's cgroups.
    pub fn cgroup_version(&self, version: i64) {
        self.cgroup_version.set(version);
    }

    /// One pod was listed with all that the runtime has of it.
    pub fn pod_relisted(&self, took: Duration) {
        self.pod_relist_latency.observe(took.as_secs_f64());
    }

    /// Those of how a new node comes to be.
    pub fn startup(&self) -> &StartupMetrics {
        &self.startup
    }

    /// Those of what is done for pods.
    pub fn starts(&self) -> &StartMetrics {
        &self.starts
    }

    /// Those of pods and workers.
    pub fn pods(&self) -> &PodMetrics {
        &self.pods
    }

    /// Those of the server.
    pub fn requests(&self) -> &RequestMetrics {
        &self.requests
    }

    /// A worker takes a pod up for the first time, so long after the kubelet saw it first.
    pub fn worker_started(&self, after: Duration) {
        self.worker_starts.observe(after.as_secs_f64());
    }

    /// A worker has done one thing for its pod.
    pub fn worked(&self, work: Work, took: Duration) {
        self.worker_latencies
            .get_or_create(&[("operation_type", work.as_str())])
            .observe(took.as_secs_f64());
    }

    /// A pod was not let in.
    pub fn refused(&self, reason: &str) {
        let reason = match reason {
            known if REFUSALS.contains(&known) => known,
            other if other.starts_with("OutOf") => "OutOfExtendedResources",
            _ => "Other",
        };
        let labels = [("reason", reason.to_owned())];
        self.refusals.get_or_create(&labels).inc();
    }

    /// A pod was ended for a critical one that lacked something.
    pub fn preempted(&self, lacking: &str) {
        let labels = [("preemption_signal", lacking.to_owned())];
        self.preemptions.get_or_create(&labels).inc();
    }

    /// So long after the last one another relist begins.
    pub fn relisting(&self, after: Duration) {
        self.relist_interval.observe(after.as_secs_f64());
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

    /// Those of probes, which are scraped for themselves.
    pub fn probes(&self) -> &ProbeMetrics {
        &self.probes
    }

    /// Those of programs that give credentials.
    pub fn credentials(&self) -> &CredentialMetrics {
        &self.credentials
    }

    /// Those of who asks which pods have what.
    pub fn listing(&self) -> &ListingMetrics {
        &self.listing
    }

    /// Those of CPUs and memory that containers have for themselves.
    pub fn pinning(&self) -> &PinningMetrics {
        &self.pinning
    }

    /// Those of device plugins.
    pub fn devices(&self) -> &DeviceMetrics {
        &self.devices
    }

    /// Those of the certificate that the API server is shown.
    pub fn client_certificate(&self) -> &CertificateMetrics {
        &self.client_certificate
    }

    /// Those of the certificate that the kubelet's server shows.
    pub fn server_certificate(&self) -> &CertificateMetrics {
        &self.server_certificate
    }

    /// What is counted of certificates of pods.
    pub fn pod_certificates(&self) -> &PodCertificateMetrics {
        &self.pod_certificates
    }

    /// What is counted of containers that get another size.
    pub fn resizes(&self) -> &ResizeMetrics {
        &self.resizes
    }

    /// Those of keeping the node in order.
    pub fn upkeep(&self) -> &UpkeepMetrics {
        &self.upkeep
    }

    /// Those of requests to the API server.
    pub fn rest(&self) -> &RestMetrics {
        &self.rest
    }

    /// Those of volumes and their drivers.
    pub fn volumes(&self) -> &VolumeMetrics {
        &self.volumes
    }

    /// The text that Prometheus scrapes.
    pub fn text(&self) -> String {
        let now = jiff::Timestamp::now();
        self.client_certificate.look(now);
        self.server_certificate.look(now);
        self.pod_certificates.look(now);
        let mut text = scraped::text(&[&self.registry, &self.others]);
        for name in OLD_NAMES {
            text = text.replace(&format!("{name}_total"), name);
        }
        for name in volumes::NAMES {
            text = text.replace(name, name.trim_start_matches("kubelet_"));
        }
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
        self.register_pods(&mut registry);
        self.credentials.register(&mut registry);
        self.devices.register(&mut registry);
        self.client_certificate.register_client(&mut registry);
        self.server_certificate.register_server(&mut registry);
        self.pod_certificates.register(&mut registry);
        self.pinning.register(&mut registry);
        self.listing.register(&mut registry);
        self.starts.register(&mut registry);
        self.startup.register(&mut registry);
        self.pods.register(&mut registry);
        self.requests.register(&mut registry);
        self.resizes.register(&mut registry);
        self.upkeep.register(&mut registry);
        self.volumes.register(&mut registry);
        registry.register(
            "cgroup_version",
            "The version of the machine's cgroups",
            self.cgroup_version.clone(),
        );
        self.register_relists(&mut registry);
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
        registry
    }

    fn register_pods(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "pod_start_duration",
            "How long after it was seen first a pod ran",
            Unit::Seconds,
            self.pod_starts.clone(),
        );
        for (name, help, times) in [
            (
                "pod_start_sli_duration",
                "How long after it was seen first a pod ran, without pulls and init containers",
                &self.sli,
            ),
            (
                "pod_start_total_duration",
                "How long after it was made a pod ran",
                &self.pod_starts,
            ),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, times.clone());
        }
        registry.register_with_unit(
            "pod_worker_start_duration",
            "How long after it was seen first a pod was taken up by a worker",
            Unit::Seconds,
            self.worker_starts.clone(),
        );
        registry.register_with_unit(
            "pod_worker_duration",
            "How long one step of a pod's worker took",
            Unit::Seconds,
            self.worker_latencies.clone(),
        );
        registry.register(
            "admission_rejections",
            "Pods that were not let in, by reason",
            self.refusals.clone(),
        );
        registry.register(
            "preemptions",
            "Pods that were ended for critical ones, by the resource that was lacking",
            self.preemptions.clone(),
        );
    }

    fn register_relists(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "pleg_relist_duration",
            "How long listing everything in the runtime took",
            Unit::Seconds,
            self.relist_latency.clone(),
        );
        registry.register_with_unit(
            "pleg_relist_interval",
            "How long after the one before each relist began",
            Unit::Seconds,
            self.relist_interval.clone(),
        );
        registry.register_with_unit(
            "pleg_pod_relist_duration",
            "How long listing what the runtime has of one pod took",
            Unit::Seconds,
            self.pod_relist_latency.clone(),
        );
        registry.register(
            "pleg_discard_events",
            "Events of the runtime that were lost on their way; here they wait",
            Counter::<u64>::default(),
        );
        registry.register_with_unit(
            "pleg_last_seen",
            "When everything in the runtime was listed last",
            Unit::Seconds,
            self.last_relist.clone(),
        );
    }
}

/// From a present image, in milliseconds, to an hour of pulling.
fn start_latency() -> Histogram {
    Histogram::new([
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1., 2., 3., 4., 5., 6., 8., 10., 20., 30., 45.,
        60., 120., 180., 240., 300., 360., 480., 600., 900., 1200., 1800., 2700., 3600.,
    ])
}

/// The buckets that Prometheus' own clients have.
fn default_latency() -> Histogram {
    Histogram::new([
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ])
}

fn latency() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.5, 12))
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PodOrigin;

    #[test]
    fn families_have_the_names_that_dashboards_know() {
        let metrics = Metrics::new("node-a");
        let second = Duration::from_secs(1);
        metrics.operation("RunPodSandbox", second, true);
        metrics.pod_started(second, Duration::ZERO);
        metrics.worker_started(second);
        metrics.worked(Work::Kill, second);
        metrics.relisting(second);
        metrics.relisted(second);
        metrics.devices().registered("example.com/gpu");
        metrics.devices().allocated("example.com/gpu", second);
        metrics.preempted("memory");
        metrics.upkeep().evicted("nodefs.available");
        metrics.upkeep().image_gone(Gone::Age);
        metrics.upkeep().stats_age("nodefs.available", second);
        metrics.pod_relisted(second);
        metrics.networked_pod_started(second, Duration::ZERO);
        metrics.networked_pod_started(2 * second, Duration::ZERO);
        let origin = PodOrigin::Api;
        let of_api = PodCount {
            of_api: 2,
            statics: 1,
        };
        metrics.pods().are(of_api, PodCount::default());
        metrics
            .pods()
            .restarted(&PodOrigin::File("web.yaml".into()));
        metrics.pods().restarted(&origin);
        metrics.pods().mirrors(3);
        metrics.pods().status_told(second);
        let mut working = metrics.pods().worker();
        working.at(Lifecycle::Sync, Wanted::Desired, Some(&origin));
        working.has_ephemeral(2);
        let text = metrics.text();
        for line in [
            "kubelet_pod_start_duration_seconds_count 3",
            "kubelet_pod_start_sli_duration_seconds_count 3",
            "kubelet_pod_start_total_duration_seconds_count 3",
            "kubelet_pod_worker_start_duration_seconds_count 1",
            "kubelet_pod_worker_duration_seconds_count{operation_type=\"kill\"} 1",
            "kubelet_device_plugin_registration_total{resource_name=\"example.com/gpu\"} 1",
            "kubelet_device_plugin_alloc_duration_seconds_count{resource_name=\"example.com/gpu\"} 1",
            "kubelet_pleg_relist_interval_seconds_count 1",
            "kubelet_pleg_pod_relist_duration_seconds_count 1",
            "kubelet_pleg_discard_events 0",
            "kubelet_eviction_stats_age_seconds_count{eviction_signal=\"nodefs.available\"} 1",
            "kubelet_first_network_pod_start_sli_duration_seconds 1.0",
            "kubelet_desired_pods{static=\"\"} 2",
            "kubelet_desired_pods{static=\"true\"} 1",
            "kubelet_active_pods{static=\"\"} 0",
            "kubelet_working_pods{lifecycle=\"sync\",config=\"desired\",static=\"\"} 1",
            "kubelet_restarted_pods_total{static=\"true\"} 1",
            "kubelet_restarted_pods_total{static=\"\"} 1",
            "kubelet_mirror_pods 3",
            "kubelet_managed_ephemeral_containers 2",
            "kubelet_pod_status_sync_duration_seconds_count 1",
            "kubelet_orphan_pod_cleaned_volumes 0",
            "kubelet_orphan_pod_cleaned_volumes_errors 0",
            "kubelet_node_startup_duration_seconds 0.0",
            "kubelet_pleg_relist_duration_seconds_count 1",
            "kubelet_runtime_operations_total{operation_type=\"run_podsandbox\"} 1",
            "kubelet_runtime_operations_errors_total{operation_type=\"run_podsandbox\"} 1",
            "# TYPE kubelet_preemptions counter",
            "# TYPE kubelet_runtime_operations_total counter",
            "kubelet_preemptions{preemption_signal=\"memory\"} 1",
            "kubelet_evictions{eviction_signal=\"nodefs.available\"} 1",
            "kubelet_image_garbage_collected_total{reason=\"age\"} 1",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
    }
}
