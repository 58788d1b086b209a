//! The node agent: from pod sources to CRI calls and back to pod status.
//!
//! ```text
//! source ──► sync ──► plan ──► execute ──► cri
//!              ▲                            │
//!              └────────── pleg ◄───────────┘
//! ```
//!
//! `plan`, `status` and `model` decide and describe; they do nothing. `sync` owns one task per pod
//! and asks them.
#![forbid(unsafe_code)]

pub mod cri;
pub mod event;
mod host;
mod labels;
pub mod model;
pub mod plan;
pub mod resource;
pub mod source;
pub mod status;
pub mod sync;
