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

mod addition;
pub mod admit;
pub mod allocation;
pub mod api;
pub mod app;
mod causes;
pub mod certificate;
pub mod collect;
pub mod config;
pub mod credential;
pub mod cri;
pub mod csi;
pub mod device;
pub mod event;
pub mod evict;
pub mod execute;
mod host;
mod labels;
pub mod layout;
mod log_links;
mod logs;
pub mod metrics;
pub mod model;
pub mod node;
pub mod oom;
pub mod pinning;
pub mod plan;
pub mod pleg;
mod plugin;
pub mod pod_resources;
pub mod probe;
pub mod pulled;
pub mod pulse;
pub mod resource;
pub mod rotate;
mod scraped;
pub mod server;
pub mod shutdown;
mod socket;
pub mod source;
pub mod status;
pub mod store;
pub mod summary;
pub mod sync;
pub mod volume;
mod watched;
pub mod whole;
pub mod yaml;
