//! Images end to end: real and lying registries, archives, restarts. Needs root.
#![expect(
    clippy::unwrap_used,
    reason = "in what only tests call, a panic is the failure"
)]

mod accounts;
mod archive;
mod credentials;
mod full_disk;
mod honest;
mod hosts;
mod import;
mod interrupted;
mod leases;
mod lies;
mod node;
mod pull;
mod registry;
mod scripted;
mod tls;

use std::time::Duration;

/// This machine's architecture in Go's names.
const ARCH: &str = if cfg!(target_arch = "aarch64") {
    "arm64"
} else {
    "amd64"
};

/// An error with everything below it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Waits until `is_so`, for at most ten seconds.
async fn wait_until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !is_so().await {
        assert!(
            tokio::time::Instant::now() < deadline,
            "never happened: {what}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
