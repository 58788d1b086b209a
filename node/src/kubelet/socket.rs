//! Where the kubelet of a root listens for root on this machine.

use std::io;
use std::path::{Path, PathBuf};

use podling_runtime::layout::Layout;
use tokio::net::UnixStream;

use crate::cri;

/// Why the kubelet cannot be reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    /// There is no socket, or nobody behind it.
    #[error(
        "no kubelet answers on {0}: start one with `podling up`, or name the root of the one that \
         runs with --root"
    )]
    NotRunning(PathBuf),
    /// The socket is root's.
    #[error("{0} belongs to root: run this command as root")]
    Forbidden(PathBuf),
    /// Anything else.
    #[error("cannot connect to {socket}")]
    Connect {
        /// The socket's path.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The socket of this root's kubelet.
pub(crate) fn socket(layout: &Layout) -> PathBuf {
    layout.run_dir().join("kubelet.sock")
}

/// The file in which the kubelet of this root notes the addresses of its ports.
pub(crate) fn address_file(layout: &Layout) -> PathBuf {
    layout.run_dir().join("kubelet.json")
}

/// Connects to the kubelet behind `socket`.
pub(crate) async fn connect(socket: &Path) -> Result<UnixStream, SocketError> {
    let opened = cri::open(socket).await;
    opened.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            SocketError::NotRunning(socket.to_owned())
        }
        io::ErrorKind::PermissionDenied => SocketError::Forbidden(socket.to_owned()),
        _ => SocketError::Connect {
            socket: socket.to_owned(),
            source,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_missing_socket_is_a_kubelet_that_does_not_run() {
        let directory = tempfile::tempdir().unwrap();
        let error = connect(&directory.path().join("kubelet.sock"))
            .await
            .unwrap_err();
        assert!(matches!(error, SocketError::NotRunning(_)), "{error:?}");
    }
}
