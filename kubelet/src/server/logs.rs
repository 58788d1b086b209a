//! `/containerLogs/{namespace}/{pod}/{container}`: a container's log as plain text.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1 as core;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::Shown;
use super::query::Query;
use super::table::container_status;
use crate::logs::line::Stream;
use crate::logs::{LogFile, LogOptions, StreamChoice, newest, previous, send};
use crate::model::{ContainerName, PodName, PodUid};

/// Chunks on their way to a slow reader.
const QUEUE: usize = 16;

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub(super) enum LogError {
    #[error("{{\"message\": \"Unable to decode query.\"}}")]
    Undecodable,
    #[error("{{\"message\": \"Invalid request.\"}}")]
    Invalid,
    #[error("pod {0:?} does not exist")]
    NoSuchPod(String),
    #[error("container {container:?} not found in pod {pod:?}")]
    NoSuchContainer { container: String, pod: String },
    #[error("previous terminated container {container:?} in pod {pod:?} not found")]
    NoPrevious { container: String, pod: String },
    #[error("container {container:?} in pod {pod:?} is waiting to start: {reason}")]
    NotStarted {
        container: String,
        pod: String,
        reason: String,
    },
    #[error("invalid stream type {0:?}")]
    NoSuchStream(String),
    #[error("cannot look for the log: {0}")]
    Unreadable(#[from] std::io::Error),
}

impl IntoResponse for LogError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NoSuchPod(_) | Self::NoSuchContainer { .. } => StatusCode::NOT_FOUND,
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unreadable(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Undecodable
            | Self::NoPrevious { .. }
            | Self::NotStarted { .. }
            | Self::NoSuchStream(_) => StatusCode::BAD_REQUEST,
        };
        (status, self.to_string()).into_response()
    }
}

pub(super) async fn stream(
    State(shown): State<Shown>,
    Path((namespace, pod, container)): Path<(String, String, String)>,
    uri: Uri,
) -> Result<Response, LogError> {
    let query = Query::of(&uri);
    let wants_previous = query.is_on("previous");
    let options = options(&query, Timestamp::now())?;
    let (uid, manifest) = shown
        .exhibits
        .pods
        .named(&namespace, &pod)
        .ok_or_else(|| LogError::NoSuchPod(pod.clone()))?;
    if !has_container(&manifest, &container) {
        return Err(LogError::NoSuchContainer { container, pod });
    }
    let directory = shown.exhibits.layout.container_log(
        &PodName::new(&namespace, &pod),
        &uid,
        &ContainerName::from(container.as_str()),
    );
    let file = if wants_previous {
        let file = previous(&directory).await?;
        file.ok_or_else(|| LogError::NoPrevious {
            container: container.clone(),
            pod,
        })?
    } else {
        let file = newest(&directory).await?;
        file.ok_or_else(|| not_started(&manifest, &container, pod))?
    };
    Ok(respond(shown, uid, container, file, options))
}

fn respond(
    shown: Shown,
    uid: PodUid,
    container: String,
    file: LogFile,
    options: LogOptions,
) -> Response {
    let (chunks, taken) = mpsc::channel(QUEUE);
    let pods = shown.exhibits.pods;
    // Ends with its listener, with the container, or with the server.
    tokio::spawn(async move {
        let has_ended = || pods.has_ended(&uid, &container, file.restart_count);
        tokio::select! {
            () = send(&file.path, options, has_ended, chunks) => {}
            () = shown.shutdown.cancelled() => {}
        }
    });
    let headers = [(http::header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (headers, Body::from_stream(ReceiverStream::new(taken))).into_response()
}

/// What the query asks for, in the words of the Kubernetes API; `tail` is an old one of them.
fn options(query: &Query, now: Timestamp) -> Result<LogOptions, LogError> {
    let tail = query.first("tail").filter(|tail| !tail.is_empty());
    let tail = match tail {
        Some("all") => None,
        Some(lines) => Some(number(lines)?),
        None => query.first("tailLines").map(number).transpose()?,
    };
    let seconds = query.first("sinceSeconds").map(number).transpose()?;
    let limit = query.first("limitBytes").map(number).transpose()?;
    let time = query.first("sinceTime").filter(|time| !time.is_empty());
    let time = time
        .map(|time| time.parse().map_err(|_| LogError::Undecodable))
        .transpose()?;
    let is_wrong = tail.is_some_and(|lines| lines < 0)
        || seconds.is_some_and(|seconds| seconds < 1)
        || limit.is_some_and(|bytes| bytes < 1)
        || (seconds.is_some() && time.is_some());
    if is_wrong {
        return Err(LogError::Invalid);
    }
    let ago = |seconds| {
        now.saturating_sub(SignedDuration::from_secs(seconds))
            .unwrap_or(now)
    };
    let stream = match query.first("stream") {
        None | Some("" | "All") => StreamChoice::All,
        Some("Stdout") => StreamChoice::Only(Stream::Stdout),
        Some("Stderr") => StreamChoice::Only(Stream::Stderr),
        Some(other) => return Err(LogError::NoSuchStream(other.to_owned())),
    };
    Ok(LogOptions {
        follow: query.is_on("follow"),
        timestamps: query.is_on("timestamps"),
        tail_lines: tail.map(i64::unsigned_abs),
        since: seconds.map(ago).or(time),
        limit_bytes: limit.map(i64::unsigned_abs),
        stream,
    })
}

fn number(text: &str) -> Result<i64, LogError> {
    text.parse().map_err(|_| LogError::Undecodable)
}

fn has_container(pod: &core::Pod, name: &str) -> bool {
    let Some(spec) = &pod.spec else { return false };
    let init = spec.init_containers.iter().flatten();
    let ephemeral = spec.ephemeral_containers.iter().flatten();
    spec.containers
        .iter()
        .chain(init)
        .any(|container| container.name == name)
        || ephemeral
            .into_iter()
            .any(|container| container.name == name)
}

fn not_started(pod: &core::Pod, container: &str, name: String) -> LogError {
    let state = container_status(pod, container).and_then(|status| status.state.as_ref());
    let waiting = state.and_then(|state| state.waiting.as_ref());
    let reason = waiting.and_then(|waiting| waiting.reason.clone());
    LogError::NotStarted {
        container: container.to_owned(),
        pod: name,
        reason: reason.unwrap_or_else(|| "ContainerCreating".to_owned()),
    }
}
