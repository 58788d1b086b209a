//! Keeps the logs of running containers small: what is full is set aside, and the runtime begins a
//! new file.
//!
//! ```text
//! 0.log                        written
//! 0.log.20260131-120000        the one before, left plain for whoever still reads it
//! 0.log.20260131-110000.gz     older ones, packed; the oldest of too many goes
//! ```
//!
//! A crash at any moment loses nothing: what was not packed to its end is packed again, and a log
//! that was set aside but not begun anew is begun anew in the next round.

mod files;
pub(crate) mod names;
mod plan;
mod policy;
mod rotator;
#[cfg(test)]
mod tests;

pub use policy::Policy;
pub use rotator::Rotator;
