//! One request over a connection of its own.

use std::path::Path;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;

use super::socket::{SocketError, connect};

/// Why a request got no answer, or only half of one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// Nobody listens.
    #[error(transparent)]
    Connect(#[from] SocketError),
    /// The path is no path.
    #[error("{path:?} cannot be asked for")]
    Request {
        /// Path and query.
        path: String,
        /// Why.
        source: hyper::http::Error,
    },
    /// The connection broke, or the other side does not speak HTTP.
    #[error("the connection to the kubelet broke")]
    Exchange(#[source] hyper::Error),
    /// The body broke off.
    #[error("the answer broke off")]
    Body(#[source] hyper::Error),
    /// The body is no JSON of the kind expected.
    #[error("the answer is not what was asked for")]
    Json(#[source] serde_json::Error),
}

/// Asks for `path`, with further headers; the body is still to be read.
pub(crate) async fn get(
    socket: &Path,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Response<Incoming>, HttpError> {
    ask(socket, Method::GET, path, headers, Bytes::new()).await
}

/// Posts JSON to `path`.
pub(crate) async fn post(
    socket: &Path,
    path: &str,
    json: Vec<u8>,
) -> Result<Response<Incoming>, HttpError> {
    let headers = [("Content-Type", "application/json")];
    ask(socket, Method::POST, path, &headers, json.into()).await
}

async fn ask(
    socket: &Path,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Result<Response<Incoming>, HttpError> {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("Host", "kubelet");
    let request = headers
        .iter()
        .fold(request, |request, (name, value)| {
            request.header(*name, *value)
        })
        .body(Full::new(body))
        .map_err(|source| HttpError::Request {
            path: path.to_owned(),
            source,
        })?;
    let stream = connect(socket).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(HttpError::Exchange)?;
    // Ends with the connection; an error of it reaches the caller through the answer's body.
    tokio::spawn(connection.with_upgrades());
    sender
        .send_request(request)
        .await
        .map_err(HttpError::Exchange)
}

/// The next piece of a body; `None` after the last.
pub(crate) async fn next_chunk(
    answer: &mut Response<Incoming>,
) -> Result<Option<Bytes>, HttpError> {
    while let Some(frame) = answer.body_mut().frame().await {
        if let Ok(data) = frame.map_err(HttpError::Body)?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// The whole body.
pub(crate) async fn whole(answer: Response<Incoming>) -> Result<Bytes, HttpError> {
    let body = answer
        .into_body()
        .collect()
        .await
        .map_err(HttpError::Body)?;
    Ok(body.to_bytes())
}
