//! The quality of service class of a pod, and the name of its cgroup: pure.

#![deny(clippy::disallowed_methods)]

use podling_systemd::{slice_below, slice_of_path};

use crate::model::{CgroupDriver, PodSpec, PodUid, Requirements, ResourceList};

/// How sure a pod can be of what it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QosClass {
    /// Every container asks for exactly its limits.
    Guaranteed,
    /// Something is asked for or limited.
    Burstable,
    /// Nothing is.
    BestEffort,
}

impl QosClass {
    /// The word in a pod's status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }
}

/// The class of a pod, from what it says as a whole or else from its init and regular containers.
pub fn qos_class(spec: &PodSpec) -> QosClass {
    let containers = spec.init_containers.iter().chain(&spec.containers);
    let all: Vec<_> = match spec.has_resources() {
        true => vec![&spec.resources],
        false => containers.map(|one| &one.resources).collect(),
    };
    if all.iter().all(|one| asks_for_nothing(one)) {
        QosClass::BestEffort
    } else if all.iter().all(|one| is_guaranteed(one)) {
        QosClass::Guaranteed
    } else {
        QosClass::Burstable
    }
}

/// Zero is as good as nothing.
fn asks_for_nothing(resources: &Requirements) -> bool {
    let empty = |list: &ResourceList| {
        list.cpu_millis.unwrap_or(0) == 0 && list.memory_bytes.unwrap_or(0) == 0
    };
    empty(&resources.requests) && empty(&resources.limits)
}

/// Both limits are set, and a request that is set is the same.
fn is_guaranteed(resources: &Requirements) -> bool {
    let same = |request: Option<u64>, limit: Option<u64>| {
        limit.is_some_and(|limit| limit > 0 && request.unwrap_or(limit) == limit)
    };
    let Requirements { requests, limits } = resources;
    same(requests.cpu_millis, limits.cpu_millis) && same(requests.memory_bytes, limits.memory_bytes)
}

/// The `cgroup_parent` of a pod: a path for cgroupfs, a slice's name for systemd.
pub fn cgroup_parent(driver: CgroupDriver, root: &str, class: QosClass, uid: &PodUid) -> String {
    match driver {
        CgroupDriver::Cgroupfs => {
            let class = match class {
                QosClass::Guaranteed => "",
                QosClass::Burstable => "burstable/",
                QosClass::BestEffort => "besteffort/",
            };
            format!("/{}kubepods/{class}pod{uid}", with_slash(root))
        }
        CgroupDriver::Systemd => {
            // A dash in a slice's name is a level of the tree.
            slice_below(&class_slice(root, class), &format!("pod{uid}"))
        }
    }
}

/// The slice of all pods of a class; guaranteed ones have that of all.
pub(super) fn class_slice(root: &str, class: QosClass) -> String {
    let class = match class {
        QosClass::Guaranteed => "kubepods",
        QosClass::Burstable => "kubepods/burstable",
        QosClass::BestEffort => "kubepods/besteffort",
    };
    slice_below(&slice_of_path(root), class)
}

fn with_slash(root: &str) -> String {
    match root.trim_matches('/') {
        "" => String::new(),
        root => format!("{root}/"),
    }
}
