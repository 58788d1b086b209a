//! One plugin's socket: calls in both directions over one stream of bytes.
//!
//! ```text
//! call ──► frames ──► socket ──► frames ──► answers ──► whoever called
//!                        └─────► requests ─► the plugin's session
//! ```
//!
//! One task owns the socket. It reads and writes at the same time, so that a plugin which does
//! neither harms only its own calls, and ends with the first thing that a plugin must not send.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use podling_proto::ttrpc;
use prost::Message as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::codec::{self, CodecError, Decoder, Kind, LONGEST_DATA, Message, PLUGIN, RUNTIME};

/// Requests of a plugin that may wait; one that sends more does not wait for answers.
const WAITING_REQUESTS: usize = 64;
/// How much is read at once.
const PIECE: usize = 16 << 10;

/// gRPC codes that are sent or told apart.
pub(super) mod code {
    /// The request makes no sense.
    pub(in crate::nri) const INVALID_ARGUMENT: i32 = 3;
    /// There is no such method.
    pub(in crate::nri) const UNIMPLEMENTED: i32 = 12;
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The connection is gone.
    #[error("the connection is closed")]
    Closed,
    /// It took too long.
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The answer is none.
    #[error("the answer cannot be understood")]
    Garbled(#[from] prost::DecodeError),
    /// The request cannot be sent.
    #[error("the request has {0} bytes, more than the 4 MiB that can be sent")]
    TooLong(usize),
    /// The plugin says no.
    #[error("{message}")]
    Refused {
        /// A gRPC code.
        code: i32,
        /// Why.
        message: String,
    },
}

impl CallError {
    /// Whether the plugin is not to be called again.
    pub(super) fn is_fatal(&self) -> bool {
        matches!(self, Self::Closed | Self::TimedOut(_) | Self::Garbled(_))
    }
}

/// A call of the plugin's.
#[derive(Debug)]
pub(super) struct Request {
    /// What it is answered under.
    pub(super) stream: u32,
    /// The service that is meant.
    pub(super) service: String,
    /// The method that is meant.
    pub(super) method: String,
    /// The encoded request.
    pub(super) payload: Vec<u8>,
}

/// How a call of the plugin's is answered.
pub(super) type Outcome = Result<Vec<u8>, ttrpc::Status>;

/// A plugin's socket, as others hold it. Dropping the last one does not close it; `close` does.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    outgoing: mpsc::UnboundedSender<Bytes>,
    waiting: Mutex<HashMap<u32, oneshot::Sender<ttrpc::Response>>>,
    last_stream: AtomicU32,
    closed: CancellationToken,
}

/// Takes a socket over: the calls of the plugin come out of the receiver, which ends with the
/// connection.
pub(super) fn open(
    socket: UnixStream,
    tasks: &TaskTracker,
) -> (Connection, mpsc::Receiver<Request>) {
    let (outgoing, to_write) = mpsc::unbounded_channel();
    let (requests, incoming) = mpsc::channel(WAITING_REQUESTS);
    let shared = Arc::new(Shared {
        outgoing,
        waiting: Mutex::default(),
        last_stream: AtomicU32::new(1),
        closed: CancellationToken::new(),
    });
    tasks.spawn(run(socket, Arc::clone(&shared), to_write, requests));
    (Connection { shared }, incoming)
}

impl Connection {
    /// Calls a method of the plugin with an encoded request; gives the encoded answer.
    pub(super) async fn call(
        &self,
        service: &str,
        method: &str,
        payload: Vec<u8>,
        limit: Duration,
    ) -> Result<Vec<u8>, CallError> {
        let request = ttrpc::Request {
            service: service.to_owned(),
            method: method.to_owned(),
            payload,
            timeout_nano: i64::try_from(limit.as_nanos()).unwrap_or(0),
            metadata: Vec::new(),
        };
        let data = request.encode_to_vec();
        if data.len() > LONGEST_DATA {
            return Err(CallError::TooLong(data.len()));
        }
        let (answer, answered) = oneshot::channel();
        let stream = self.shared.last_stream.fetch_add(2, Ordering::Relaxed);
        self.shared.waiting().insert(stream, answer);
        self.shared.send(PLUGIN, stream, Kind::Request, data);
        let outcome = self.answer(answered, limit).await;
        self.shared.waiting().remove(&stream);
        outcome
    }

    async fn answer(
        &self,
        answered: oneshot::Receiver<ttrpc::Response>,
        limit: Duration,
    ) -> Result<Vec<u8>, CallError> {
        let response = tokio::select! {
            // Cancelling loses nothing: nobody else wants the answer.
            answered = timeout(limit, answered) => answered
                .map_err(|_| CallError::TimedOut(limit))?
                .map_err(|_| CallError::Closed)?,
            () = self.shared.closed.cancelled() => return Err(CallError::Closed),
        };
        match response.status {
            Some(status) if status.code != 0 => Err(CallError::Refused {
                code: status.code,
                message: status.message,
            }),
            _ => Ok(response.payload),
        }
    }

    /// Answers a call of the plugin's.
    pub(super) fn reply(&self, stream: u32, outcome: Outcome) {
        let response = match outcome {
            Ok(payload) => ttrpc::Response {
                status: None,
                payload,
            },
            Err(status) => ttrpc::Response {
                status: Some(status),
                payload: Vec::new(),
            },
        };
        let data = response.encode_to_vec();
        self.shared.send(RUNTIME, stream, Kind::Response, data);
    }

    /// Ends the connection; every call that waits fails.
    pub(super) fn close(&self) {
        self.shared.closed.cancel();
    }

    /// Whether it has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.shared.closed.is_cancelled()
    }
}

impl Shared {
    fn send(&self, connection: u32, stream: u32, kind: Kind, data: Vec<u8>) {
        let message = Message {
            stream,
            kind,
            data: data.into(),
        };
        // Nobody writes any more: then `closed` is set, and whoever waits sees that.
        let _ = self.outgoing.send(codec::encode(connection, &message));
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u32, oneshot::Sender<ttrpc::Response>>> {
        // Every change is one insertion or removal, whole even after a panic.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the plugin has closed it")]
    ByPeer,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error("a message cannot be understood")]
    Garbled(#[from] prost::DecodeError),
    #[error("a message of kind {0:?} came on connection {1}")]
    Unexpected(Kind, u32),
    #[error("it sends requests without waiting for answers")]
    Flood,
}

async fn run(
    socket: UnixStream,
    shared: Arc<Shared>,
    to_write: mpsc::UnboundedReceiver<Bytes>,
    requests: mpsc::Sender<Request>,
) {
    let (reading, writing) = socket.into_split();
    let ended = tokio::select! {
        // Cancelling loses nothing: the connection is not used after it.
        () = shared.closed.cancelled() => return,
        ended = read(reading, &shared, &requests) => ended,
        ended = write(writing, to_write) => ended,
    };
    shared.closed.cancel();
    shared.waiting().clear();
    if let Err(why) = ended
        && !matches!(why, Ended::ByPeer)
    {
        tracing::warn!(%why, "the connection to an NRI plugin broke");
    }
}

async fn read(
    mut socket: OwnedReadHalf,
    shared: &Shared,
    requests: &mpsc::Sender<Request>,
) -> Result<(), Ended> {
    let mut decoder = Decoder::default();
    let mut piece = vec![0; PIECE];
    loop {
        let length = socket.read(&mut piece).await?;
        if length == 0 {
            return Err(Ended::ByPeer);
        }
        decoder.feed(&piece[..length]);
        while let Some(received) = decoder.next()? {
            let Message { stream, kind, data } = received.message;
            match (received.connection, kind) {
                (PLUGIN, Kind::Response) => {
                    let response = ttrpc::Response::decode(data)?;
                    if let Some(waiting) = shared.waiting().remove(&stream) {
                        // Whoever called may have given up.
                        let _ = waiting.send(response);
                    }
                }
                (RUNTIME, Kind::Request) => {
                    let request = request(stream, ttrpc::Request::decode(data)?);
                    requests.try_send(request).map_err(|_| Ended::Flood)?;
                }
                (connection, kind) => return Err(Ended::Unexpected(kind, connection)),
            }
        }
    }
}

fn request(stream: u32, request: ttrpc::Request) -> Request {
    Request {
        stream,
        service: request.service,
        method: request.method,
        payload: request.payload,
    }
}

async fn write(
    mut socket: OwnedWriteHalf,
    mut to_write: mpsc::UnboundedReceiver<Bytes>,
) -> Result<(), Ended> {
    while let Some(bytes) = to_write.recv().await {
        socket.write_all(&bytes).await?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
