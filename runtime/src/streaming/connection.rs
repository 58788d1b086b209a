//! What every streaming connection has in common: who watches it, and how it ends.
//!
//! ```text
//! user of the streams ends first ─► the writer flushes and says good-bye ─► the client leaves
//! the client leaves first ────────► the user is dropped, and with it what it runs
//! ```

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a connection may be silent.
    pub idle: Duration,
    /// How long a client may take to open the streams that it asked for.
    pub creation: Duration,
    /// How long a client may take to leave once everything has been said.
    pub leave: Duration,
}

impl Limits {
    /// As clients know them.
    pub const USUAL: Self = Self {
        idle: Duration::from_secs(4 * 60 * 60),
        creation: Duration::from_secs(30),
        leave: Duration::from_secs(5),
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::USUAL
    }
}

/// Why a connection has ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Everything was said.
    Finished,
    /// The client has left.
    Left,
    /// The client has broken the protocol.
    Broken(String),
    /// Nothing was heard or said for too long.
    Idle,
}

/// When something was last heard or said.
#[derive(Debug)]
pub(super) struct Activity(Mutex<Instant>);

impl Activity {
    pub(super) fn begin() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    /// Something was.
    pub(super) fn note(&self) {
        *self.last() = Instant::now();
    }

    async fn ceased(&self, limit: Duration) {
        loop {
            let deadline = *self.last() + limit;
            if deadline <= Instant::now() {
                return;
            }
            sleep_until(deadline).await;
        }
    }

    fn last(&self) -> MutexGuard<'_, Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the writer of a connection that nothing more will be said.
#[derive(Clone, Debug, Default)]
pub(super) struct Finishing(CancellationToken);

impl Finishing {
    /// Waits until that is so.
    pub(super) async fn begun(&self) {
        self.0.cancelled().await;
    }
}

/// Lets `user` work with the streams that `transport` carries, until either ends.
pub(super) async fn carry(
    transport: impl Future<Output = Ended>,
    user: impl Future<Output = ()>,
    finishing: Finishing,
    activity: &Activity,
    limits: &Limits,
) -> Ended {
    let mut transport = pin!(async {
        tokio::select! {
            ended = transport => ended,
            () = activity.ceased(limits.idle) => Ended::Idle,
        }
    });
    tokio::select! {
        ended = &mut transport => return ended,
        () = user => {}
    }
    finishing.0.cancel();
    // However it leaves now, everything was said.
    let _ = timeout(limits.leave, transport).await;
    Ended::Finished
}

/// Whoever is at the other end of the socket. Whether it is gone can be seen without reading, which
/// matters while a stream is full and nothing is read.
#[derive(Debug)]
pub(super) struct Peer(Option<OwnedFd>);

impl Peer {
    /// The peer of a socket.
    pub(super) fn of(socket: &TcpStream) -> io::Result<Self> {
        Ok(Self(Some(socket.as_fd().try_clone_to_owned()?)))
    }

    /// The peer of something else, which somebody else watches.
    pub(super) fn unwatched() -> Self {
        Self(None)
    }

    /// What comes of `work`, unless the peer leaves before.
    pub(super) async fn unless_gone<T>(&self, work: impl Future<Output = T>) -> Result<T, Ended> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = self.gone() => Err(Ended::Left),
        }
    }

    async fn gone(&self) {
        // Watched only while somebody waits.
        let watched = self.0.as_ref().map(|fd| {
            let socket = std::net::TcpStream::from(fd.try_clone()?);
            TcpStream::from_std(socket)
        });
        let Some(Ok(watched)) = watched else {
            return std::future::pending().await;
        };
        let interest = Interest::READABLE | Interest::ERROR;
        while let Ok(ready) = watched.ready(interest).await {
            if ready.is_read_closed() || ready.is_error() {
                return;
            }
            // Until the next change, then. Nothing is read: the reader will.
            let nothing = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
            let _ = watched.try_io(Interest::READABLE, nothing);
        }
    }
}
