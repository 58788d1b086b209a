//! Another machine with this node's name (docs/decisions/0237): it lives as long as it renews its lease.

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use super::lease::LEASES;
use crate::api::client::{ApiError, Client};

/// How long a lease is looked at that does not say how long it counts, and at most.
const LONGEST: u64 = 40;

/// Why the Node is not registered.
#[derive(Debug, thiserror::Error)]
pub(super) enum RegisterError {
    /// The API server does not do it.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Somebody else has the name.
    #[error(
        "a Node with name {name:?} exists, and its machine ({machine}) is another one that lives: give \
         this machine another name (--node-name), or end that one"
    )]
    Twin {
        /// The name.
        name: String,
        /// The id of who has it.
        machine: String,
    },
}

impl RegisterError {
    /// There is no such Node.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Api(error) if error.is_not_found())
    }
}

/// Whether the lease of a node is renewed: it is looked at twice, for clocks of two machines differ.
pub(super) async fn lives(client: &Client, name: &str) -> Result<bool, ApiError> {
    let path = format!("{LEASES}/{name}");
    let before = match client.get(&path).await {
        Ok(lease) => lease,
        Err(error) if error.is_not_found() => return Ok(false),
        Err(error) => return Err(error),
    };
    // It is renewed each quarter of its duration.
    let seconds = before["spec"]["leaseDurationSeconds"].as_u64();
    sleep(Duration::from_secs(seconds.unwrap_or(LONGEST).clamp(2, LONGEST)) / 2).await;
    let renewed = |lease: &Value| lease["spec"]["renewTime"].clone();
    match client.get(&path).await {
        Ok(after) => Ok(renewed(&after) != renewed(&before)),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}
