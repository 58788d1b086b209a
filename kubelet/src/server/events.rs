//! `/events`: what happened, as a v1 EventList.

use axum::extract::State;
use axum::response::IntoResponse;
use serde_json::{Value, json as object};

use super::{Shown, json};
use crate::event::Occurrence;
use crate::model::EventKind;

pub(super) async fn list(State(shown): State<Shown>) -> impl IntoResponse {
    let occurrences = shown.exhibits.events.all();
    let items: Vec<Value> = occurrences
        .iter()
        .enumerate()
        .map(|(index, one)| event(index, one))
        .collect();
    json(&object!({ "kind": "EventList", "apiVersion": "v1", "metadata": {}, "items": items }))
}

fn event(index: usize, occurrence: &Occurrence) -> Value {
    let Occurrence {
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
            "name": format!("{}.{index}", event.pod.name),
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
