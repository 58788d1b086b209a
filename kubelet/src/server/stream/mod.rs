//! `/exec`, `/attach`, `/portForward`: streams between a client and a pod.
//!
//! ```text
//! client ──upgrade──► kubelet ──upgrade──► the runtime's URL
//!        ◄── bytes, both ways, not looked at ──►
//!        ◄── or translated, when the runtime does not speak as the client does ──►
//! ```
//!
//! The kubelet finds out which container is meant and asks the runtime for a URL. What the client and
//! the runtime agree upon (SPDY or WebSocket, and in which version) is between them, as long as they
//! agree.

mod aim;
mod proxy;
mod request;
mod target;
mod translate;

use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::Shown;
use super::query::Query;
use super::refusal::Refusal;
use aim::Aim;

/// What the path names.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Named {
    namespace: String,
    pod: String,
    uid: Option<String>,
    container: Option<String>,
}

/// Runs a command in a container.
pub(super) async fn exec(
    State(shown): State<Shown>,
    Path(named): Path<Named>,
    request: Request,
) -> Result<Response, Refusal> {
    let query = Query::of(request.uri());
    let streams = request::streams(&query)?;
    let pod = target::pod(&shown, &named)?;
    let container = target::container(&shown, &pod, &named).await?;
    let aim = Aim::Exec {
        container,
        command: query.all("command"),
        streams,
    };
    proxy::connect(&aim, request, &shown).await
}

/// Attaches to the process of a container.
pub(super) async fn attach(
    State(shown): State<Shown>,
    Path(named): Path<Named>,
    request: Request,
) -> Result<Response, Refusal> {
    let streams = request::streams(&Query::of(request.uri()))?;
    let pod = target::pod(&shown, &named)?;
    let container = target::container(&shown, &pod, &named).await?;
    let aim = Aim::Attach { container, streams };
    proxy::connect(&aim, request, &shown).await
}

/// Forwards ports of a pod.
pub(super) async fn port_forward(
    State(shown): State<Shown>,
    Path(named): Path<Named>,
    request: Request,
) -> Result<Response, Refusal> {
    let ports = request::ports(&request)?;
    let pod = target::pod(&shown, &named)?;
    let sandbox = target::sandbox(&shown, &pod, &named).await?;
    let aim = Aim::PortForward { sandbox, ports };
    proxy::connect(&aim, request, &shown).await
}

/// Runs a command to its end; its output comes as one body, standard error behind standard output.
pub(super) async fn run(
    State(shown): State<Shown>,
    Path(named): Path<Named>,
    request: Request,
) -> Result<Vec<u8>, Refusal> {
    let query = Query::of(request.uri());
    let words = query.first("cmd").unwrap_or_default();
    let pod = target::pod(&shown, &named)?;
    let container = target::container(&shown, &pod, &named).await?;
    let words = words.split(' ').map(str::to_owned).collect();
    let runtime = &shown.exhibits.runtime;
    let output = runtime
        .exec_sync(container, words, std::time::Duration::ZERO)
        .await?;
    let said = [output.stdout, output.stderr].concat();
    if output.exit_code == 0 {
        return Ok(said);
    }
    let said = String::from_utf8_lossy(&said);
    Err(Refusal::internal(format!(
        "command exited with {}: {said}",
        output.exit_code
    )))
}
