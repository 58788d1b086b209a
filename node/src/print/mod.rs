//! What a person reads: pure functions from values to text, laid out as kubectl lays it out.
//!
//! ```text
//! pod_status ─► pods ─┐
//! age ─► nodes, events ┴─► rows ─┐
//! form (what -o says) ───────────┼─► printer ─► table, JSON, YAML, paths
//! columns ───────────────────────┘             progress ─► the lines of a pull
//! ```
#![deny(clippy::disallowed_methods)]

pub(crate) mod age;
pub(crate) mod columns;
pub(crate) mod describe;
pub(crate) mod events;
pub(crate) mod form;
pub(crate) mod images;
pub(crate) mod nodes;
pub(crate) mod object;
pub(crate) mod pod_status;
pub(crate) mod pods;
pub(crate) mod printer;
pub(crate) mod progress;
pub(crate) mod rows;
pub(crate) mod size;
pub(crate) mod table;
pub(crate) mod top;

/// How much a table shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Width {
    /// The usual columns.
    #[default]
    Usual,
    /// More of them.
    Wide,
}
