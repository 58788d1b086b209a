//! The gRPC edge: decode, one call of the lifecycle or the image store, encode.
//!
//! The only place that knows the contract's types. `decode` and `encode` are pure; `status` maps every
//! error to a gRPC code; the services hold no state.

mod decode;
mod encode;
mod events;
mod filter;
mod image_service;
mod info;
mod node_service;
mod runtime_service;
mod server;
mod signal;
mod status;
mod streaming;

pub use server::{ServeError, serve};
