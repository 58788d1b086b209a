//! Which pods have what that nobody else has: devices, CPUs. Told to programs of the machine that watch it.
//!
//! ```text
//! pods that are in ─────────┐
//! books of devices and CPUs ┴─► listing (pure) ─► wire ─► pod-resources/kubelet.sock
//! ```

mod limit;
mod listing;
mod wire;

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::device;
use crate::metrics::ListingMetrics;
use crate::pinning;
use crate::sync::Tenants;

/// The name of the socket.
const SOCKET: &str = "kubelet.sock";

/// Who knows what there is to tell.
#[derive(Clone)]
pub struct Sources {
    /// Who has which device.
    pub devices: Arc<device::Desk>,
    /// Who has which CPUs for himself.
    pub pinning: Arc<pinning::Desk>,
    /// The pods that are in.
    pub tenants: watch::Receiver<Tenants>,
    /// Where it is counted who asks.
    pub metrics: ListingMetrics,
}

/// Answers by a socket in a directory until `stop`.
pub async fn run(directory: &Path, sources: Sources, stop: CancellationToken) {
    let served = match listen(directory) {
        Ok(listener) => wire::serve(listener, sources, stop).await,
        Err(error) => {
            let directory = directory.display();
            warn!(%error, %directory, "nobody can be told which pods have which devices");
            return stop.cancelled().await;
        }
    };
    if let Err(error) = served {
        warn!(%error, "nobody is told any more which pods have which devices");
    }
    // What is gone is what is wanted.
    let _ = std::fs::remove_file(directory.join(SOCKET));
}

fn listen(directory: &Path) -> io::Result<UnixListener> {
    crate::socket::make_directory(directory)?;
    crate::socket::bind(&directory.join(SOCKET))
}
