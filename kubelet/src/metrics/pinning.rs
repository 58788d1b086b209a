//! What is counted of CPUs and memory that containers have for themselves.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

type Alignment = [(&'static str, &'static str); 2];
type Node = [(&'static str, String); 1];

/// Counts who gets CPUs and memory for himself; a clone counts into the same.
#[derive(Clone)]
pub struct PinningMetrics {
    wishes: Counter,
    refusals: Counter,
    shared_millis: Gauge,
    taken: Gauge,
    per_node: Family<Node, Gauge>,
    aligned: Family<Alignment, Counter>,
    misaligned: Family<Alignment, Counter>,
    memory_wishes: Counter,
    memory_refusals: Counter,
    admissions: Counter,
    not_admitted: Counter,
    admission_millis: Histogram,
}

impl Default for PinningMetrics {
    fn default() -> Self {
        Self {
            wishes: Counter::default(),
            refusals: Counter::default(),
            shared_millis: Gauge::default(),
            taken: Gauge::default(),
            per_node: Family::default(),
            aligned: Family::default(),
            misaligned: Family::default(),
            memory_wishes: Counter::default(),
            memory_refusals: Counter::default(),
            admissions: Counter::default(),
            not_admitted: Counter::default(),
            admission_millis: Histogram::new(exponential_buckets(0.05, 2.0, 15)),
        }
    }
}

/// What something is near to.
const CORE: Alignment = [("scope", "container"), ("boundary", "physical_cpu")];
const CACHE: Alignment = [("scope", "container"), ("boundary", "uncore_cache")];

impl PinningMetrics {
    /// A container wishes for CPUs of its own.
    pub(crate) fn cpus_wished(&self) {
        self.wishes.inc();
    }

    /// It did not get them; whether they would have been whole cores for sure.
    pub(crate) fn cpus_refused(&self, cores: WholeCores) {
        self.refusals.inc();
        if cores == WholeCores::Surely {
            self.misaligned.get_or_create(&CORE).inc();
        }
    }

    /// It has them; whether they are whole cores for sure.
    pub(crate) fn cpus_aligned(&self, cores: WholeCores) {
        if cores == WholeCores::Surely {
            self.aligned.get_or_create(&CORE).inc();
        }
    }

    /// CPUs of one cache were given.
    pub(crate) fn cpus_of_one_cache(&self) {
        self.aligned.get_or_create(&CACHE).inc();
    }

    /// So many CPUs can be had, so many are taken, and so many of each node.
    pub(crate) fn cpus_are(
        &self,
        free: usize,
        taken: usize,
        per_node: impl Iterator<Item = (u32, usize)>,
    ) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.shared_millis.set(number(free).saturating_mul(1000));
        self.taken.set(number(taken));
        for (node, count) in per_node {
            let labels = [("numa_node", node.to_string())];
            self.per_node.get_or_create(&labels).set(number(count));
        }
        // They are shown from the beginning.
        drop(self.aligned.get_or_create(&CORE));
        drop(self.aligned.get_or_create(&CACHE));
        drop(self.misaligned.get_or_create(&CORE));
    }

    /// A container wishes for memory of its own.
    pub(crate) fn memory_wished(&self) {
        self.memory_wishes.inc();
    }

    /// It did not get it.
    pub(crate) fn memory_refused(&self) {
        self.memory_refusals.inc();
    }

    /// It was looked at whether a pod can have what it wishes for.
    pub(crate) fn admitted(&self, took: Duration) {
        self.admissions.inc();
        self.admission_millis.observe(took.as_secs_f64() * 1000.0);
    }

    /// A pod could not have what it wishes for where it wishes it.
    pub(crate) fn not_admitted(&self) {
        self.not_admitted.inc();
    }

    /// All that a container or a pod has comes from one node, or could not.
    pub(crate) fn aligned(&self, scope: &'static str, outcome: Aligned) {
        let labels = [("scope", scope), ("boundary", "numa_node")];
        match outcome {
            Aligned::Yes => self.aligned.get_or_create(&labels).inc(),
            Aligned::No => self.misaligned.get_or_create(&labels).inc(),
        };
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "cpu_manager_pinning_requests",
            "Wishes of containers for CPUs of their own",
            self.wishes.clone(),
        );
        registry.register(
            "cpu_manager_pinning_errors",
            "Wishes of containers for CPUs of their own that were refused",
            self.refusals.clone(),
        );
        registry.register(
            "cpu_manager_shared_pool_size_millicores",
            "CPUs that could still be given to one container alone, in thousandths",
            self.shared_millis.clone(),
        );
        registry.register(
            "cpu_manager_exclusive_cpu_allocation_count",
            "CPUs that containers have for themselves",
            self.taken.clone(),
        );
        registry.register(
            "cpu_manager_allocation_per_numa",
            "CPUs that containers have for themselves, by the node they are near to",
            self.per_node.clone(),
        );
        registry.register(
            "memory_manager_pinning_requests",
            "Wishes of containers for memory of their own",
            self.memory_wishes.clone(),
        );
        registry.register(
            "memory_manager_pinning_errors",
            "Wishes of containers for memory of their own that were refused",
            self.memory_refusals.clone(),
        );
        registry.register(
            "topology_manager_admission_requests",
            "Pods that were looked at, whether they can have what they wish for",
            self.admissions.clone(),
        );
        registry.register(
            "topology_manager_admission_errors",
            "Pods that could not have what they wish for where they wish it",
            self.not_admitted.clone(),
        );
        registry.register(
            "topology_manager_admission_duration_ms",
            "How long that took, in milliseconds",
            self.admission_millis.clone(),
        );
        registry.register(
            "container_aligned_compute_resources_count",
            "Containers that got what is near to each other",
            self.aligned.clone(),
        );
        registry.register(
            "container_aligned_compute_resources_failure_count",
            "Containers that could not get what is near to each other",
            self.misaligned.clone(),
        );
    }
}

/// Whether something could come from one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aligned {
    Yes,
    No,
}

/// Whether CPUs that are given are whole cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WholeCores {
    Surely,
    Perhaps,
}
