//! One client's connection, tied to one of the runtime's: as they are when both agree, and translated
//! when the runtime does not speak as the client does.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::{
    CONNECTION, HOST, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    UPGRADE,
};
use http::{HeaderValue, Method, StatusCode, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use podling_streams::websocket;
use tokio::net::TcpStream;
use tracing::debug;

use super::aim::Aim;
use super::request::{TUNNEL, is_upgrade, translatable};
use super::translate;
use crate::cri::StreamSet;
use crate::server::Shown;
use crate::server::refusal::Refusal;

/// What is spoken on SPDY's streams: the last version that every runtime knows.
const PROCESS: HeaderValue = HeaderValue::from_static("v4.channel.k8s.io");
const STREAM_VERSION: HeaderName = HeaderName::from_static("x-stream-protocol-version");

/// How the two are tied together.
enum Tie {
    Plain,
    Translated(Option<StreamSet>),
}

/// Passes the request on to the runtime's URL, and ties the two connections together once it has
/// agreed. What it answers instead goes back to the client, unless it can be spoken to otherwise.
pub(super) async fn connect(
    aim: &Aim,
    mut request: Request,
    shown: &Shown,
) -> Result<Response, Refusal> {
    if !is_upgrade(&request) {
        // A runtime that cannot be asked says so first.
        aim.url(shown.exhibits.runtime.as_ref()).await?;
        return Err(Refusal::bad_request("Upgrade request required"));
    }
    let to_client = hyper::upgrade::on(&mut request);
    let request = request.map(drop);
    let answer = ask(aim, shown, |uri| passed_on(&request, uri)).await?;
    if has_agreed(&request, &answer) {
        let (parts, _) = tie(to_client, answer, Tie::Plain, shown).into_parts();
        return Ok(Response::from_parts(parts, Body::empty()));
    }
    let Some(protocol) = translatable(&request) else {
        return Ok(answer.map(Body::new));
    };
    let answer = ask(aim, shown, |uri| in_spdy(protocol, uri)).await?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(answer.map(Body::new));
    }
    let agreed = agreement(&request, protocol)?;
    tie(to_client, answer, Tie::Translated(aim.streams()), shown);
    Ok(agreed)
}

/// A runtime that knows none of a client's languages may agree to the upgrade all the same.
fn has_agreed(request: &http::Request<()>, answer: &Response<Incoming>) -> bool {
    let is_switched = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
    is_switched
        && (translatable(request).is_none()
            || answer.headers().contains_key(SEC_WEBSOCKET_PROTOCOL))
}

/// Asks the runtime for a URL, and there for an upgrade.
async fn ask(
    aim: &Aim,
    shown: &Shown,
    request: impl FnOnce(&Uri) -> Request,
) -> Result<Response<Incoming>, Refusal> {
    let url = aim.url(shown.exhibits.runtime.as_ref()).await?;
    let broken = |error: &dyn std::fmt::Display| {
        Refusal::internal(format!("error dialing backend: {error}"))
    };
    let uri: Uri = url.parse().map_err(|error| broken(&error))?;
    let authority = uri
        .authority()
        .ok_or_else(|| broken(&"the URL has no address"))?;
    let stream = TcpStream::connect((authority.host(), authority.port_u16().unwrap_or(80)));
    let stream = stream.await.map_err(|error| broken(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(&error))?;
    // Ends with the stream that is taken from it, or with the answer's body.
    tokio::spawn(connection.with_upgrades());
    let answer = sender.send_request(request(&uri)).await;
    answer.map_err(|error| broken(&error))
}

/// Ties the connections together; they end with either side, or with the server.
fn tie(
    to_client: hyper::upgrade::OnUpgrade,
    mut answer: Response<Incoming>,
    tie: Tie,
    shown: &Shown,
) -> Response<Incoming> {
    let to_runtime = hyper::upgrade::on(&mut answer);
    let shutdown = shown.shutdown.clone();
    tokio::spawn(async move {
        let both = async {
            let (Ok(client), Ok(runtime)) = tokio::join!(to_client, to_runtime) else {
                return;
            };
            match tie {
                Tie::Plain => copy(client, runtime).await,
                Tie::Translated(streams) => {
                    let (client, runtime) = (TokioIo::new(client), TokioIo::new(runtime));
                    translate::run(client, runtime, streams).await;
                }
            }
        };
        tokio::select! {
            // A stream that is cut off here ends with this process all the same.
            () = shutdown.cancelled() => {}
            () = both => {}
        }
    });
    answer
}

/// The same request, to the runtime's path.
fn passed_on(request: &http::Request<()>, uri: &Uri) -> Request {
    let mut passed = at(uri, request.method().clone());
    let host = passed.headers_mut().remove(HOST);
    *passed.headers_mut() = request.headers().clone();
    if let Some(host) = host {
        passed.headers_mut().insert(HOST, host);
    }
    passed
}

/// A request for what the client wants, in SPDY.
fn in_spdy(protocol: &str, uri: &Uri) -> Request {
    let mut request = at(uri, Method::POST);
    let spoken = protocol.strip_prefix(TUNNEL).map(HeaderValue::from_str);
    let version = spoken.and_then(Result::ok).unwrap_or(PROCESS);
    let headers = request.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("SPDY/3.1"));
    headers.insert(STREAM_VERSION, version);
    request
}

fn at(uri: &Uri, method: Method) -> Request {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = method;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse().expect("the path of a URI is one");
    let host = uri.authority().map_or("", |authority| authority.as_str());
    if let Ok(host) = host.parse() {
        request.headers_mut().insert(HOST, host);
    }
    request
}

/// What a WebSocket client hears whose language is translated.
fn agreement(request: &http::Request<()>, protocol: &str) -> Result<Response, Refusal> {
    let key = request.headers().get(SEC_WEBSOCKET_KEY);
    let key = key.and_then(|key| key.to_str().ok());
    let key = key.ok_or_else(|| Refusal::bad_request("a WebSocket handshake has a key"))?;
    let response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_ACCEPT, websocket::accept(key))
        .header(SEC_WEBSOCKET_PROTOCOL, protocol);
    let response = response.body(Body::empty());
    Ok(response.expect("each header is one of the client's, or plain ASCII"))
}

async fn copy(client: Upgraded, runtime: Upgraded) {
    let (mut client, mut runtime) = (TokioIo::new(client), TokioIo::new(runtime));
    if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut runtime).await {
        debug!(%error, "a stream broke off");
    }
}
