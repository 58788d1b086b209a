//! What has become of a wish that a pod's containers have another size.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;

use super::ContainerName;

/// How a pod stands with the sizes of its containers. Its spec says what they have been given; its
/// manifest says what they shall have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resize {
    /// What containers have been given, where that differs from the manifest.
    pub allocated: BTreeMap<ContainerName, core::ResourceRequirements>,
    /// What the pod as a whole has been given, where that differs from the manifest; empty for nothing.
    pub whole: Option<core::ResourceRequirements>,
    /// The generation of the newest wish that this kubelet has granted.
    pub granted: Option<i64>,
    /// The wish that is not granted.
    pub pending: Option<PendingResize>,
}

/// A wish that is not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingResize {
    /// Whether it may be later.
    pub prospect: Prospect,
    /// Why not now.
    pub message: String,
    /// The generation of the pod that wishes it.
    pub generation: i64,
}

/// Whether a wish may be granted later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Prospect {
    /// As soon as there is room.
    Deferred,
    /// Not on this node.
    Infeasible,
}

impl Prospect {
    /// The word in a pod's condition.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deferred => "Deferred",
            Self::Infeasible => "Infeasible",
        }
    }
}

/// A granted wish that is being carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OngoingResize {
    /// The generation of the pod that wished it.
    pub generation: i64,
    /// Why it does not come about.
    pub error: Option<String>,
}
