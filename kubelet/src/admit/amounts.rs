//! Amounts of everything that a node hands out, and how much of each a pod asks for.

use std::collections::BTreeMap;

use crate::model::{Container, EPHEMERAL_STORAGE, Overhead, PodSpec};

/// Amounts of everything that a node hands out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Thousandths of CPUs.
    pub cpu_millis: u64,
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes on the node's own disk.
    pub ephemeral_storage: u64,
    /// Huge pages in bytes, and devices, by name.
    pub scalars: BTreeMap<String, u64>,
}

impl Amounts {
    /// How much of one resource; a pod counts as one of `pods`.
    pub fn of(&self, resource: &str) -> u64 {
        match resource {
            "pods" => 1,
            "cpu" => self.cpu_millis,
            "memory" => self.memory,
            EPHEMERAL_STORAGE => self.ephemeral_storage,
            other => self.scalars.get(other).copied().unwrap_or(0),
        }
    }

    /// These and those.
    pub fn add(&mut self, more: &Self) {
        self.merge(more, u64::saturating_add);
    }

    /// At least those.
    pub fn raise_to(&mut self, least: &Self) {
        self.merge(least, u64::max);
    }

    fn merge(&mut self, other: &Self, with: fn(u64, u64) -> u64) {
        self.cpu_millis = with(self.cpu_millis, other.cpu_millis);
        self.memory = with(self.memory, other.memory);
        self.ephemeral_storage = with(self.ephemeral_storage, other.ephemeral_storage);
        for (name, amount) in &other.scalars {
            let own = self.scalars.entry(name.clone()).or_default();
            *own = with(*own, *amount);
        }
    }

    fn of_overhead(overhead: &Overhead) -> Self {
        let mut scalars = overhead.scalars.clone();
        Self {
            cpu_millis: overhead.cpu_millis,
            memory: overhead.memory_bytes,
            ephemeral_storage: scalars.remove(EPHEMERAL_STORAGE).unwrap_or(0),
            scalars,
        }
    }

    /// What a pod asks for as a whole comes in the place of the sum.
    fn replace_by_whole(&mut self, spec: &PodSpec) {
        let whole = &spec.resources.requests;
        self.cpu_millis = whole.cpu_millis.unwrap_or(self.cpu_millis);
        self.memory = whole.memory_bytes.unwrap_or(self.memory);
        self.scalars.extend(spec.scalars.requests.clone());
    }

    fn of_container(container: &Container) -> Self {
        let mut scalars = container.scalars.requests.clone();
        Self {
            cpu_millis: container.resources.requests.cpu_millis.unwrap_or(0),
            memory: container.resources.requests.memory_bytes.unwrap_or(0),
            ephemeral_storage: scalars.remove(EPHEMERAL_STORAGE).unwrap_or(0),
            scalars,
        }
    }
}

/// What a pod asks for: as a whole, or else the sum of its containers and sidecars, or what the largest
/// init container needs beside the sidecars before it, whichever is more; and what it takes beside them.
pub fn asked_for(spec: &PodSpec) -> Amounts {
    let mut total = Amounts::default();
    for container in &spec.containers {
        total.add(&Amounts::of_container(container));
    }
    let (mut sidecars, mut largest) = (Amounts::default(), Amounts::default());
    for container in &spec.init_containers {
        let mut own = Amounts::of_container(container);
        if container.is_sidecar() {
            total.add(&own);
            sidecars.add(&own);
        } else {
            own.add(&sidecars);
            largest.raise_to(&own);
        }
    }
    largest.raise_to(&sidecars);
    total.raise_to(&largest);
    total.replace_by_whole(spec);
    total.add(&Amounts::of_overhead(&spec.overhead));
    total
}
