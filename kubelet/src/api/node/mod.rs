//! The machine as a Node of the cluster: registered, its status kept up to date, its lease renewed.
//!
//! ```text
//! Portrait ─► plan (pure) ─► register ─► Node ◄── watched: its UID and its labels
//!                              └─ status: when it changes, or nodeStatusReportFrequency has passed
//!                            lease ─► kube-node-lease/NODE, each quarter of its duration
//! ```

mod lease;
mod plan;
mod register;
#[cfg(test)]
mod tests;
mod twin;

use std::time::Duration;

use serde_json::Value;

pub(crate) use lease::LeaseKeeper;
pub(crate) use register::{Registrar, RegistrarParts};

/// What is chosen about the Node.
#[derive(Clone, Debug)]
pub(crate) struct NodeWishes {
    /// Whether the kubelet makes the Node (`registerNode`).
    pub(crate) register: bool,
    /// Its taints when it is made (`registerWithTaints`).
    pub(crate) taints: Vec<Value>,
    /// The cloud's name of the machine (`providerID`); may be empty.
    pub(crate) provider_id: String,
    /// Whether a controller attaches volumes (`enableControllerAttachDetach`).
    pub(crate) controller_attaches: bool,
    /// How often its status is looked at (`nodeStatusUpdateFrequency`).
    pub(crate) update: Duration,
    /// How often it is told though nothing changed (`nodeStatusReportFrequency`).
    pub(crate) report: Duration,
    /// How long its lease counts, in seconds (`nodeLeaseDurationSeconds`).
    pub(crate) lease_seconds: u32,
}

/// The path of a Node.
pub(super) fn path(name: &str) -> String {
    format!("/api/v1/nodes/{name}")
}
