//! One stream of a connection, as its users see it, whatever carries it.
//!
//! ```text
//! socket ─► reader ─pipe of one window─► Incoming ─► user
//! socket ◄─ writer ◄──outbox of messages─ Outgoing ◄─ user
//! ```
//!
//! Everything between is bounded: who does not read stalls who writes to him, and nobody else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::window::Window;

/// The most that one message carries.
pub(super) const CHUNK: usize = 16 << 10;
/// Messages that may wait for the writer of a connection.
pub(super) const OUTBOX: usize = 16;

/// What a user of a stream tells the writer of its connection.
#[derive(Debug)]
pub(super) enum Message {
    /// Bytes for the peer.
    Data {
        /// On which stream.
        stream: u32,
        /// At most `CHUNK`.
        bytes: Bytes,
    },
    /// Nothing more follows.
    End {
        /// On which stream.
        stream: u32,
    },
    /// Neither direction is wanted any more.
    Abort {
        /// Which stream.
        stream: u32,
    },
    /// The peer may send this much more.
    Credit {
        /// On which stream.
        stream: u32,
        /// Bytes.
        count: u32,
    },
}

/// The peer does not want what is written to it.
#[derive(Debug, thiserror::Error)]
#[error("the client has left the stream")]
pub(super) struct Gone;

/// The connection's side of a stream.
#[derive(Debug)]
pub(super) struct Ends {
    /// Where received bytes go; `None` once the peer has ended, or when nobody wants them.
    pub(super) pipe: Option<DuplexStream>,
    /// What both sides know.
    pub(super) shared: Arc<Shared>,
}

/// What both sides of a stream know of it.
#[derive(Debug)]
pub(super) struct Shared {
    id: u32,
    window: Mutex<Window>,
    window_grew: Notify,
    reset: CancellationToken,
    has_ended: AtomicBool,
    is_unread: AtomicBool,
}

impl Shared {
    /// Changes the window; whoever waits for it looks again.
    pub(super) fn change_window<T>(&self, change: impl FnOnce(&mut Window) -> T) -> T {
        let changed = change(&mut self.window());
        self.window_grew.notify_one();
        changed
    }

    /// The peer does not want the stream any more.
    pub(super) fn reset(&self) {
        self.reset.cancel();
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        // A change is one addition, whole even after a panic.
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ends {
    /// Whether nobody uses the stream any more.
    pub(super) fn is_over(&self) -> bool {
        let is_unread = self.pipe.is_none() || self.shared.is_unread.load(Ordering::Acquire);
        let has_ended = self.shared.has_ended.load(Ordering::Acquire);
        is_unread && (has_ended || self.shared.reset.is_cancelled())
    }
}

/// A new stream. `buffered` is how much of the peer's bytes may wait for their reader.
pub(super) fn open(
    id: u32,
    buffered: u32,
    window: Window,
    outbox: mpsc::Sender<Message>,
) -> (Ends, Incoming, Outgoing) {
    let (pipe, reader) = duplex(buffered as usize);
    let shared = Arc::new(Shared {
        id,
        window: Mutex::new(window),
        window_grew: Notify::new(),
        reset: CancellationToken::new(),
        has_ended: AtomicBool::new(false),
        is_unread: AtomicBool::new(false),
    });
    let incoming = Incoming {
        shared: Arc::clone(&shared),
        pipe: reader,
        outbox: outbox.clone(),
        owed: 0,
        owed_limit: buffered / 2,
    };
    let outgoing = Outgoing {
        shared: Arc::clone(&shared),
        outbox,
    };
    let ends = Ends {
        pipe: Some(pipe),
        shared,
    };
    (ends, incoming, outgoing)
}

/// What the peer sends on a stream.
#[derive(Debug)]
pub(super) struct Incoming {
    shared: Arc<Shared>,
    pipe: DuplexStream,
    outbox: mpsc::Sender<Message>,
    /// Read, and not yet told to the peer.
    owed: u32,
    owed_limit: u32,
}

impl Incoming {
    /// Reads some bytes; none at the end. May be cancelled: nothing is lost.
    pub(super) async fn read(&mut self, buffer: &mut [u8]) -> usize {
        if self.owed > self.owed_limit {
            let credit = Message::Credit {
                stream: self.shared.id,
                count: self.owed,
            };
            // With the connection gone nobody waits for credit.
            let _ = self.outbox.send(credit).await;
            self.owed = 0;
        }
        let count = self.pipe.read(buffer).await.unwrap_or(0);
        self.owed += u32::try_from(count).expect("no more than one window is buffered");
        count
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.shared.is_unread.store(true, Ordering::Release);
    }
}

/// What is sent to the peer on a stream.
#[derive(Debug)]
pub(super) struct Outgoing {
    shared: Arc<Shared>,
    outbox: mpsc::Sender<Message>,
}

impl Outgoing {
    /// Sends all of `bytes`, as fast as the peer takes them.
    pub(super) async fn write(&mut self, mut bytes: Bytes) -> Result<(), Gone> {
        while !bytes.is_empty() {
            let count = tokio::select! {
                biased;
                () = self.shared.reset.cancelled() => return Err(Gone),
                count = self.reserve(bytes.len().min(CHUNK)) => count,
            };
            let stream = self.shared.id;
            let bytes = bytes.split_to(count);
            self.send(Message::Data { stream, bytes }).await?;
        }
        Ok(())
    }

    /// Says something without bytes.
    pub(super) async fn greet(&mut self) -> Result<(), Gone> {
        let stream = self.shared.id;
        let bytes = Bytes::new();
        self.send(Message::Data { stream, bytes }).await
    }

    /// Ends this direction.
    pub(super) async fn finish(self) {
        let stream = self.shared.id;
        // With the connection gone it has ended anyhow.
        let _ = self.send(Message::End { stream }).await;
    }

    /// Ends both directions.
    pub(super) async fn abort(self) {
        let stream = self.shared.id;
        // With the connection gone it has ended anyhow.
        let _ = self.send(Message::Abort { stream }).await;
    }

    /// Waits until the peer does not want the stream any more.
    pub(super) fn when_reset(&self) -> impl Future<Output = ()> + use<> {
        self.shared.reset.clone().cancelled_owned()
    }

    async fn send(&self, message: Message) -> Result<(), Gone> {
        self.outbox.send(message).await.map_err(|_| Gone)
    }

    async fn reserve(&self, wanted: usize) -> usize {
        loop {
            // Registered before the look, so that no growth is missed.
            let grown = self.shared.window_grew.notified();
            let count = self.shared.window().take(wanted);
            if count > 0 {
                return count;
            }
            grown.await;
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.shared.has_ended.store(true, Ordering::Release);
    }
}
