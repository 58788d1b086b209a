//! The socket of root on this machine: whoever may open it is let in.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::net::UnixStream;
use tracing::warn;

use super::{Local, rest};
use crate::server::guest::Guest;

/// Makes the socket, mode 0600. What is there is left from a kubelet that died: a root has one.
pub(super) fn listen(socket: &Path) -> io::Result<Local> {
    let (Some(directory), Some(name)) = (socket.parent(), socket.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    fs::create_dir_all(directory)?;
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // An address holds 108 bytes, and a root may be deeper.
    let directory = File::open(directory)?;
    let short = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string());
    let listener = Local::bind(short.join(name))?;
    fs::set_permissions(socket, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Listens on the socket.
pub(in crate::server) struct RootDoor(Local);

impl RootDoor {
    pub(super) fn new(listener: Local) -> Self {
        Self(listener)
    }
}

impl Listener for RootDoor {
    type Io = UnixStream;
    type Addr = Guest;

    /// The mode of the socket was set after it was made, so each peer is looked at as well.
    async fn accept(&mut self) -> (UnixStream, Guest) {
        let own = rustix::process::geteuid().as_raw();
        loop {
            match self.0.accept().await {
                Ok((stream, _)) => match stream.peer_cred() {
                    Ok(peer) if peer.uid() == 0 || peer.uid() == own => {
                        return (stream, Guest::Root);
                    }
                    _ => {}
                },
                Err(error) => {
                    warn!(%error, "cannot take a connection");
                    rest().await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Guest> {
        Ok(Guest::Root)
    }
}

impl Connected<IncomingStream<'_, RootDoor>> for Guest {
    fn connect_info(stream: IncomingStream<'_, RootDoor>) -> Self {
        stream.remote_addr().clone()
    }
}
