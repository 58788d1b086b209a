//! Connecting to a Unix socket, however long its path is.

use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use hyper_util::rt::TokioIo;
use rustix::fs::{Mode, OFlags};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// Why the daemon cannot be reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// There is no socket, or nobody behind it.
    #[error(
        "no node answers on {0}: start one with `podling up`, or name the root of the one that \
         runs with --root"
    )]
    NotRunning(PathBuf),
    /// The socket is root's.
    #[error("{0} belongs to root: run this command as root")]
    Forbidden(PathBuf),
    /// Anything else.
    #[error("cannot connect to {socket}")]
    Socket {
        /// The socket's path.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The connection stands, but not as gRPC.
    #[error("{socket} does not speak gRPC")]
    Protocol {
        /// The socket's path.
        socket: PathBuf,
        /// Why.
        source: tonic::transport::Error,
    },
}

/// Connects to the daemon behind `socket`.
pub(crate) async fn connect(socket: &Path) -> Result<Channel, ConnectError> {
    // Tried once here, because tonic hides the reason why a connector failed.
    open(socket).await.map_err(|error| explain(socket, error))?;
    let path = socket.to_owned();
    let connector = service_fn(move |_| {
        let path = path.clone();
        async move { open(&path).await.map(TokioIo::new) }
    });
    // The name is never resolved: the connector knows where to go.
    let endpoint = Endpoint::from_static("http://podling");
    endpoint
        .connect_with_connector(connector)
        .await
        .map_err(|source| ConnectError::Protocol {
            socket: socket.to_owned(),
            source,
        })
}

/// Opens the socket through its directory: sun_path holds 108 bytes, and a root may be deeper.
pub(crate) async fn open(socket: &Path) -> io::Result<UnixStream> {
    let (Some(parent), Some(name)) = (socket.parent(), socket.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let directory = rustix::fs::open(parent, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let short = format!("/proc/self/fd/{}", directory.as_raw_fd());
    UnixStream::connect(Path::new(&short).join(name)).await
}

fn explain(socket: &Path, source: io::Error) -> ConnectError {
    let socket = socket.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            ConnectError::NotRunning(socket)
        }
        io::ErrorKind::PermissionDenied => ConnectError::Forbidden(socket),
        _ => ConnectError::Socket { socket, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_missing_socket_is_a_node_that_does_not_run() {
        let directory = tempfile::tempdir().unwrap();
        for socket in ["podling.sock", "no/such/directory/podling.sock"] {
            let error = connect(&directory.path().join(socket)).await.unwrap_err();
            assert!(matches!(error, ConnectError::NotRunning(_)), "{error:?}");
            assert!(error.to_string().contains("podling up"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_socket_in_a_very_deep_directory_is_reached() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("d".repeat(100)).join("e".repeat(100));
        std::fs::create_dir_all(&deep).unwrap();
        let handle = std::fs::File::open(&deep).unwrap();
        let short = format!("/proc/self/fd/{}/s", handle.as_raw_fd());
        let _listener = tokio::net::UnixListener::bind(short).unwrap();
        open(&deep.join("s")).await.unwrap();
    }
}
