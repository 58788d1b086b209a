//! Whether a pod may run on this node, when it is first seen: pure, with upstream's words.
//!
//! ```text
//! pod, pods that are in, node ─► sysctls ─► system ─► room, labels, ports ─► AppArmor, features ─► in
//!                                                          │ (critical and only room is missing)
//!                                                          └─► victims
//! ```
//!
//! A refused pod has failed for good: only a changed manifest, which is another pod, is asked anew.
#![deny(clippy::disallowed_methods)]

mod affinity;
mod amounts;
mod decide;
mod features;
mod fit;
mod node;
mod ports;
mod preempt;
mod sysctl;

#[cfg(test)]
mod tests;

pub use amounts::{Amounts, asked_for};
pub use decide::{Admission, Question, Refusal, Stage, decide};
pub(crate) use fit::shortage;
pub use node::{AppArmor, GroupPolicies, NodeFacts};
