//! The heart: from a pod and what the runtime shows of it to what has to happen now.
//!
//! ```text
//! Pod ────────────┐
//! PodObservation ─┼─► compute_pod_actions ─► PodActions
//! probes, now,  ───┘     sandbox · init · restart · resize · reset · probe · ephemeral · kill · collect
//! backoff
//! ```
//!
//! One question a file. Nothing here waits, reads or writes; the same input gives the same plan.
#![deny(clippy::disallowed_methods)]

mod actions;
mod asked;
mod backoff;
mod collect;
mod deadline;
mod ephemeral;
mod init;
mod kill;
mod probe;
mod reset;
mod resize;
mod restart;
mod sandbox;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use actions::{Situation, compute_pod_actions};
pub use asked::restart_asked;
pub use backoff::{CrashBackoff, LONGEST_BACKOFF};
pub use collect::{Keep, remove_everything};
pub use deadline::{deadline_of, start_time};
pub use init::{InitProgress, init_progress};
pub use kill::{DEFAULT_GRACE, end_pod, stop_for_good, time_to_stop};
pub use probe::{has_started, is_ready};
pub use reset::makes_all_anew;
pub use resize::is_resizing;
pub use restart::{restarts_after, wants_restart};
pub use sandbox::has_done_its_work;
