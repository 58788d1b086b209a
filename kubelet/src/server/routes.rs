//! Which paths each door has.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Router, middleware};
use http::{StatusCode, Uri};
use tracing::debug;

use crate::metrics::{Door, RequestMetrics};
use crate::pleg;

use super::guest::{Gate, admit};
use super::query::Query;
use super::refusal::Refusal;
use super::{
    Debugging, Exhibits, Shown, change, events, healthz, json, logs, pods, running, stats, stream,
    system_logs, watch,
};

/// Everything, for who is let in.
pub(super) fn admitted(shown: Shown, debugging: Debugging, gate: Gate) -> Router {
    let below = match debugging {
        Debugging::On => streams().merge(switched_off()),
        Debugging::Off => debugging_off(),
    };
    let requests = shown.exhibits.metrics.requests().clone();
    let router = common().merge(below).with_state(shown);
    let router = router.layer(middleware::from_fn_with_state(Arc::new(gate), admit));
    router.layer(middleware::from_fn_with_state(
        (requests, Door::ReadWrite),
        count,
    ))
}

/// What changes nothing.
pub(super) fn read_only(shown: Shown) -> Router {
    let requests = shown.exhibits.metrics.requests().clone();
    let router = common().merge(debugging_off()).with_state(shown);
    router.layer(middleware::from_fn_with_state(
        (requests, Door::ReadOnly),
        count,
    ))
}

/// Whether the kubelet lives.
pub(super) fn healthz(shown: Shown) -> Router {
    health().with_state(shown)
}

fn health() -> Router<Shown> {
    Router::new()
        .route("/healthz", get(healthz::all))
        .route("/healthz/{check}", get(healthz::one))
}

fn common() -> Router<Shown> {
    health()
        .route("/pods", get(pods::list))
        .route("/pods/", get(pods::list))
        .route("/events", get(events::list))
        .route("/node", get(node))
        .route("/stats/summary", get(stats::summary))
        .route("/metrics", get(metrics))
        .route("/metrics/cadvisor", get(stats::cadvisor))
        .route("/metrics/probes", get(probe_metrics))
        .route("/metrics/resource", get(stats::resource))
}

/// Paths of a pod, and of a pod with its UID.
fn streams() -> Router<Shown> {
    let exec = get(stream::exec).post(stream::exec);
    let attach = get(stream::attach).post(stream::attach);
    let port_forward = get(stream::port_forward).post(stream::port_forward);
    Router::new()
        .route("/exec/{namespace}/{pod}/{container}", exec.clone())
        .route("/exec/{namespace}/{pod}/{uid}/{container}", exec)
        .route("/attach/{namespace}/{pod}/{container}", attach.clone())
        .route("/attach/{namespace}/{pod}/{uid}/{container}", attach)
        .route("/portForward/{namespace}/{pod}", port_forward.clone())
        .route("/portForward/{namespace}/{pod}/{uid}", port_forward)
        .route("/run/{namespace}/{pod}/{container}", post(stream::run))
        .route(
            "/run/{namespace}/{pod}/{uid}/{container}",
            post(stream::run),
        )
        .route(
            "/containerLogs/{namespace}/{pod}/{container}",
            get(logs::stream),
        )
        .route("/runningpods/", get(running::list))
        .route("/configz", get(configz))
        .route("/pods/{namespace}/{pod}/restart", post(change::restart))
        .route(
            "/pods/{namespace}/{pod}/ephemeralcontainers",
            post(change::add),
        )
}

/// What upstream serves and this kubelet may not, or does not: its own words for it.
fn switched_off() -> Router<Shown> {
    let refuse = |words: &'static str| any(async move || off(words));
    Router::new()
        .route("/logs", any(system_logs::to_top))
        .route("/logs/", get(system_logs::top))
        .route("/logs/{*path}", get(system_logs::below))
        .route("/debug/pprof/", refuse("profiling endpoint is disabled."))
        .route(
            "/debug/pprof/{*path}",
            refuse("profiling endpoint is disabled."),
        )
        .route("/debug/flags/v", refuse("flags endpoint is disabled."))
}

fn debugging_off() -> Router<Shown> {
    let paths = [
        "run",
        "exec",
        "attach",
        "portForward",
        "containerLogs",
        "debug/pprof",
        "logs",
    ];
    let refuse = || any(async || off("Debug endpoints are disabled."));
    let below = |router: Router<Shown>, path: &&str| {
        let router = router.route(&format!("/{path}/"), refuse());
        router.route(&format!("/{path}/{{*path}}"), refuse())
    };
    paths
        .iter()
        .fold(Router::new(), below)
        .route("/runningpods/", refuse())
}

pub(super) fn off(words: &str) -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, format!("{words}\n"))
}

/// What an API server would have: the v1 Node of this kubelet.
async fn node(State(shown): State<Shown>, uri: Uri) -> Response {
    let query = Query::of(&uri);
    if watch::is_asked(&query) {
        return watch::node(shown, &query);
    }
    json(&shown.exhibits.portrait.object().await).into_response()
}

async fn configz(State(shown): State<Shown>) -> impl IntoResponse {
    let configuration = shown.exhibits.configuration.as_ref();
    json(&serde_json::json!({ "kubeletconfig": configuration }))
}

/// Counts a request while it is answered.
async fn count(
    State((requests, door)): State<(RequestMetrics, Door)>,
    request: Request,
    next: Next,
) -> Response {
    let _asked = requests.asked(door, request.method().as_str(), request.uri().path());
    next.run(request).await
}

async fn metrics(State(shown): State<Shown>) -> stats::Text {
    let Exhibits {
        metrics,
        figures,
        runtime,
        ..
    } = &shown.exhibits;
    if let Err(error) = pleg::count(runtime.as_ref(), metrics).await {
        debug!(%error, "what runs cannot be counted");
    }
    stats::text(metrics.text() + &figures.kubelet_metrics().await)
}

async fn probe_metrics(State(shown): State<Shown>) -> stats::Text {
    stats::text(shown.exhibits.metrics.probes().text())
}
