//! What the runtime counts of itself, in the form that Prometheus reads.
//!
//! ```text
//! cri/calls ──── each RPC ───┐
//! lifecycle ──── phases ─────┼─► Metrics ─► server (HTTP, off unless an address is given)
//! image ──────── pulls ──────┘      ▲
//! lifecycle's snapshots ── counted ─┘ when somebody asks
//! ```
//!
//! What pods use is not here: that is the kubelet's to ask, over CRI.

mod census;
mod server;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

pub use census::Census;
pub use server::{ListenError, Server};

type RpcLabels = [(&'static str, String); 3];
type Label = [(&'static str, &'static str); 1];
type PhaseLabels = [(&'static str, &'static str); 2];
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// A part of an operation that is worth measuring apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Making the pod's cgroup.
    SandboxCgroup,
    /// Starting monitor and pause.
    SandboxMonitor,
    /// Attaching the pod to its network.
    SandboxNetwork,
    /// Finding the image's accounts and volumes.
    ContainerImage,
    /// Deciding and writing what the container is started from.
    ContainerBundle,
    /// Making the container's cgroup with its limits.
    StartCgroup,
    /// From asking the monitor until the container's process runs.
    StartLaunch,
}

impl Phase {
    fn labels(self) -> PhaseLabels {
        let (operation, phase) = match self {
            Self::SandboxCgroup => ("RunPodSandbox", "cgroup"),
            Self::SandboxMonitor => ("RunPodSandbox", "monitor"),
            Self::SandboxNetwork => ("RunPodSandbox", "network"),
            Self::ContainerImage => ("CreateContainer", "image"),
            Self::ContainerBundle => ("CreateContainer", "bundle"),
            Self::StartCgroup => ("StartContainer", "cgroup"),
            Self::StartLaunch => ("StartContainer", "launch"),
        };
        [("operation", operation), ("phase", phase)]
    }
}

/// A session that a client has with a container or pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// A streamed exec.
    Exec,
    /// An attach.
    Attach,
    /// A port-forward.
    PortForward,
    /// An exec that is answered when it has ended.
    ExecSync,
}

impl SessionKind {
    fn label(self) -> Label {
        let kind = match self {
            Self::Exec => "exec",
            Self::Attach => "attach",
            Self::PortForward => "port_forward",
            Self::ExecSync => "exec_sync",
        };
        [("kind", kind)]
    }
}

/// Counted as being there until it is dropped.
#[derive(Debug)]
pub struct Underway(Gauge);

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// How a pull of an image went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// The image is here.
    Whole,
    /// It failed.
    Failed,
}

/// The metrics of one runtime; a clone counts into the same ones.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    rpcs: Histograms<RpcLabels>,
    phases: Histograms<PhaseLabels>,
    pods: Family<Label, Gauge>,
    containers: Family<Label, Gauge>,
    monitors: Gauge,
    monitors_lost: Counter,
    subscribers: Gauge,
    events_lost: Counter,
    sessions: Family<Label, Gauge>,
    pulls: Histograms<Label>,
    pulls_underway: Gauge,
    pulled_bytes: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Arc::default(),
            rpcs: Family::new_with_constructor(latency),
            phases: Family::new_with_constructor(latency),
            pods: Family::default(),
            containers: Family::default(),
            monitors: Gauge::default(),
            monitors_lost: Counter::default(),
            subscribers: Gauge::default(),
            events_lost: Counter::default(),
            sessions: Family::default(),
            pulls: Family::new_with_constructor(pull_time),
            pulls_underway: Gauge::default(),
            pulled_bytes: Counter::default(),
        };
        metrics.registry = Arc::new(metrics.register());
        metrics
    }
}

impl Metrics {
    /// A call was answered with `code`, or its client has left.
    pub fn rpc(&self, service: &str, method: &str, code: &str, took: Duration) {
        let labels = [
            ("service", service.to_owned()),
            ("method", method.to_owned()),
            ("code", code.to_owned()),
        ];
        self.rpcs.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Does `work` and measures how long it took, also when it failed.
    pub async fn phase<T>(&self, phase: Phase, work: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let done = work.await;
        self.phases
            .get_or_create(&phase.labels())
            .observe(begun.elapsed().as_secs_f64());
        done
    }

    /// A session is there as long as the answer is.
    pub fn session(&self, kind: SessionKind) -> Underway {
        let gauge = self.sessions.get_or_create(&kind.label()).clone();
        gauge.inc();
        Underway(gauge)
    }

    /// A pull is underway as long as the answer is there.
    pub fn pulling(&self) -> Underway {
        self.pulls_underway.inc();
        Underway(self.pulls_underway.clone())
    }

    /// A pull has ended.
    pub fn pulled(&self, how: Pulled, took: Duration) {
        let result = match how {
            Pulled::Whole => "ok",
            Pulled::Failed => "error",
        };
        self.pulls
            .get_or_create(&[("result", result)])
            .observe(took.as_secs_f64());
    }

    /// So many bytes of a layer were fetched.
    pub fn fetched(&self, bytes: u64) {
        self.pulled_bytes.inc_by(bytes);
    }

    /// A subscriber fell behind by so many events and was ended.
    pub fn lost_events(&self, count: u64) {
        self.events_lost.inc_by(count);
    }

    /// A monitor has ended before its pod was stopped.
    pub fn lost_monitor(&self) {
        self.monitors_lost.inc();
    }

    /// The text that Prometheus scrapes, with what there is at this moment.
    pub fn text(&self, now: &Census) -> String {
        for (state, count) in now.pods() {
            self.pods.get_or_create(&[("state", state)]).set(count);
        }
        for (state, count) in now.containers() {
            self.containers
                .get_or_create(&[("state", state)])
                .set(count);
        }
        self.monitors.set(now.monitors());
        self.subscribers.set(now.subscribers);
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a String takes every write");
        text
    }

    fn register(&self) -> Registry {
        let mut registry = Registry::with_prefix("podling_runtime");
        let version: Family<[(&'static str, &'static str); 1], Gauge> = Family::default();
        version
            .get_or_create(&[("version", env!("CARGO_PKG_VERSION"))])
            .set(1);
        registry.register("build_info", "The version that runs, as a label", version);
        let rpcs = "How long calls of the CRI socket took, to the end of a stream";
        let phases = "How long parts of operations took";
        registry.register_with_unit("rpc_duration", rpcs, Unit::Seconds, self.rpcs.clone());
        registry.register_with_unit("phase_duration", phases, Unit::Seconds, self.phases.clone());
        registry.register(
            "pods",
            "Pods by the state of their sandbox",
            self.pods.clone(),
        );
        registry.register("containers", "Containers by state", self.containers.clone());
        self.register_monitors_and_events(&mut registry);
        self.register_pulls(&mut registry);
        registry.register(
            "sessions",
            "Execs, attaches and port-forwards that are underway",
            self.sessions.clone(),
        );
        registry
    }

    fn register_monitors_and_events(&self, registry: &mut Registry) {
        registry.register("monitors", "Monitors of pods", self.monitors.clone());
        registry.register(
            "monitors_lost",
            "Monitors that ended before their pod was stopped",
            self.monitors_lost.clone(),
        );
        registry.register(
            "event_subscribers",
            "Clients that listen to container events",
            self.subscribers.clone(),
        );
        registry.register(
            "events_lost",
            "Events that clients which fell behind did not get",
            self.events_lost.clone(),
        );
    }

    fn register_pulls(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "image_pull_duration",
            "How long pulls took, each counted once however many wait for it",
            Unit::Seconds,
            self.pulls.clone(),
        );
        registry.register(
            "image_pulls_underway",
            "Pulls that are underway",
            self.pulls_underway.clone(),
        );
        registry.register_with_unit(
            "image_pull",
            "Bytes of layers that arrived whole",
            Unit::Bytes,
            self.pulled_bytes.clone(),
        );
    }
}

/// From a millisecond to half a minute.
fn latency() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
}

/// From a fraction of a second to a good half of an hour.
fn pull_time() -> Histogram {
    Histogram::new(exponential_buckets(0.25, 2.0, 14))
}

#[cfg(test)]
mod tests;
