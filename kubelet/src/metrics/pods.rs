//! What is counted of pods and their workers.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::count;

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Pods of a manifest are static; those of an API server are not, and an orphan may be either.
const STATIC: &str = "true";
const UNKNOWN: &str = "unknown";

/// Counts pods; a clone counts into the same.
#[derive(Clone, Default)]
pub struct PodMetrics {
    desired: Family<Labels<1>, Gauge>,
    active: Family<Labels<1>, Gauge>,
    working: Family<Labels<3>, Gauge>,
    orphans: Counter,
    terminated: Family<[(&'static str, String); 3], Counter>,
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
    fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::Desired => ("desired", STATIC),
            Self::Orphan => ("orphan", STATIC),
            Self::RuntimeOnly => ("runtime_only", UNKNOWN),
        }
    }
}

/// A worker that is counted where it is.
pub(crate) struct Working {
    metrics: PodMetrics,
    shown: Option<Labels<3>>,
}

impl PodMetrics {
    /// So many pods shall run, and so many do or are being made to.
    pub(crate) fn are(&self, desired: usize, active: usize) {
        let labels = [("static", STATIC)];
        self.desired.get_or_create(&labels).set(count(desired));
        self.active.get_or_create(&labels).set(count(active));
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

impl Working {
    /// It is there now.
    pub(crate) fn at(&mut self, lifecycle: Lifecycle, wanted: Wanted) {
        let (config, is_static) = wanted.labels();
        let labels = [
            ("lifecycle", lifecycle.as_str()),
            ("config", config),
            ("static", is_static),
        ];
        if self.shown == Some(labels) {
            return;
        }
        self.leave();
        self.metrics.working.get_or_create(&labels).inc();
        self.shown = Some(labels);
    }

    fn leave(&mut self) {
        if let Some(labels) = self.shown.take() {
            self.metrics.working.get_or_create(&labels).dec();
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.leave();
    }
}
