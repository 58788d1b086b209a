//! `/containerLogs/{namespace}/{pod}/{container}`: a container's log as plain text.

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1 as core;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::Shown;
use super::table::container_status;
use crate::logs::line::Stream;
use crate::logs::{LogFile, LogOptions, StreamChoice, newest, previous, send};
use crate::model::{ContainerName, PodName, PodUid};

/// Chunks on their way to a slow reader.
const QUEUE: usize = 16;

/// The query, in the words of the Kubernetes API.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct LogQuery {
    follow: bool,
    previous: bool,
    timestamps: bool,
    tail_lines: Option<u64>,
    since_seconds: Option<i64>,
    since_time: Option<Timestamp>,
    limit_bytes: Option<u64>,
    stream: Option<String>,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub(super) enum LogError {
    #[error("pod {0:?} does not exist")]
    NoSuchPod(String),
    #[error("container {container:?} is not valid for pod {pod:?}")]
    NoSuchContainer { container: String, pod: String },
    #[error("previous terminated container {container:?} in pod {pod:?} not found")]
    NoPrevious { container: String, pod: String },
    #[error("container {container:?} in pod {pod:?} is waiting to start: {reason}")]
    NotStarted {
        container: String,
        pod: String,
        reason: String,
    },
    #[error("stream {0:?} is not one of All, Stdout, Stderr")]
    NoSuchStream(String),
    #[error("at most one of sinceTime or sinceSeconds may be specified")]
    TwoTimes,
    #[error("cannot look for the log: {0}")]
    Unreadable(#[from] std::io::Error),
}

impl IntoResponse for LogError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NoSuchPod(_) => StatusCode::NOT_FOUND,
            Self::Unreadable(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NoSuchContainer { .. }
            | Self::NoPrevious { .. }
            | Self::NotStarted { .. }
            | Self::NoSuchStream(_)
            | Self::TwoTimes => StatusCode::BAD_REQUEST,
        };
        (status, self.to_string() + "\n").into_response()
    }
}

pub(super) async fn stream(
    State(shown): State<Shown>,
    Path((namespace, pod, container)): Path<(String, String, String)>,
    Query(query): Query<LogQuery>,
) -> Result<Response, LogError> {
    let wants_previous = query.previous;
    let options = query.options(Timestamp::now())?;
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

impl LogQuery {
    fn options(self, now: Timestamp) -> Result<LogOptions, LogError> {
        let since = match (self.since_seconds, self.since_time) {
            (Some(_), Some(_)) => return Err(LogError::TwoTimes),
            (Some(seconds), None) => Some(
                now.saturating_sub(SignedDuration::from_secs(seconds))
                    .unwrap_or(now),
            ),
            (None, time) => time,
        };
        let stream = match self.stream.as_deref() {
            None | Some("All") => StreamChoice::All,
            Some("Stdout") => StreamChoice::Only(Stream::Stdout),
            Some("Stderr") => StreamChoice::Only(Stream::Stderr),
            Some(other) => return Err(LogError::NoSuchStream(other.to_owned())),
        };
        Ok(LogOptions {
            follow: self.follow,
            timestamps: self.timestamps,
            tail_lines: self.tail_lines,
            since,
            limit_bytes: self.limit_bytes,
            stream,
        })
    }
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
