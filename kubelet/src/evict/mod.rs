//! Gives pods up before the node runs short of memory, room on disks or process ids.
//!
//! ```text
//! machine, disks ──► Observations ─┐
//! configuration ───► thresholds ───┴─► Watch ─► pressures ─► conditions of the node, admission
//!                                        └────► due ─► images that nobody uses
//!                                                       └─ not enough ─► rank ─► the first pod fails
//! usage of pods ──► limits of local storage ─────────────────────────► every pod beyond one fails
//! ```
//!
//! What decides is pure; `evictor` looks, asks, and orders.

pub mod admit;
mod candidates;
mod evictor;
mod give_up;
mod local;
mod measure;
mod message;
mod policy;
mod rank;
mod read;
mod signal;
mod standing;
mod threshold;
mod usages;
mod watch;

#[cfg(test)]
mod evictor_tests;
#[cfg(test)]
mod tests;

pub use evictor::{Evictor, Parts, Roll};
pub use policy::{Policy, StorageLimits};
pub use rank::{Candidate, ContainerUsage, Disks, Space, Usage};
pub(crate) use read::space;
pub use signal::{Pressure, Resource, Signal};
pub use standing::Standing;
pub use threshold::{Amount, Threshold, thresholds};
