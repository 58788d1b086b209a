//! One connection to a monitor, as tokio waits for it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use tokio::io::Interest;
use tokio::net::UnixStream;

use crate::monitor::error::MonitorError;
use crate::monitor::protocol::Reply;
use crate::monitor::wire::{self, Message};

/// A connection to a monitor.
#[derive(Debug)]
pub(super) struct Connection {
    run_dir: PathBuf,
    /// SEQPACKET in truth: tokio only watches it, `wire` reads and writes.
    socket: UnixStream,
}

impl Connection {
    /// Over a socket that does not block.
    pub(super) fn over(run_dir: &Path, socket: OwnedFd) -> Result<Self, MonitorError> {
        let lost = |source| MonitorError::Lost {
            run_dir: run_dir.to_owned(),
            source,
        };
        Ok(Self {
            run_dir: run_dir.to_owned(),
            socket: UnixStream::from_std(socket.into()).map_err(lost)?,
        })
    }

    /// Sends a message with descriptors.
    pub(super) async fn send<T: serde::Serialize>(
        &self,
        body: &T,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), MonitorError> {
        self.socket
            .async_io(Interest::WRITABLE, || {
                wire::send(self.socket.as_fd(), body, fds)
            })
            .await
            .map_err(|source| self.lost(source))
    }

    /// The next reply. May be cancelled and called again.
    pub(super) async fn receive(&self) -> Result<Reply, MonitorError> {
        Ok(self.receive_message().await?.body)
    }

    /// The next reply with its descriptors. May be cancelled and called again.
    pub(super) async fn receive_message(&self) -> Result<Message<Reply>, MonitorError> {
        let received = self
            .socket
            .async_io(Interest::READABLE, || wire::receive(self.socket.as_fd()))
            .await;
        match received {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
            Err(source) => Err(self.lost(source)),
        }
    }

    /// Waits until the other side has closed.
    pub(super) async fn closed(&self) -> Result<(), MonitorError> {
        match self.receive().await {
            Ok(other) => Err(unexpected(other)),
            Err(_) => Ok(()),
        }
    }

    /// The error of a connection that broke.
    pub(super) fn lost(&self, source: io::Error) -> MonitorError {
        MonitorError::Lost {
            run_dir: self.run_dir.clone(),
            source,
        }
    }
}

/// The error that a reply is which does not answer the request.
pub(super) fn unexpected(reply: Reply) -> MonitorError {
    match reply {
        Reply::NoContainer { message } => MonitorError::NoContainer(message),
        Reply::Failed { message } => MonitorError::Failed(message),
        other => MonitorError::Failed(format!(
            "the monitor gave an answer that does not fit: {other:?}"
        )),
    }
}
