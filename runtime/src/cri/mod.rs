//! The gRPC edge: decode, one call of the lifecycle or the image store, encode.
//!
//! The only place that knows the contract's types. `decode` and `encode` are pure; `status` maps every
//! error to a gRPC code; the services hold no state.

mod calls;
mod deadline;
mod decode;
mod encode;
mod events;
mod exec_sync;
mod filter;
mod image_service;
mod info;
mod list;
mod metrics;
mod node_service;
mod runtime_service;
mod runtime_status;
mod server;
mod signal;
mod stats;
mod status;
mod streaming;
mod streams;
mod update;

pub use server::{ServeError, Services, serve};
