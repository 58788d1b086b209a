//! The pod lifecycle event generator: tells the sync loop which pods changed in the runtime.
//!
//! ```text
//! GetContainerEvents ──► generator ──► RuntimeChanged(uid)
//! relist ──► snapshot ──►    │    ──► Relisted(all pods)
//!                            └ slow while events flow, each second without them
//! ```
//!
//! A change only says where to look. What the pod looks like is asked for by its worker, through
//! [`RuntimeObserver`], so a late event can never bring an old picture back.

mod generator;
mod last_words;
mod leftovers;
mod logged;
mod observer;
mod snapshot;
#[cfg(test)]
mod tests;

pub use generator::{Generator, Intervals, Parts};
pub use observer::RuntimeObserver;
