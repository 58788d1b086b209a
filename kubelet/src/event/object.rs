//! What happened, as a v1 Event: pure.
#![deny(clippy::disallowed_methods)]

use serde_json::{Value, json};

use super::Occurrence;
use crate::model::EventKind;

/// The v1 Event.
pub(crate) fn object(occurrence: &Occurrence) -> Value {
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
    let mut involved = json!({
        "kind": kind,
        "apiVersion": "v1",
        "namespace": event.pod.namespace.as_ref(),
        "name": event.pod.name.as_ref(),
    });
    if let Some(uid) = &event.uid {
        involved["uid"] = json!(uid.as_str());
    }
    if let Some(container) = &event.container {
        involved["fieldPath"] = json!(format!("spec.containers{{{container}}}"));
    }
    let kind = match event.kind {
        EventKind::Normal => "Normal",
        EventKind::Warning => "Warning",
    };
    json!({
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
