//! What a person reads: pure functions from values to text, laid out as kubectl lays it out.
//!
//! ```text
//! pod_status ─┐
//! age ────────┼─► pods ─► table ─► text        object ─► JSON, YAML
//! size ───────┴─► images ─┘                    progress ─► the lines of a pull
//! ```
#![deny(clippy::disallowed_methods)]

pub(crate) mod age;
pub(crate) mod describe;
pub(crate) mod events;
pub(crate) mod images;
pub(crate) mod nodes;
pub(crate) mod object;
pub(crate) mod pod_status;
pub(crate) mod pods;
pub(crate) mod progress;
pub(crate) mod size;
pub(crate) mod table;
pub(crate) mod top;
