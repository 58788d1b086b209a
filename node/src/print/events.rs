//! `events`: the rows of the table of events.
#![deny(clippy::disallowed_methods)]

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

use super::{age, table};

/// A list of events, as much of it as is shown.
#[derive(Debug, Deserialize)]
pub(crate) struct List {
    /// In any order.
    pub(crate) items: Vec<Event>,
}

/// What happened.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    involved_object: Involved,
    r#type: String,
    reason: String,
    message: String,
    count: u64,
    first_timestamp: Option<Timestamp>,
    /// When it happened last.
    pub(crate) last_timestamp: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
struct Involved {
    kind: String,
    namespace: String,
    name: String,
}

impl Event {
    /// The namespace of what it happened to.
    pub(crate) fn namespace(&self) -> &str {
        match self.involved_object.namespace.as_str() {
            // What happens to nodes is told where nothing else is meant.
            "" => "default",
            namespace => namespace,
        }
    }

    /// Whether it happened to that pod; its name in a manifest will do.
    pub(crate) fn is_of(&self, pod: &str) -> bool {
        let rest = self.involved_object.name.strip_prefix(pod);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}

/// The table, the oldest first.
pub(crate) fn table(events: &[&Event], with_namespace: bool, now: Timestamp) -> String {
    let mut header = vec!["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"];
    if with_namespace {
        header.insert(0, "NAMESPACE");
    }
    let rows: Vec<_> = events
        .iter()
        .map(|event| {
            let mut row = Vec::new();
            if with_namespace {
                row.push(event.namespace().to_owned());
            }
            let object = &event.involved_object;
            row.extend([
                interval(event, now),
                event.r#type.clone(),
                event.reason.clone(),
                format!("{}/{}", object.kind, object.name),
                event.message.trim().to_owned(),
            ]);
            row
        })
        .collect();
    table::lay_out(&header, &rows)
}

/// The rows that `describe` shows below an object.
pub(crate) fn rows(events: &[&Event], now: Timestamp) -> String {
    let header = ["Type", "Reason", "Age", "From", "Message"];
    let line = header.map(|name| "-".repeat(name.len())).to_vec();
    let of_event = |event: &&Event| {
        vec![
            event.r#type.clone(),
            event.reason.clone(),
            interval(event, now),
            "kubelet".to_owned(),
            event.message.trim().to_owned(),
        ]
    };
    let rows: Vec<_> = [line]
        .into_iter()
        .chain(events.iter().map(of_event))
        .collect();
    table::lay_out(&header, &rows)
}

/// `5m`, or `5m (x3 over 10m)`.
fn interval(event: &Event, now: Timestamp) -> String {
    let last = age::since(event.last_timestamp, now);
    if event.count < 2 {
        return last;
    }
    format!(
        "{last} (x{} over {})",
        event.count,
        age::since(event.first_timestamp, now)
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_told_with_how_often_they_happened() {
        let event: Event = serde_json::from_value(json!({
            "involvedObject": { "kind": "Pod", "namespace": "default", "name": "web-node" },
            "type": "Warning", "reason": "BackOff", "message": "again\n", "count": 3,
            "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:01:00Z",
        }))
        .unwrap();
        assert!(event.is_of("web") && event.is_of("web-node") && !event.is_of("we"));
        let now = "2026-01-01T00:01:30Z".parse().unwrap();
        let expected = "LAST SEEN           TYPE      REASON    OBJECT         MESSAGE\n\
                        30s (x3 over 90s)   Warning   BackOff   Pod/web-node   again\n";
        assert_eq!(table(&[&event], false, now), expected);
    }
}
