//! `events`: the rows of the table of events.
#![deny(clippy::disallowed_methods)]

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

use super::{Width, age, table};

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
    metadata: Metadata,
    involved_object: Involved,
    #[serde(default)]
    source: Source,
    r#type: String,
    reason: String,
    message: String,
    count: u64,
    first_timestamp: Option<Timestamp>,
    /// When it happened last.
    pub(crate) last_timestamp: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Involved {
    kind: String,
    namespace: String,
    name: String,
    field_path: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Source {
    component: Option<String>,
    host: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    name: String,
}

/// Which command shows events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Manner {
    /// `get events`
    #[default]
    Get,
    /// `events`: with how often they happened.
    Events,
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

/// The columns of the table.
pub(crate) fn header(width: Width) -> Vec<&'static str> {
    match width {
        Width::Usual => vec!["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"],
        Width::Wide => vec![
            "LAST SEEN",
            "TYPE",
            "REASON",
            "OBJECT",
            "SUBOBJECT",
            "SOURCE",
            "MESSAGE",
            "FIRST SEEN",
            "COUNT",
            "NAME",
        ],
    }
}

/// The row of an event at the time `now`.
pub(crate) fn row(event: &Event, width: Width, manner: Manner, now: Timestamp) -> Vec<String> {
    let involved = &event.involved_object;
    let (last, kind) = match manner {
        Manner::Get => (
            age::since(event.last_timestamp, now),
            involved.kind.to_lowercase(),
        ),
        Manner::Events => (interval(event, now), involved.kind.clone()),
    };
    let mut row = vec![
        last,
        event.r#type.clone(),
        event.reason.clone(),
        format!("{kind}/{}", involved.name),
    ];
    if width == Width::Wide {
        row.push(involved.field_path.clone().unwrap_or_default());
        row.push(source(event));
    }
    row.push(event.message.trim().to_owned());
    if width == Width::Wide {
        row.push(age::since(event.first_timestamp, now));
        row.push(event.count.to_string());
        row.push(event.metadata.name.clone());
    }
    row
}

/// `kubelet, node`
fn source(event: &Event) -> String {
    let Source { component, host } = &event.source;
    let parts: Vec<_> = [component, host].into_iter().flatten().cloned().collect();
    parts.join(", ")
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
            "metadata": { "name": "web-node.1" },
            "involvedObject": {
                "kind": "Pod", "namespace": "default", "name": "web-node",
                "fieldPath": "spec.containers{web}",
            },
            "source": { "component": "kubelet" },
            "type": "Warning", "reason": "BackOff", "message": "again\n", "count": 3,
            "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:01:00Z",
        }))
        .unwrap();
        assert!(event.is_of("web") && event.is_of("web-node") && !event.is_of("we"));
        let now = "2026-01-01T00:01:30Z".parse().unwrap();
        let table =
            |width, manner| table::lay_out(&header(width), &[row(&event, width, manner, now)]);
        assert_eq!(
            table(Width::Usual, Manner::Events),
            "LAST SEEN           TYPE      REASON    OBJECT         MESSAGE\n\
             30s (x3 over 90s)   Warning   BackOff   Pod/web-node   again\n"
        );
        assert_eq!(
            table(Width::Wide, Manner::Get),
            "LAST SEEN   TYPE      REASON    OBJECT         SUBOBJECT              SOURCE    \
             MESSAGE   FIRST SEEN   COUNT   NAME\n\
             30s         Warning   BackOff   pod/web-node   spec.containers{web}   kubelet   \
             again     90s          3       web-node.1\n"
        );
    }
}
