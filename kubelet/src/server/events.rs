//! `/events`: what happened, as a v1 EventList.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::Uri;
use serde_json::{Value, json as object};

use super::query::Query;
use super::{Shown, json, watch};
use crate::event::Occurrence;
use crate::model::EventKind;
use crate::watched::Watcher;

pub(super) async fn list(State(shown): State<Shown>, uri: Uri) -> Response {
    let query = Query::of(&uri);
    let events = &shown.exhibits.events;
    if watch::is_asked(&query) {
        let watcher = Watcher::begin(Arc::clone(events));
        return watch::things(shown, &query, "Event", watcher, event);
    }
    let items: Vec<Value> = events.all().iter().map(event).collect();
    let list = object!({ "kind": "EventList", "apiVersion": "v1", "metadata": {}, "items": items });
    json(&list).into_response()
}

fn event(occurrence: &Occurrence) -> Value {
    let Occurrence {
        number,
        event,
        count,
        first_seen,
        last_seen,
    } = occurrence;
    let (kind, namespace) = if event.is_of_node() {
        ("Node", "default")
    } else {
        ("Pod", event.pod.namespace.as_ref())
    };
    let mut involved = object!({
        "kind": kind,
        "apiVersion": "v1",
        "namespace": event.pod.namespace.as_ref(),
        "name": event.pod.name.as_ref(),
    });
    if let Some(uid) = &event.uid {
        involved["uid"] = object!(uid.as_str());
    }
    if let Some(container) = &event.container {
        involved["fieldPath"] = object!(format!("spec.containers{{{container}}}"));
    }
    let kind = match event.kind {
        EventKind::Normal => "Normal",
        EventKind::Warning => "Warning",
    };
    object!({
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {
            "name": format!("{}.{number:x}", event.pod.name),
            "namespace": namespace,
        },
        "involvedObject": involved,
        "type": kind,
        "reason": event.reason,
        "message": event.message,
        "count": count,
        "firstTimestamp": whole_second(*first_seen),
        "lastTimestamp": whole_second(*last_seen),
        "source": { "component": "kubelet" },
    })
}

/// API times have no fraction.
fn whole_second(time: jiff::Timestamp) -> String {
    jiff::Timestamp::from_second(time.as_second())
        .unwrap_or(time)
        .to_string()
}
