//! Why something is not done that plugins were asked about.

use super::apply::AdjustError;
use super::connection::CallError;
use super::merge::MergeError;

/// Why plugins keep something from being done.
#[derive(Debug, thiserror::Error)]
#[expect(
    private_interfaces,
    reason = "who gets it prints it, and looks no deeper"
)]
pub enum NriError {
    /// A plugin says no.
    #[error("NRI plugin {plugin:?} failed {method}")]
    Plugin {
        /// Which plugin.
        plugin: String,
        /// What it was asked.
        method: &'static str,
        /// What it answered.
        source: CallError,
    },
    /// Plugins want different things.
    #[error("NRI plugins contradict each other")]
    Merge(#[from] MergeError),
    /// A validator says no.
    #[error("validator {plugin:?} rejected container adjustment, reason: {reason}")]
    Rejected {
        /// Which plugin.
        plugin: String,
        /// Why.
        reason: String,
    },
    /// What they want cannot be.
    #[error(transparent)]
    Adjust(#[from] AdjustError),
    /// The runtime stops.
    #[error("the runtime is stopping")]
    Stopping,
}

impl NriError {
    /// Says what went wrong where nobody else does.
    pub fn log(&self) {
        let error = self as &dyn std::error::Error;
        tracing::warn!(error, "an NRI plugin was told, and complains");
    }
}
