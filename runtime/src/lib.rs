//! The CRI service: sandboxes, containers, images, network.
//!
//! ARCHITECTURE.md draws how the modules meet.

pub mod app;
pub mod cdi;
pub mod cgroup;
pub mod cri;
pub mod failpoint;
pub mod handler;
pub mod host;
pub mod image;
pub mod launch;
pub mod layout;
pub mod lifecycle;
pub mod metrics;
pub mod model;
pub mod monitor;
pub mod network;
pub mod nri;
pub mod snapshot;
pub mod spec;
pub mod stats;
pub mod store;
pub mod streaming;
pub mod sys;
