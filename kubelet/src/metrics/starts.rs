//! What is counted of sandboxes, containers and images while pods are made and ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::default_latency;
use crate::model::{ContainerRole, PodUid};

type Labels<const N: usize> = [(&'static str, String); N];
type Counts<const N: usize> = Family<Labels<N>, Counter>;
type Times = Family<Labels<1>, Histogram, fn() -> Histogram>;

/// Counts what is done for pods; a clone counts into the same.
#[derive(Clone)]
pub struct StartMetrics {
    pods: Counter,
    pod_errors: Counter,
    user_namespaced_pods: Counter,
    user_namespaced_pod_errors: Counter,
    sandbox_times: Times,
    sandbox_errors: Counts<1>,
    containers: Counts<1>,
    container_errors: Counts<2>,
    containers_per_pod: Histogram,
    pull_times: Times,
    image_volumes: Counter,
    image_volumes_mounted: Counter,
    image_volume_errors: Counter,
    cgroup_times: Times,
    http_fallbacks: Counter,
    cut_sleeps: Counter,
    /// When the first pull of a pod began, and the last one ended.
    pulling: Arc<Mutex<HashMap<PodUid, (Timestamp, Timestamp)>>>,
}

impl Default for StartMetrics {
    fn default() -> Self {
        Self {
            pods: Counter::default(),
            pod_errors: Counter::default(),
            user_namespaced_pods: Counter::default(),
            user_namespaced_pod_errors: Counter::default(),
            sandbox_times: Family::new_with_constructor(default_latency),
            sandbox_errors: Family::default(),
            containers: Family::default(),
            container_errors: Family::default(),
            containers_per_pod: Histogram::new(exponential_buckets(1.0, 2.0, 5)),
            pull_times: Family::new_with_constructor(pull_time),
            image_volumes: Counter::default(),
            image_volumes_mounted: Counter::default(),
            image_volume_errors: Counter::default(),
            cgroup_times: Family::new_with_constructor(default_latency),
            http_fallbacks: Counter::default(),
            cut_sleeps: Counter::default(),
            pulling: Arc::default(),
        }
    }
}

/// Whether a pod has users of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Users {
    /// The node's.
    Shared,
    /// Its own.
    Own,
}

impl StartMetrics {
    /// A pod is taken up for the first time.
    pub(crate) fn met(&self, containers: usize) {
        let containers = u32::try_from(containers).unwrap_or(u32::MAX);
        self.containers_per_pod.observe(f64::from(containers));
    }

    /// A sandbox is to be made for a pod.
    pub(crate) fn pod(&self, users: Users) {
        self.pods.inc();
        if users == Users::Own {
            self.user_namespaced_pods.inc();
        }
    }

    /// It could not be.
    pub(crate) fn pod_failed(&self, users: Users) {
        self.pod_errors.inc();
        if users == Users::Own {
            self.user_namespaced_pod_errors.inc();
        }
    }

    /// The runtime has made a sandbox, or not.
    pub(crate) fn sandbox<E>(&self, handler: &str, took: Duration, made: &Result<impl Sized, E>) {
        let labels = [("runtime_handler", handler.to_owned())];
        let times = self.sandbox_times.get_or_create(&labels);
        times.observe(took.as_secs_f64());
        if made.is_err() {
            self.sandbox_errors.get_or_create(&labels).inc();
        }
    }

    /// A container is to be started.
    pub(crate) fn container(&self, role: ContainerRole) {
        let labels = [("container_type", kind(role).to_owned())];
        self.containers.get_or_create(&labels).inc();
    }

    /// It could not be.
    pub(crate) fn container_failed(&self, role: ContainerRole, reason: &str) {
        let labels = [
            ("container_type", kind(role).to_owned()),
            ("code", reason.to_owned()),
        ];
        self.container_errors.get_or_create(&labels).inc();
    }

    /// A pod has waited for an image in that time.
    pub(crate) fn waited(&self, uid: &PodUid, from: Timestamp, until: Timestamp) {
        let mut pulling = self.pulling();
        let (first, last) = pulling.entry(uid.clone()).or_insert((from, until));
        *first = from.min(*first);
        *last = until.max(*last);
    }

    /// How long a pod has waited for images in all; it is asked once.
    pub(crate) fn waited_for_images(&self, uid: &PodUid) -> Duration {
        let waited = self.pulling().remove(uid);
        waited.map_or(Duration::ZERO, |(from, until)| {
            until.duration_since(from).unsigned_abs()
        })
    }

    fn pulling(&self) -> std::sync::MutexGuard<'_, HashMap<PodUid, (Timestamp, Timestamp)>> {
        self.pulling
            .lock()
            .expect("no holder of this lock can panic")
    }

    /// An image was pulled.
    pub(crate) fn pulled(&self, size: u64, took: Duration) {
        let labels = [("image_size_in_bytes", size_class(size).to_owned())];
        let times = self.pull_times.get_or_create(&labels);
        times.observe(took.as_secs_f64());
    }

    /// A container wants an image as a volume.
    pub(crate) fn image_volume(&self) {
        self.image_volumes.inc();
    }

    /// It got it, or not.
    pub(crate) fn image_volume_done<T, E>(&self, mounted: &Result<T, E>) {
        match mounted {
            Ok(_) => self.image_volumes_mounted.inc(),
            Err(_) => self.image_volume_errors.inc(),
        };
    }

    /// A pod's cgroup was made, changed or removed.
    pub(crate) fn cgroup(&self, operation: &'static str, took: Duration) {
        let labels = [("operation_type", operation.to_owned())];
        let times = self.cgroup_times.get_or_create(&labels);
        times.observe(took.as_secs_f64());
    }

    /// A hook over HTTPS was answered over HTTP.
    pub(crate) fn http_fallback(&self) {
        self.http_fallbacks.inc();
    }

    /// A hook that sleeps was cut short.
    pub(crate) fn cut_sleep(&self) {
        self.cut_sleeps.inc();
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let counters = [
            ("started_pods", "Pods that were started", &self.pods),
            (
                "started_pods_errors",
                "Pods that could not be started",
                &self.pod_errors,
            ),
            (
                "started_user_namespaced_pods",
                "Pods with users of their own that were started",
                &self.user_namespaced_pods,
            ),
            (
                "started_user_namespaced_pods_errors",
                "Pods with users of their own that could not be started",
                &self.user_namespaced_pod_errors,
            ),
            (
                "image_volume_requested",
                "Image volumes that containers asked for",
                &self.image_volumes,
            ),
            (
                "image_volume_mounted_succeed",
                "Image volumes that containers got",
                &self.image_volumes_mounted,
            ),
            (
                "image_volume_mounted_errors",
                "Image volumes that containers did not get",
                &self.image_volume_errors,
            ),
            (
                "lifecycle_handler_http_fallbacks",
                "Hooks over HTTPS that were answered over HTTP",
                &self.http_fallbacks,
            ),
            (
                "sleep_action_terminated_early",
                "Hooks that sleep and were cut short",
                &self.cut_sleeps,
            ),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        self.register_vectors(registry);
    }

    fn register_vectors(&self, registry: &mut Registry) {
        registry.register(
            "started_containers",
            "Containers that were started",
            self.containers.clone(),
        );
        registry.register(
            "started_containers_errors",
            "Containers that could not be started",
            self.container_errors.clone(),
        );
        registry.register(
            "run_podsandbox_errors",
            "Sandboxes that the runtime did not make",
            self.sandbox_errors.clone(),
        );
        registry.register(
            "containers_per_pod_count",
            "Containers of a pod",
            self.containers_per_pod.clone(),
        );
        for (name, help, times) in [
            (
                "run_podsandbox_duration",
                "How long the runtime took to make a sandbox",
                &self.sandbox_times,
            ),
            (
                "image_pull_duration",
                "How long pulling an image took",
                &self.pull_times,
            ),
            (
                "cgroup_manager_duration",
                "How long making, changing or removing a pod's cgroup took",
                &self.cgroup_times,
            ),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, times.clone());
        }
    }
}

fn kind(role: ContainerRole) -> &'static str {
    match role {
        ContainerRole::Init => "init_container",
        ContainerRole::Regular => "container",
        ContainerRole::Ephemeral => "ephemeral_container",
    }
}

/// From a second to an hour.
fn pull_time() -> Histogram {
    Histogram::new([
        1., 5., 10., 20., 30., 60., 120., 180., 240., 300., 360., 480., 600., 900., 1200., 1800.,
        2700., 3600.,
    ])
}

/// In which range the size of an image is, in words that dashboards know.
fn size_class(bytes: u64) -> &'static str {
    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    let classes = [
        (100 * GIB, "GT100GB"),
        (60 * GIB, "60GB-100GB"),
        (40 * GIB, "40GB-60GB"),
        (30 * GIB, "30GB-40GB"),
        (20 * GIB, "20GB-30GB"),
        (10 * GIB, "10GB-20GB"),
        (5 * GIB, "5GB-10GB"),
        (GIB, "1GB-5GB"),
        (500 * MIB, "500MB-1GB"),
        (100 * MIB, "100MB-500MB"),
        (10 * MIB, "10MB-100MB"),
        (0, "0-10MB"),
    ];
    let class = classes.iter().find(|(above, _)| bytes > *above);
    class.map_or("N/A", |(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_images_have_words() {
        let rows = [
            (0, "N/A"),
            (1, "0-10MB"),
            (11 << 20, "10MB-100MB"),
            (2 << 30, "1GB-5GB"),
            (200 << 30, "GT100GB"),
        ];
        for (bytes, word) in rows {
            assert_eq!(size_class(bytes), word);
        }
    }
}
