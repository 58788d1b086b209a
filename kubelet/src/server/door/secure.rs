//! The port with TLS. Handshakes go on beside each other: a client that dawdles keeps nobody waiting.

use std::io;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tracing::{debug, warn};

use super::rest;
use crate::server::guest::Guest;
use crate::server::tls::Handshake;

/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Handshakes at one time; who comes then waits in the kernel's queue.
const MOST: usize = 128;

type Shaken = Option<(TlsStream<TcpStream>, Guest)>;

/// Listens on the port.
pub(in crate::server) struct SecureDoor {
    listener: TcpListener,
    handshake: Handshake,
    shaking: JoinSet<Shaken>,
}

impl SecureDoor {
    pub(super) fn new(listener: TcpListener, handshake: Handshake) -> Self {
        Self {
            listener,
            handshake,
            shaking: JoinSet::new(),
        }
    }

    pub(super) fn listener(&self) -> &TcpListener {
        &self.listener
    }

    fn begin(&mut self, stream: TcpStream) {
        let handshake = self.handshake.clone();
        self.shaking.spawn(async move {
            match timeout(PATIENCE, handshake.shake(stream)).await {
                Ok(Ok(shaken)) => Some(shaken),
                Ok(Err(error)) => {
                    debug!(%error, "a TLS handshake failed");
                    None
                }
                Err(_) => None,
            }
        });
    }
}

impl Listener for SecureDoor {
    type Io = TlsStream<TcpStream>;
    type Addr = Guest;

    async fn accept(&mut self) -> (TlsStream<TcpStream>, Guest) {
        loop {
            let has_room = self.shaking.len() < MOST;
            // Neither arm has taken anything when the other wins.
            tokio::select! {
                Some(shaken) = self.shaking.join_next() => if let Ok(Some(shaken)) = shaken {
                    return shaken;
                },
                taken = self.listener.accept(), if has_room => match taken {
                    Ok((stream, _)) => self.begin(stream),
                    Err(error) => {
                        warn!(%error, "cannot take a connection");
                        rest().await;
                    }
                },
            }
        }
    }

    fn local_addr(&self) -> io::Result<Guest> {
        Ok(Guest::Nobody)
    }
}

impl Connected<IncomingStream<'_, SecureDoor>> for Guest {
    fn connect_info(stream: IncomingStream<'_, SecureDoor>) -> Self {
        stream.remote_addr().clone()
    }
}
