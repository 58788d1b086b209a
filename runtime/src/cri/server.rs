//! The socket that the contract is served on.

use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use podling_proto::podling::v1::node_server::NodeServer;
use podling_proto::runtime::v1::image_service_server::ImageServiceServer;
use podling_proto::runtime::v1::runtime_service_server::RuntimeServiceServer;
use tokio::net::UnixListener;
use tokio::time::sleep;
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use super::calls::Calls;
use super::deadline::Deadlines;
use super::exec_sync::WithExecSync;
use super::image_service::Images;
use super::node_service::Node;
use super::runtime_service::Runtime;
use super::stats::Statistics;
use crate::lifecycle::Lifecycle;
use crate::stats::Stats;
use crate::streaming::Urls;

/// The largest message that is taken or sent: what the kubelet allows for lists.
pub(super) const MESSAGE_LIMIT: usize = 16 << 20;
/// Room for both 16 MiB streams of an ExecSync answer.
pub(super) const ANSWER_LIMIT: usize = 2 * MESSAGE_LIMIT + (1 << 20);

/// How long calls that are underway may take to end once the runtime stops: a command that a client
/// waits for may never.
const LAST_CALLS: Duration = Duration::from_secs(10);

/// Why the socket cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The socket cannot be made.
    #[error("listen on {path}", path = path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Serving broke off.
    #[error("serve the CRI")]
    Serve(#[from] tonic::transport::Error),
}

/// What the services are served with.
#[derive(Debug)]
pub struct Services {
    /// What is done with pods.
    pub lifecycle: Lifecycle,
    /// Where streams are asked for.
    pub urls: Urls,
    /// Where metrics are served, if anywhere.
    pub metrics_address: Option<SocketAddr>,
    /// What pods use.
    pub stats: Stats,
}

/// Serves both services on `socket` (mode 0600) until `shutdown`. The caller holds the daemon's lock,
/// so a socket that is there already is left from a dead one.
pub async fn serve(
    socket: &Path,
    services: Services,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let listener = listen(socket).map_err(|source| ServeError::Listen {
        path: socket.to_owned(),
        source,
    })?;
    let Services {
        lifecycle,
        urls,
        metrics_address,
        stats,
    } = services;
    let calls = Calls(lifecycle.parts().metrics.clone());
    let images = Images {
        images: Arc::clone(&lifecycle.parts().images),
        lifecycle: lifecycle.clone(),
    };
    let node = NodeServer::new(Node {
        images: Arc::clone(&lifecycle.parts().images),
    });
    let execs = lifecycle.clone();
    let statistics = Statistics {
        lifecycle: lifecycle.clone(),
        stats,
    };
    let runtime = Runtime {
        lifecycle,
        urls,
        metrics_address,
        statistics,
    };
    let runtime = RuntimeServiceServer::new(runtime)
        .max_decoding_message_size(MESSAGE_LIMIT)
        .max_encoding_message_size(MESSAGE_LIMIT);
    let runtime = WithExecSync {
        inner: runtime,
        lifecycle: execs,
    };
    let images = ImageServiceServer::new(images)
        .max_decoding_message_size(MESSAGE_LIMIT)
        .max_encoding_message_size(MESSAGE_LIMIT);
    let serving = Server::builder()
        .layer(calls)
        .layer(Deadlines)
        .add_service(runtime)
        .add_service(images)
        .add_service(node)
        .serve_with_incoming_shutdown(
            UnixListenerStream::new(listener),
            shutdown.clone().cancelled_owned(),
        );
    let cut_off = async {
        shutdown.cancelled().await;
        sleep(LAST_CALLS).await;
    };
    tokio::select! {
        served = serving => served?,
        // What is cut off is recorded step by step, or belongs to a command that ends with it.
        () = cut_off => tracing::info!("calls that were underway for long are cut off"),
    }
    Ok(())
}

fn listen(socket: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Nobody can connect between bind and chmod: the directory is only root's.
    let listener = UnixListener::bind(socket)?;
    fs::set_permissions(socket, Permissions::from_mode(0o600))?;
    Ok(listener)
}
