//! `?watch=true`: a list that goes on, as the Kubernetes API has it: a line of JSON for each event.
//!
//! ```text
//! ADDED for each that is there, BOOKMARK, then ADDED, MODIFIED and DELETED as they happen
//! ```
//!
//! There are no resource versions to begin at: what is there always comes first. The bookmark that ends
//! it is sent to who allows bookmarks (`allowWatchBookmarks=true`).

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json as object};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::Shown;
use super::query::Query;
use crate::watched::{Change, Watched, Watcher};

/// Lines on their way to a slow reader.
const QUEUE: usize = 16;

/// How often the node is looked at: upstream's nodeStatusUpdateFrequency.
const NODE: Duration = Duration::from_secs(10);

type Line = Result<Vec<u8>, std::convert::Infallible>;

/// The lines of one watch.
struct Lines {
    kind: &'static str,
    wants_bookmarks: bool,
    to_reader: mpsc::Sender<Line>,
}

/// The reader has gone.
struct Gone;

impl Lines {
    async fn send(&self, event: &str, object: Value) -> Result<(), Gone> {
        let line = object!({ "type": event, "object": object });
        let mut bytes = serde_json::to_vec(&line).expect("API objects have only text keys");
        bytes.push(b'\n');
        self.to_reader.send(Ok(bytes)).await.map_err(|_| Gone)
    }

    /// What was there has been told.
    async fn mark(&self) -> Result<(), Gone> {
        if !self.wants_bookmarks {
            return Ok(());
        }
        let object = object!({
            "kind": self.kind,
            "apiVersion": "v1",
            "metadata": { "annotations": { "k8s.io/initial-events-end": "true" } },
        });
        self.send("BOOKMARK", object).await
    }
}

/// Whether a list shall go on.
pub(super) fn is_asked(query: &Query) -> bool {
    query.is_on("watch")
}

/// Watches things, each shown as `show` makes it.
pub(super) fn things<W: Watched>(
    shown: Shown,
    query: &Query,
    kind: &'static str,
    watcher: (Vec<W::Thing>, Watcher<W>),
    show: fn(&W::Thing) -> Value,
) -> Response {
    respond(shown, query, kind, move |lines| async move {
        let (there, mut watcher) = watcher;
        for thing in &there {
            lines.send("ADDED", show(thing)).await?;
        }
        lines.mark().await?;
        while let Some(change) = watcher.next().await {
            let (event, thing) = match &change {
                Change::Added(thing) => ("ADDED", thing),
                Change::Modified(thing) => ("MODIFIED", thing),
                Change::Removed(thing) => ("DELETED", thing),
            };
            lines.send(event, show(thing)).await?;
        }
        Ok(())
    })
}

/// Watches the node: it is looked at each ten seconds, and a heartbeat alone is no change.
pub(super) fn node(shown: Shown, query: &Query) -> Response {
    let portrait = std::sync::Arc::clone(&shown.exhibits.portrait);
    respond(shown, query, "Node", move |lines| async move {
        let mut told = object!(portrait.object().await);
        lines.send("ADDED", told.clone()).await?;
        lines.mark().await?;
        loop {
            tokio::time::sleep(NODE).await;
            let now = object!(portrait.object().await);
            if without_heartbeats(&now) != without_heartbeats(&told) {
                lines.send("MODIFIED", now.clone()).await?;
                told = now;
            }
        }
    })
}

fn without_heartbeats(node: &Value) -> Value {
    let mut node = node.clone();
    let conditions = node.pointer_mut("/status/conditions");
    for condition in conditions
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Some(fields) = condition.as_object_mut() {
            fields.remove("lastHeartbeatTime");
        }
    }
    node
}

/// Lines until the reader has gone, the server ends, or the time is up that the reader has given.
fn respond<F>(
    shown: Shown,
    query: &Query,
    kind: &'static str,
    tell: impl FnOnce(Lines) -> F + Send + 'static,
) -> Response
where
    F: Future<Output = Result<(), Gone>> + Send,
{
    let (to_reader, taken) = mpsc::channel(QUEUE);
    let gone = to_reader.clone();
    let lines = Lines {
        kind,
        wants_bookmarks: query.is_on("allowWatchBookmarks"),
        to_reader,
    };
    let seconds = query.first("timeoutSeconds");
    let timeout = seconds
        .and_then(|seconds| seconds.parse().ok())
        .filter(|seconds| *seconds > 0)
        .map_or(Duration::MAX, Duration::from_secs);
    tokio::spawn(async move {
        // Nothing is lost with an arm that is not taken: the watch ends.
        tokio::select! {
            _ = tell(lines) => {}
            () = gone.closed() => {}
            () = shown.shutdown.cancelled() => {}
            () = tokio::time::sleep(timeout) => {}
        }
    });
    let headers = [(http::header::CONTENT_TYPE, "application/json")];
    (headers, Body::from_stream(ReceiverStream::new(taken))).into_response()
}
