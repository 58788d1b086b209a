//! The read-only HTTP server: what this kubelet runs, and what it says.
//!
//! It listens on loopback, in plain HTTP, and changes nothing: whoever may reach the loopback
//! interface may read it.

mod events;
mod healthz;
mod logs;
mod pods;
mod table;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use table::PodTable;

use crate::event::EventLog;
use crate::layout::Layout;
use crate::metrics::Metrics;
use crate::pulse::Pulse;

/// What the server shows.
#[derive(Clone)]
pub struct Exhibits {
    /// Pods with their status.
    pub pods: Arc<PodTable>,
    /// What happened to them.
    pub events: Arc<EventLog>,
    /// Numbers.
    pub metrics: Metrics,
    /// Whether the kubelet lives.
    pub pulse: Pulse,
    /// Where the logs are.
    pub layout: Layout,
}

#[derive(Clone)]
struct Shown {
    exhibits: Exhibits,
    /// Ends the logs that are followed.
    shutdown: CancellationToken,
}

/// Serves until `shutdown`.
pub async fn serve(
    listener: TcpListener,
    exhibits: Exhibits,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let shown = Shown {
        exhibits,
        shutdown: shutdown.clone(),
    };
    axum::serve(listener, router(shown))
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}

fn router(shown: Shown) -> Router {
    Router::new()
        .route("/healthz", get(healthz::healthz))
        .route("/pods", get(pods::list))
        .route("/pods/", get(pods::list))
        .route("/events", get(events::list))
        .route("/metrics", get(metrics))
        .route(
            "/containerLogs/{namespace}/{pod}/{container}",
            get(logs::stream),
        )
        .with_state(shown)
}

async fn metrics(State(shown): State<Shown>) -> ([(http::HeaderName, &'static str); 1], String) {
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    (
        [(http::header::CONTENT_TYPE, TYPE)],
        shown.exhibits.metrics.text(),
    )
}

/// A JSON answer.
fn json(object: &impl serde::Serialize) -> ([(http::HeaderName, &'static str); 1], Vec<u8>) {
    let body = serde_json::to_vec(object).expect("API objects have only text keys");
    ([(http::header::CONTENT_TYPE, "application/json")], body)
}
