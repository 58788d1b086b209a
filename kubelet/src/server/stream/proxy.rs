//! One client's connection, tied to one of the runtime's.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::HOST;
use http::{StatusCode, Uri};
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tracing::debug;

use super::request::is_upgrade;
use crate::server::Shown;
use crate::server::refusal::Refusal;

/// Passes the request on to the runtime's URL, and ties the two connections together once it has
/// agreed. What it answers instead goes back to the client.
pub(super) async fn connect(
    url: String,
    mut request: Request,
    shown: &Shown,
) -> Result<Response, Refusal> {
    if !is_upgrade(&request) {
        return Err(Refusal::bad_request("Upgrade request required"));
    }
    let to_client = hyper::upgrade::on(&mut request);
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
    // Ends with the stream that is taken from it below, or with the answer's body.
    tokio::spawn(connection.with_upgrades());

    let mut answer = sender
        .send_request(passed_on(&request, &uri))
        .await
        .map_err(|error| broken(&error))?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(answer.map(Body::new));
    }
    let to_runtime = hyper::upgrade::on(&mut answer);
    let shutdown = shown.shutdown.clone();
    // Ends with either side, or with the server.
    tokio::spawn(async move {
        tokio::select! {
            // A stream that is cut off here ends with this process all the same.
            () = shutdown.cancelled() => {}
            () = async {
                if let (Ok(client), Ok(runtime)) = tokio::join!(to_client, to_runtime) {
                    tie(client, runtime).await;
                }
            } => {}
        }
    });
    let (parts, _) = answer.into_parts();
    Ok(Response::from_parts(parts, Body::empty()))
}

/// The same request, to the runtime's path.
fn passed_on(request: &Request, uri: &Uri) -> Request {
    let mut passed = Request::new(Body::empty());
    *passed.method_mut() = request.method().clone();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    *passed.uri_mut() = path.parse().expect("the path of a URI is one");
    *passed.headers_mut() = request.headers().clone();
    let host = uri.authority().map_or("", |authority| authority.as_str());
    if let Ok(host) = host.parse() {
        passed.headers_mut().insert(HOST, host);
    }
    passed
}

async fn tie(client: Upgraded, runtime: Upgraded) {
    let (mut client, mut runtime) = (TokioIo::new(client), TokioIo::new(runtime));
    if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut runtime).await {
        debug!(%error, "a stream broke off");
    }
}
