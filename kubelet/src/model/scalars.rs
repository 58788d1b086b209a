//! What a container asks for beside CPU and memory: storage, huge pages, devices.

use std::collections::BTreeMap;

/// The name of the node's own disk as a resource.
pub const EPHEMERAL_STORAGE: &str = "ephemeral-storage";

/// Whole units, by the name of the resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scalars {
    /// Asked for.
    pub requests: BTreeMap<String, u64>,
    /// The most it gets.
    pub limits: BTreeMap<String, u64>,
}

/// What a pod takes beside its containers, by its RuntimeClass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overhead {
    /// Thousandths of CPUs.
    pub cpu_millis: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Whole units of everything else, by the name of the resource.
    pub scalars: BTreeMap<String, u64>,
}

/// Whether a resource is neither Kubernetes' own nor counted by a quota: devices are.
pub fn is_extended_resource(name: &str) -> bool {
    name.contains('/') && !name.contains("kubernetes.io/") && !name.starts_with("requests.")
}

/// The size of the pages that a resource such as `hugepages-2Mi` is made of, as it is written.
pub fn huge_page_size(name: &str) -> Option<&str> {
    name.strip_prefix("hugepages-")
}
