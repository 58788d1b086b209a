//! What containers have been given of what they ask for, and who gets more: in-place resize.
//!
//! ```text
//! pod of a source ─► Ledger ─► the pod with what it has been given ─► worker
//!                      ▲  └─ what it asks for differs: a wish ─► order ─► decide ─┐
//!                      └───────────────────────── granted ────────────────────────┘
//! Ledger ◄─► checkpoint ◄─► <root>/allocated_pods_state
//! ```
//!
//! The sync loop owns the ledger and decides; workers bring containers to what they have been given, and
//! what they have by now is `given`.

mod asked;
mod checkpoint;
mod decide;
pub(crate) mod given;
mod keep;
mod ledger;
mod message;
mod order;

#[cfg(test)]
mod tests;

pub use asked::{Asked, asked};
pub use decide::{ManagerPolicy, Question, ResizeRules, Verdict, decide};
pub use keep::AllocationFile;
pub use ledger::{Allotment, Differing, Ledger, with_given};
pub(crate) use message::{Sizes, sentence};
pub use order::{Candidate, in_order, increases};

/// What made a wish be looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// Pods came.
    PodsAdded,
    /// A pod changed.
    PodUpdated,
    /// Pods went.
    PodsRemoved,
    /// A pod has ended.
    PodTerminated,
    /// A pod became smaller.
    PodResized,
    /// Time.
    Periodic,
}

impl Trigger {
    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PodsAdded => "pods_added",
            Self::PodUpdated => "pod_updated",
            Self::PodsRemoved => "pods_removed",
            Self::PodTerminated => "pod_terminated",
            Self::PodResized => "pod_resized",
            Self::Periodic => "periodic_retry",
        }
    }
}
