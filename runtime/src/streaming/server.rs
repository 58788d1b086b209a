//! The HTTP server behind the URLs of Exec, Attach and PortForward.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming as Body;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::http::{Method, StatusCode};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::connection::{Ended, Limits, Peer};
use super::serve::{self, Command};
use super::sessions::{Call, PortForwardCall, Sessions};
use super::tokens::{Tokens, TooManyInFlight};
use super::upgrade::{self, Accepted, Refused};
use crate::metrics::SessionKind;
use crate::sys::random;

/// Connections that have not become streams yet. Anybody on this machine can open one.
const HANDSHAKES: usize = 128;
/// How long a client may take for its request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the request of a client may be.
const HEADER_LIMIT: usize = 16 << 10;
/// How long nothing is accepted after accepting has failed, for want of descriptors most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("listen for streams on {address}")]
pub struct ListenError {
    /// Where.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

/// Makes URLs for calls that were checked.
#[derive(Clone, Debug)]
pub struct Urls {
    address: SocketAddr,
    tokens: Arc<Mutex<Tokens>>,
}

impl Urls {
    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A URL that works once and soon.
    pub fn issue(&self, call: Call) -> Result<String, TooManyInFlight> {
        let kind = kind(&call);
        let now = Instant::now();
        let token = lock(&self.tokens).insert(now, random::bytes(), call)?;
        Ok(format!("http://{}/{kind}/{token}", self.address))
    }

    /// The call that the path of a request means, which has worked then.
    fn redeem(&self, path: &str) -> Option<Call> {
        let (wanted, token) = path.strip_prefix('/')?.split_once('/')?;
        let call = lock(&self.tokens).take(Instant::now(), token)?;
        (kind(&call) == wanted).then_some(call)
    }
}

fn kind(call: &Call) -> &'static str {
    match call {
        Call::Exec(_) => "exec",
        Call::Attach(_) => "attach",
        Call::PortForward(_) => "portforward",
    }
}

fn lock(tokens: &Mutex<Tokens>) -> MutexGuard<'_, Tokens> {
    // Every change is one insertion or removal, whole even after a panic.
    tokens.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    urls: Urls,
}

impl Server {
    /// Listens on `address`; port 0 takes a free one.
    pub async fn listen(address: SocketAddr) -> Result<Self, ListenError> {
        let failed = |source| ListenError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let tokens = Arc::default();
        Ok(Self {
            listener,
            urls: Urls { address, tokens },
        })
    }

    /// What makes the URLs of this server.
    pub fn urls(&self) -> Urls {
        self.urls.clone()
    }

    /// Serves until `shutdown`, which ends every stream.
    pub async fn serve(
        self,
        sessions: Arc<dyn Sessions>,
        limits: Limits,
        shutdown: CancellationToken,
    ) {
        let tasks = TaskTracker::new();
        let desk = Arc::new(Desk {
            urls: self.urls,
            sessions,
            limits,
            tasks: tasks.clone(),
            shutdown: shutdown.clone(),
        });
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
        let accepting = async {
            loop {
                let Ok(place) = Arc::clone(&handshakes).acquire_owned().await else {
                    return;
                };
                match self.listener.accept().await {
                    Ok((socket, _)) => {
                        let handshake = Arc::clone(&desk).handshake(socket);
                        let shutdown = shutdown.clone();
                        tasks.spawn(async move {
                            shutdown.run_until_cancelled(handshake).await;
                            drop(place);
                        });
                    }
                    Err(error) => {
                        debug!(%error, "a streaming connection was not accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        shutdown.run_until_cancelled(accepting).await;
        tasks.close();
        tasks.wait().await;
    }
}

/// What every connection works with.
struct Desk {
    urls: Urls,
    sessions: Arc<dyn Sessions>,
    limits: Limits,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Desk {
    /// Speaks HTTP until the connection becomes streams or ends.
    async fn handshake(self: Arc<Self>, socket: TcpStream) {
        let _ = socket.set_nodelay(true);
        let peer = match Peer::of(&socket) {
            Ok(peer) => Mutex::new(Some(peer)),
            Err(error) => return debug!(%error, "a streaming connection cannot be watched"),
        };
        let service = service_fn(|request| {
            let peer = peer.lock().unwrap_or_else(PoisonError::into_inner).take();
            std::future::ready(Ok::<_, Infallible>(self.answer(request, peer)))
        });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(HEADER_LIMIT)
            .serve_connection(TokioIo::new(socket), service)
            .with_upgrades()
            .await;
        if let Err(error) = served {
            debug!(%error, "a streaming request broke off");
        }
    }

    fn answer(&self, mut request: Request<Body>, peer: Option<Peer>) -> Response<Full<Bytes>> {
        if ![Method::GET, Method::POST].contains(request.method()) {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "GET or POST is expected");
        }
        let (Some(call), Some(peer)) = (self.urls.redeem(request.uri().path()), peer) else {
            return plain(StatusCode::NOT_FOUND, "404 page not found");
        };
        let upgrade = hyper::upgrade::on(&mut request);
        let begun = match call {
            Call::Exec(call) => self.command(&request, upgrade, peer, Command::Exec(call)),
            Call::Attach(call) => self.command(&request, upgrade, peer, Command::Attach(call)),
            Call::PortForward(call) => self.port_forward(&request, upgrade, peer, call),
        };
        match begun {
            Ok(headers) => {
                let mut response = Response::new(Full::default());
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                *response.headers_mut() = headers;
                response
            }
            Err(refused) => {
                let mut response = plain(refused.status, &refused.message);
                for (name, value) in refused.headers {
                    response.headers_mut().append(name, value);
                }
                response
            }
        }
    }

    fn command(
        &self,
        request: &Request<Body>,
        upgrade: OnUpgrade,
        peer: Peer,
        command: Command,
    ) -> Result<HeaderMap, Refused> {
        let Accepted { transport, headers } = upgrade::remote_command(request.headers())?;
        let (limits, sessions) = (self.limits, Arc::clone(&self.sessions));
        let kind = match command {
            Command::Exec(_) => SessionKind::Exec,
            Command::Attach(_) => SessionKind::Attach,
        };
        self.spawn(kind, async move {
            let Ok(io) = upgrade.await else {
                return Ended::Left;
            };
            let io = TokioIo::new(io);
            serve::command(io, peer, transport, &limits, command, &*sessions).await
        });
        Ok(headers)
    }

    fn port_forward(
        &self,
        request: &Request<Body>,
        upgrade: OnUpgrade,
        peer: Peer,
        call: PortForwardCall,
    ) -> Result<HeaderMap, Refused> {
        let Accepted { transport, headers } = upgrade::port_forward(request.headers())?;
        let numbers = match call.ports.is_empty() {
            true => upgrade::ports_of(request.uri().query())?,
            false => call.ports,
        };
        let pod = self
            .sessions
            .ports(&call.sandbox)
            .map_err(|error| Refused {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                message: error.to_string(),
                headers: Vec::new(),
            })?;
        let limits = self.limits;
        self.spawn(SessionKind::PortForward, async move {
            let Ok(io) = upgrade.await else {
                return Ended::Left;
            };
            let io = TokioIo::new(io);
            serve::ports(io, peer, transport, &limits, numbers, pod.into()).await
        });
        Ok(headers)
    }

    fn spawn(&self, kind: SessionKind, session: impl Future<Output = Ended> + Send + 'static) {
        let shutdown = self.shutdown.clone();
        let underway = self.sessions.underway(kind);
        self.tasks.spawn(async move {
            let _underway = underway;
            if let Some(ended) = shutdown.run_until_cancelled(session).await {
                debug!(?ended, "a streaming session has ended");
            }
        });
    }
}

fn plain(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(format!("{message}\n")));
    *response.status_mut() = status;
    // One request a connection: a token works once.
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    response
}
