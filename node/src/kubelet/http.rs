//! One GET over a TCP connection of its own.

use std::io;
use std::net::SocketAddr;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Why a request got no answer, or only half of one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// Nobody listens.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The path is no path.
    #[error("{path:?} cannot be asked for")]
    Request {
        /// Path and query.
        path: String,
        /// Why.
        source: hyper::http::Error,
    },
    /// The connection broke, or the other side does not speak HTTP.
    #[error("the connection to {address} broke")]
    Exchange {
        /// With whom.
        address: SocketAddr,
        /// Why.
        source: hyper::Error,
    },
    /// The body broke off.
    #[error("the answer broke off")]
    Body(#[source] hyper::Error),
    /// The body is no JSON of the kind expected.
    #[error("the answer is not what was asked for")]
    Json(#[source] serde_json::Error),
}

/// Asks `address` for `path`; the body is still to be read.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<Response<Incoming>, HttpError> {
    let request = Request::get(path)
        .header("Host", address.to_string())
        .body(Empty::<Bytes>::new())
        .map_err(|source| HttpError::Request {
            path: path.to_owned(),
            source,
        })?;
    let stream = TcpStream::connect(address).await;
    let stream = stream.map_err(|source| HttpError::Connect { address, source })?;
    let broken = |source| HttpError::Exchange { address, source };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    // Ends with the connection; an error of it reaches the caller through the answer's body.
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(broken)
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
