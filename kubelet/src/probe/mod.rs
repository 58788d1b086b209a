//! Asks containers how they do: one try of a probe, one file a way.
//!
//! ```text
//! sync/probing ──try──► ContainerProber ──┬─ exec   a command, over CRI
//!                                         ├─ http   a page
//!                                         ├─ tcp    a connection
//!                                         └─ grpc   the health service
//! ```
//!
//! When to try and what the answers mean is decided by `sync/probing`. What an answer says is told
//! in the words that other kubelets use, because people search for them.

mod exec;
mod failure;
mod grpc;
pub(crate) mod http;
mod memory;
mod metrics;
mod prober;
mod tcp;
#[cfg(test)]
mod tests;

pub use metrics::ProbeMetrics;
pub use prober::ContainerProber;

/// The version of Kubernetes in the names under which probes and hooks call.
const AS_KUBERNETES: &str = "1.36";

/// No more of an answer is read.
const LONGEST_ANSWER: usize = 10 << 10;
