//! What a pod's status says: the v1 `PodStatus` that kubectl's users know, word for word.
//!
//! ```text
//! Pod, PodObservation ─► containers ─► phase ─► conditions ─► PodStatus
//! ```
//!
//! Pure: the previous status is an argument, for the times at which conditions changed and because
//! a pod that has ended never comes back.
#![deny(clippy::disallowed_methods)]

mod conditions;
mod containers;
mod ended;
mod generate;
mod heed;
mod particulars;
mod phase;
mod whole;

#[cfg(test)]
mod tests;

pub use ended::{Ended, newly_ended};
pub use generate::{Facts, StatusInput, generate};
pub use heed::{comes_and_goes, heeded, is_own_condition};
pub use phase::Phase;
