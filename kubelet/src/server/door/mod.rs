//! Where the server listens.
//!
//! ```text
//! secure      TLS, everything, to whom is known               10250
//! read-only   plain, what the pods are and use                10255
//! healthz     plain, whether the kubelet lives                10248
//! socket      everything, to root on this machine: the podling command
//! ```

mod root;
mod secure;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::net::{TcpListener, UnixListener};

pub(super) use root::RootDoor;
pub(super) use secure::SecureDoor;

use super::tls::{Handshake, TlsError, TlsSettings};

/// Where a server shall listen; port 0 takes any.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    /// With TLS.
    pub secure: Option<SocketAddr>,
    /// What the pods are, in plain HTTP.
    pub read_only: Option<SocketAddr>,
    /// Whether the kubelet lives, in plain HTTP.
    pub healthz: Option<SocketAddr>,
    /// For root on this machine.
    pub socket: Option<PathBuf>,
}

/// Why a server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// An address is not to be had.
    #[error("cannot listen on {address}")]
    Address {
        /// Which.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The socket cannot be made.
    #[error("cannot listen on {path}", path = path.display())]
    Socket {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// TLS cannot be served.
    #[error("cannot serve on {address}")]
    Tls {
        /// Where.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: TlsError,
    },
}

/// A server's listeners.
pub struct Doors {
    pub(super) secure: Option<SecureDoor>,
    pub(super) read_only: Option<TcpListener>,
    pub(super) healthz: Option<TcpListener>,
    pub(super) socket: Option<RootDoor>,
}

impl Doors {
    /// Listens everywhere, or nowhere.
    pub async fn open(addresses: &Addresses, tls: &TlsSettings) -> Result<Self, ListenError> {
        let secure = match addresses.secure {
            Some(address) => {
                let handshake =
                    Handshake::new(tls).map_err(|source| ListenError::Tls { address, source })?;
                Some(SecureDoor::new(listen(address).await?, handshake))
            }
            None => None,
        };
        let read_only = match addresses.read_only {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let healthz = match addresses.healthz {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let socket = match &addresses.socket {
            Some(path) => {
                let listener = root::listen(path).map_err(|source| ListenError::Socket {
                    path: path.clone(),
                    source,
                })?;
                Some(RootDoor::new(listener))
            }
            None => None,
        };
        Ok(Self {
            secure,
            read_only,
            healthz,
            socket,
        })
    }

    /// The addresses that were got: with TLS, read-only, healthz.
    pub fn addresses(&self) -> [Option<SocketAddr>; 3] {
        let of = |listener: &TcpListener| listener.local_addr().ok();
        [
            self.secure.as_ref().and_then(|door| of(door.listener())),
            self.read_only.as_ref().and_then(of),
            self.healthz.as_ref().and_then(of),
        ]
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| ListenError::Address { address, source })
}

/// After an accept that failed, which is when descriptors run out: not at once again.
async fn rest() {
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
}

/// What is needed of the socket's listener.
type Local = UnixListener;
