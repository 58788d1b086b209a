//! What is counted of pods and their workers.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::count;
use crate::model::PodOrigin;

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Pods of a manifest are static; those of an API server are not, and an orphan may be either.
const STATIC: &str = "true";
const OF_API: &str = "";
const UNKNOWN: &str = "unknown";

/// How many pods there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodCount {
    /// Of the API server.
    pub of_api: usize,
    /// Of manifests.
    pub statics: usize,
}

impl PodCount {
    /// Of these pods, by where they were read.
    pub(crate) fn of<'a>(origins: impl Iterator<Item = &'a PodOrigin>) -> Self {
        origins.fold(Self::default(), |count, origin| match origin {
            PodOrigin::Api => Self {
                of_api: count.of_api + 1,
                ..count
            },
            PodOrigin::File(_) | PodOrigin::Url(_) => Self {
                statics: count.statics + 1,
                ..count
            },
        })
    }
}

fn is_static(origin: &PodOrigin) -> &'static str {
    match origin {
        PodOrigin::Api => OF_API,
        PodOrigin::File(_) | PodOrigin::Url(_) => STATIC,
    }
}

/// Counts pods; a clone counts into the same.
#[derive(Clone)]
pub struct PodMetrics {
    desired: Family<Labels<1>, Gauge>,
    active: Family<Labels<1>, Gauge>,
    working: Family<Labels<3>, Gauge>,
    orphans: Counter,
    swept: Gauge,
    unswept: Gauge,
    terminated: Family<[(&'static str, String); 3], Counter>,
    restarted: Family<Labels<1>, Counter>,
    mirrors: Gauge,
    ephemeral: Gauge,
    told: Histogram,
    first_networked: Gauge<f64, AtomicU64>,
}

impl Default for PodMetrics {
    fn default() -> Self {
        Self {
            desired: Family::default(),
            active: Family::default(),
            working: Family::default(),
            orphans: Counter::default(),
            swept: Gauge::default(),
            unswept: Gauge::default(),
            terminated: Family::default(),
            restarted: Family::default(),
            mirrors: Gauge::default(),
            ephemeral: Gauge::default(),
            told: Histogram::new([0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0]),
            first_networked: Gauge::default(),
        }
    }
}

/// Where a worker is with its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// It makes it run.
    Sync,
    /// It ends it.
    Terminating,
    /// Nothing of it runs.
    Terminated,
}

impl Lifecycle {
    fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Terminating => "terminating",
            Self::Terminated => "terminated",
        }
    }
}

/// Whether somebody wants a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A source says so.
    Desired,
    /// No source does any more.
    Orphan,
    /// Only the runtime has it.
    RuntimeOnly,
}

impl Wanted {
    fn as_str(self) -> &'static str {
        match self {
            Self::Desired => "desired",
            Self::Orphan => "orphan",
            Self::RuntimeOnly => "runtime_only",
        }
    }
}

/// A worker that is counted where it is.
pub(crate) struct Working {
    metrics: PodMetrics,
    shown: Option<Labels<3>>,
    ephemeral: i64,
}

impl PodMetrics {
    /// So many pods shall run, and so many do or are being made to.
    pub(crate) fn are(&self, desired: PodCount, active: PodCount) {
        for (family, pods) in [(&self.desired, desired), (&self.active, active)] {
            for (label, number) in [(OF_API, pods.of_api), (STATIC, pods.statics)] {
                family
                    .get_or_create(&[("static", label)])
                    .set(count(number));
            }
        }
    }

    /// A pod begins anew whose like, with the same UID, has ended.
    pub(crate) fn restarted(&self, origin: &PodOrigin) {
        let labels = [("static", is_static(origin))];
        self.restarted.get_or_create(&labels).inc();
    }

    /// So many static pods are shown to the API server.
    pub(crate) fn mirrors(&self, number: usize) {
        self.mirrors.set(count(number));
    }

    /// The API server knows a status so long after it was another.
    pub(crate) fn status_told(&self, after: Duration) {
        self.told.observe(after.as_secs_f64());
    }

    /// A pod with a network of its own runs; only the first is told.
    pub(super) fn first_networked(&self, after: Duration) {
        if self.first_networked.get() == 0.0 {
            self.first_networked.set(after.as_secs_f64());
        }
    }

    /// So many pods that nobody knew and of which nothing runs are taken away.
    pub(crate) fn sweeps(&self, pods: usize) {
        self.swept.set(count(pods));
        self.unswept.set(0);
    }

    /// One of those would not go.
    pub(crate) fn is_not_swept(&self) {
        self.unswept.inc();
    }

    /// The runtime had a pod that nobody knew.
    pub(crate) fn orphan(&self) {
        self.orphans.inc();
    }

    /// A container has ended.
    pub(crate) fn terminated(&self, kind: &str, exit_code: i32, reason: &str) {
        let labels = [
            ("container_type", kind.to_owned()),
            ("exit_code", exit_code.to_string()),
            ("reason", reason.to_owned()),
        ];
        self.terminated.get_or_create(&labels).inc();
    }

    /// A worker that is nowhere yet.
    pub(crate) fn worker(&self) -> Working {
        Working {
            metrics: self.clone(),
            shown: None,
            ephemeral: 0,
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        for (name, help, gauge) in [
            ("desired_pods", "Pods that shall run", &self.desired),
            (
                "active_pods",
                "Pods that count when others want in",
                &self.active,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
        registry.register(
            "working_pods",
            "Pods with a worker, by where it is and whether somebody wants them",
            self.working.clone(),
        );
        for (name, help, gauge) in [
            (
                "mirror_pods",
                "Static pods that are shown to the API server",
                &self.mirrors,
            ),
            (
                "managed_ephemeral_containers",
                "Containers that were added to pods while they ran",
                &self.ephemeral,
            ),
            (
                "orphan_pod_cleaned_volumes",
                "Pods that nobody knew and that were taken away with what they had last time",
                &self.swept,
            ),
            (
                "orphan_pod_cleaned_volumes_errors",
                "Those of them that would not go",
                &self.unswept,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
        self.register_times(registry);
        registry.register(
            "restarted_pods",
            "Pods that began anew with the UID that they had had",
            self.restarted.clone(),
        );
        registry.register(
            "orphaned_runtime_pods",
            "Pods that the runtime had and nobody knew",
            self.orphans.clone(),
        );
        registry.register(
            "terminated_containers",
            "Containers that have ended",
            self.terminated.clone(),
        );
    }
}

impl PodMetrics {
    fn register_times(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "pod_status_sync_duration",
            "How long after it had changed the API server knew a pod's status",
            Unit::Seconds,
            self.told.clone(),
        );
        registry.register_with_unit(
            "first_network_pod_start_sli_duration",
            "How long after it was seen first the first pod with a network of its own ran, without pulls and \
             init containers",
            Unit::Seconds,
            self.first_networked.clone(),
        );
    }
}

impl Working {
    /// It is there now, for a pod that was read there, if anybody knows.
    pub(crate) fn at(&mut self, lifecycle: Lifecycle, wanted: Wanted, origin: Option<&PodOrigin>) {
        let labels = [
            ("lifecycle", lifecycle.as_str()),
            ("config", wanted.as_str()),
            ("static", origin.map_or(UNKNOWN, is_static)),
        ];
        if self.shown == Some(labels) {
            return;
        }
        self.leave();
        self.metrics.working.get_or_create(&labels).inc();
        self.shown = Some(labels);
    }

    /// Its pod has so many containers that were added to it.
    pub(crate) fn has_ephemeral(&mut self, number: usize) {
        let number = count(number);
        self.metrics.ephemeral.inc_by(number - self.ephemeral);
        self.ephemeral = number;
    }

    fn leave(&mut self) {
        if let Some(labels) = self.shown.take() {
            self.metrics.working.get_or_create(&labels).dec();
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.has_ephemeral(0);
        self.leave();
    }
}
