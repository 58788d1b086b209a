//! Makes the runtime run what is desired: one loop that hands out, one worker task per pod.
//!
//! ```text
//! sources ─┐                    ┌─► worker ─► observe, plan, act, publish
//! pleg ────┼─► inbox ─► loop ───┼─► worker ◄─► probing (a task per probe)
//! app ─────┘        (roster)    └─► worker
//! ```

mod inbox;
mod orders;
mod pace;
mod probing;
mod roster;
mod seam;
mod sync_loop;
mod tenants;
mod worker;
mod world;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

use inbox::Report;
pub use inbox::{Input, Life, RuntimePod};
pub use pace::Pace;
pub use seam::{
    Additions, Allocations, Clock, EventRecorder, Executor, ObserveError, Observer, Prober,
    StatusSink, SystemClock, TerminateError,
};
pub use sync_loop::run;
pub use tenants::Tenants;
pub use world::{Roles, World};
