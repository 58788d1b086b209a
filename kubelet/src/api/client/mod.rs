//! The API server as the kubelet sees it: objects as JSON under their paths, and streams of changes.
//!
//! ```text
//! Client ─► Pace ─┐
//! events ─► Pace ─┼─► Login (files, program) ─► connections, made anew when what they show changes
//! lease ──────────┘
//! ```
//!
//! It stands on the HTTP client that pages and registries are asked with (docs/decisions/0220).

mod count;
mod error;
mod login;
mod pace;
mod program;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, Once};
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Identity, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::sync::watch;

use count::Counter;
pub(crate) use error::ApiError;
pub(super) use login::bytes;
use login::{Login, LoginError, Shown};
pub(super) use pace::Pace;

use super::kubeconfig::Kubeconfig;
use crate::metrics::RestMetrics;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// A connection that has brought nothing for this long is asked for a sign of life.
const SILENCE: Duration = Duration::from_secs(30);

/// How long that sign may take.
const ANSWERS: Duration = Duration::from_secs(15);

/// How long the server may make a request wait.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How often a request is repeated that the server puts off.
const MOST_WAITS: usize = 10;

/// How a patch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patch {
    /// RFC 7386.
    Merge,
    /// The same, with lists whose entries are known by a key.
    Strategic,
}

impl Patch {
    fn content_type(self) -> &'static str {
        match self {
            Self::Merge => "application/merge-patch+json",
            Self::Strategic => "application/strategic-merge-patch+json",
        }
    }
}

/// One client; a clone is the same.
#[derive(Clone)]
pub(crate) struct Client {
    parts: Arc<Parts>,
    pace: Arc<Pace>,
}

/// What those have in common that ask as one, each at a pace of its own.
struct Parts {
    kubeconfig: Kubeconfig,
    login: Login,
    /// Whether there is anything to show yet; without this there is.
    gate: Option<watch::Receiver<bool>>,
    counter: Counter,
    /// The connections, and what they show.
    http: Mutex<Option<(Connected, reqwest::Client)>>,
    /// How often they were made anew.
    epoch: watch::Sender<u64>,
}

/// What connections were made with.
#[derive(Clone)]
struct Connected {
    pem: Option<Arc<Vec<u8>>>,
    authority: Option<(std::time::SystemTime, u64)>,
}

impl Connected {
    fn is(&self, other: &Self) -> bool {
        let is_same = match (&self.pem, &other.pem) {
            (None, None) => true,
            (Some(one), Some(other)) => one == other,
            _ => false,
        };
        is_same && self.authority == other.authority
    }
}

impl Client {
    /// A client that asks so often.
    pub(super) fn new(kubeconfig: Kubeconfig, pace: Pace) -> Self {
        Self::made(kubeconfig, pace, None)
    }

    /// A client that asks nothing before there is something to show, which `gate` says.
    pub(super) fn behind(kubeconfig: Kubeconfig, pace: Pace, gate: watch::Receiver<bool>) -> Self {
        Self::made(kubeconfig, pace, Some(gate))
    }

    fn made(kubeconfig: Kubeconfig, pace: Pace, gate: Option<watch::Receiver<bool>>) -> Self {
        let parts = Parts {
            login: Login::new(kubeconfig.clone()),
            counter: Counter::new(&kubeconfig),
            kubeconfig,
            gate,
            http: Mutex::new(None),
            epoch: watch::Sender::new(0),
        };
        Self {
            parts: Arc::new(parts),
            pace: Arc::new(pace),
        }
    }

    /// The same, whose requests have turns of their own.
    pub(super) fn paced(&self, pace: Pace) -> Self {
        Self {
            parts: Arc::clone(&self.parts),
            pace: Arc::new(pace),
        }
    }

    /// The same for what tells that the node lives, which waits for nobody.
    pub(super) fn unpaced(&self) -> Self {
        self.paced(Pace::new(0, 0))
    }

    /// Looks whether something else is to be shown: if it is, streams that were opened with what was shown
    /// before end, and whoever reads them opens others.
    pub(super) async fn look(&self) -> Result<(), LoginError> {
        let shown = self.parts.login.current().await?;
        self.parts.connections(&shown).map(drop)
    }

    /// Counts requests from now on.
    pub(crate) fn count(&self, metrics: RestMetrics) {
        self.parts.counter.tell(metrics);
    }

    /// Where the server is.
    pub(super) fn server(&self) -> &str {
        &self.parts.kubeconfig.server
    }

    /// The object or the list at a path.
    pub(super) async fn get(&self, path: &str) -> Result<Value, ApiError> {
        self.ask(Method::GET, path, None).await
    }

    /// Makes an object in the collection at a path.
    pub(super) async fn create(&self, path: &str, object: &Value) -> Result<Value, ApiError> {
        let body = Some(("application/json", object));
        self.ask(Method::POST, path, body).await
    }

    /// Puts an object in place of the one at a path.
    pub(super) async fn replace(&self, path: &str, object: &Value) -> Result<Value, ApiError> {
        let body = Some(("application/json", object));
        self.ask(Method::PUT, path, body).await
    }

    /// Changes the object at a path.
    pub(super) async fn patch(
        &self,
        path: &str,
        patch: Patch,
        change: &Value,
    ) -> Result<Value, ApiError> {
        let body = Some((patch.content_type(), change));
        self.ask(Method::PATCH, path, body).await
    }

    /// Removes the object at a path at once, if it is still the one with this UID.
    pub(super) async fn remove(&self, path: &str, uid: &str) -> Result<Value, ApiError> {
        let options = json!({
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "gracePeriodSeconds": 0,
            "preconditions": { "uid": uid },
        });
        self.ask(Method::DELETE, path, Some(("application/json", &options)))
            .await
    }

    /// Opens a stream of changes.
    pub(super) async fn watch(&self, path: &str) -> Result<Changes, ApiError> {
        let ask = describe(&Method::GET, path);
        self.parts.be_let_in(&ask).await?;
        // Heard from before the request is made: what is shown may change while it is.
        let epoch = self.parts.epoch.subscribe();
        let began = self.turn(&Method::GET).await;
        let sent = async {
            let request = self.request(Method::GET, path).await?;
            accepted(send(request, &ask).await?, &ask).await
        };
        let sent = within(TIMEOUT, &ask, sent).await;
        let answer = sent.as_ref().map(drop);
        self.parts.counter.asked(&Method::GET, began, answer);
        let response = sent?;
        Ok(Changes {
            ask,
            epoch,
            response,
            line: Vec::new(),
        })
    }

    /// Asks; again when the server puts it off, and once more when it does not know who asks.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, &Value)>,
    ) -> Result<Value, ApiError> {
        let mut waits = 0;
        let mut is_known = true;
        let ask = describe(&method, path);
        self.parts.be_let_in(&ask).await?;
        loop {
            let began = self.turn(&method).await;
            let once = self.ask_once(method.clone(), path, body);
            let answer = within(TIMEOUT, &ask, once).await;
            let counter = &self.parts.counter;
            counter.asked(&method, began, answer.as_ref().map(drop));
            let error = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if error.is_unauthorized() && is_known {
                is_known = false;
                counter.again(&method, &error);
                self.parts.login.forget().await;
                continue;
            }
            if error.is_unauthorized() {
                return Err(error.because(self.parts.login.trouble().await));
            }
            match error.retry_after() {
                Some(wait) if waits < MOST_WAITS => {
                    waits += 1;
                    counter.again(&method, &error);
                    tokio::time::sleep(wait.min(LONGEST_WAIT)).await;
                }
                _ => return Err(error),
            }
        }
    }

    async fn ask_once(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, &Value)>,
    ) -> Result<Value, ApiError> {
        let ask = describe(&method, path);
        let mut request = self.request(method.clone(), path).await?;
        let mut sent = 0;
        if let Some((kind, body)) = body {
            let body = body.to_string();
            sent = body.len();
            request = request.header(CONTENT_TYPE, kind).body(body);
        }
        let response = accepted(send(request, &ask).await?, &ask).await?;
        let bytes = response.bytes().await.map_err(unreachable(&ask))?;
        self.parts.counter.sizes(&method, sent, bytes.len());
        serde_json::from_slice(&bytes).map_err(|source| ApiError::Nonsense { ask, source })
    }

    async fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, ApiError> {
        let failed = |source: LoginError| ApiError::Login {
            ask: describe(&method, path),
            source,
        };
        let shown = self.parts.login.current().await.map_err(failed)?;
        let http = self.parts.connections(&shown).map_err(failed)?;
        let url = format!("{}{path}", self.parts.kubeconfig.server);
        let mut request = http.request(method, url);
        request = request.header(
            reqwest::header::ACCEPT,
            HeaderValue::from_static("application/json"),
        );
        if let Some(header) = shown.header {
            request = request.header(AUTHORIZATION, header);
        }
        Ok(request)
    }

    /// Waits until a request may be made; when that was.
    async fn turn(&self, method: &Method) -> Instant {
        let waits = Instant::now();
        self.pace.wait().await;
        self.parts.counter.waited(method, waits.elapsed());
        Instant::now()
    }
}

impl Parts {
    /// Waits as long as for an answer for something to show.
    async fn be_let_in(&self, ask: &str) -> Result<(), ApiError> {
        let Some(mut gate) = self.gate.clone() else {
            return Ok(());
        };
        let opened = tokio::time::timeout(TIMEOUT, gate.wait_for(|is_open| *is_open)).await;
        match opened {
            Ok(Ok(_)) => Ok(()),
            _ => Err(ApiError::Login {
                ask: ask.to_owned(),
                source: LoginError::NotIssued,
            }),
        }
    }

    /// Connections that show this; requests under way go on over those that showed something else, and
    /// streams of changes end.
    fn connections(&self, shown: &Shown) -> Result<reqwest::Client, LoginError> {
        let needed = Connected {
            pem: shown.pem.clone(),
            authority: self.kubeconfig.authority.as_ref().and_then(login::version),
        };
        let mut http = self.http.lock().expect("no holder of this lock can panic");
        if let Some((made_with, client)) = http.as_ref()
            && made_with.is(&needed)
        {
            return Ok(client.clone());
        }
        let client = self.connect(&needed)?;
        if http.replace((needed, client.clone())).is_some() {
            self.epoch.send_modify(|epoch| *epoch += 1);
        }
        Ok(client)
    }

    fn connect(&self, needed: &Connected) -> Result<reqwest::Client, LoginError> {
        choose_crypto();
        let kubeconfig = &self.kubeconfig;
        let useless = |what: &str| {
            let what = what.to_owned();
            move |error: reqwest::Error| LoginError::Useless(what, error.into())
        };
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!(
                "kubelet/v1.36.0 podling/",
                env!("CARGO_PKG_VERSION")
            ))
            .connect_timeout(CONNECT)
            .tcp_keepalive(Duration::from_secs(30))
            // All requests and watches are streams of one connection, where the server speaks HTTP/2;
            // a server that went without a word is noticed as upstream's kubelet does.
            .http2_keep_alive_interval(SILENCE)
            .http2_keep_alive_timeout(ANSWERS)
            .redirect(Policy::none());
        if let Some(authority) = &kubeconfig.authority {
            let what = "the server's certificate authority";
            let all = Certificate::from_pem_bundle(&bytes(authority)?).map_err(useless(what))?;
            builder = builder.tls_certs_only(all);
        } else if kubeconfig.server.starts_with("http://") {
            builder = builder.tls_certs_only([]);
        }
        if kubeconfig.insecure {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        if let Some(pem) = &needed.pem {
            let identity = Identity::from_pem(pem);
            builder = builder.identity(identity.map_err(useless("the client certificate"))?);
        }
        builder
            .build()
            .map_err(useless("what the kubeconfig says of TLS"))
    }
}

fn choose_crypto() {
    static PROVIDER: Once = Once::new();
    // Somebody else in the process may have chosen the same one before.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

/// A client that shows nothing, and trusts whom the machine trusts.
pub(super) fn plain() -> Result<reqwest::Client, reqwest::Error> {
    choose_crypto();
    let builder = reqwest::Client::builder().connect_timeout(CONNECT);
    builder.timeout(TIMEOUT).build()
}

/// A stream of changes.
pub(super) struct Changes {
    ask: String,
    /// Whether its connection shows what is to be shown.
    epoch: watch::Receiver<u64>,
    response: Response,
    /// What has come of the next line.
    line: Vec<u8>,
}

impl Changes {
    /// The next change; nothing once the server has ended the stream, or something else is to be shown.
    /// Nothing is lost when it is cancelled.
    pub(super) async fn next(&mut self) -> Result<Option<Value>, ApiError> {
        loop {
            if let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
                let rest = self.line.split_off(end + 1);
                let line = std::mem::replace(&mut self.line, rest);
                let change = serde_json::from_slice(&line);
                return change.map(Some).map_err(|source| ApiError::Nonsense {
                    ask: self.ask.clone(),
                    source,
                });
            }
            // What has come and is not read is told again by the next stream.
            let chunk = tokio::select! {
                Ok(()) = self.epoch.changed() => return Ok(None),
                chunk = self.response.chunk() => chunk,
            };
            match chunk.map_err(unreachable(&self.ask))? {
                Some(bytes) => self.line.extend_from_slice(&bytes),
                None => return Ok(None),
            }
        }
    }
}

fn describe(method: &Method, path: &str) -> String {
    let path = path.split('?').next().unwrap_or(path);
    format!("{method} {path}")
}

async fn send(request: RequestBuilder, ask: &str) -> Result<Response, ApiError> {
    request.send().await.map_err(unreachable(ask))
}

/// The URL of an error is known from what was asked.
fn unreachable(ask: &str) -> impl FnOnce(reqwest::Error) -> ApiError {
    let ask = ask.to_owned();
    move |error| ApiError::Unreachable {
        ask,
        source: error.without_url().into(),
    }
}

async fn within<T>(
    patience: Duration,
    ask: &str,
    work: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, ApiError> {
    let late = |_| ApiError::Unreachable {
        ask: ask.to_owned(),
        source: format!("nothing came for {patience:?}").into(),
    };
    tokio::time::timeout(patience, work).await.map_err(late)?
}

/// The answer, unless it is a refusal.
async fn accepted(response: Response, ask: &str) -> Result<Response, ApiError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let seconds = response.headers().get(RETRY_AFTER);
    let seconds = seconds.and_then(|value| value.to_str().ok()?.parse().ok());
    // Only a server in between answers with something else than a Status.
    let body = response.bytes().await.unwrap_or_default();
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |field: &str| said[field].as_str().filter(|text| !text.is_empty());
    Err(ApiError::Refused {
        ask: ask.to_owned(),
        code: status.as_u16(),
        reason: text("reason").unwrap_or_default().to_owned(),
        message: text("message").map_or_else(|| status.to_string(), str::to_owned),
        retry_after: seconds.map(Duration::from_secs),
    })
}
