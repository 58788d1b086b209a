//! The tables of `get`: which columns there are, and the row of an object.

use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::events::{self, Event, Manner};
use super::{Width, nodes, pods};
use crate::resource::{Resource, name, namespace};

/// What a table has besides kubectl's usual columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Looks {
    /// EVENT, in front of all.
    pub(crate) watch_event: bool,
    /// NAMESPACE, in front.
    pub(crate) namespace: bool,
    /// How much of everything.
    pub(crate) width: Width,
    /// Which command shows events.
    pub(crate) manner: Manner,
    /// Names with their kinds.
    pub(crate) kind: bool,
    /// A column for each of these labels.
    pub(crate) label_columns: Vec<String>,
    /// All labels, in the last column.
    pub(crate) labels: bool,
}

/// The first line.
pub(crate) fn header(resource: Resource, looks: &Looks) -> Vec<String> {
    let mut header = Vec::new();
    if looks.watch_event {
        header.push("EVENT".to_owned());
    }
    if looks.namespace && resource.is_namespaced() {
        header.push("NAMESPACE".to_owned());
    }
    let own = match resource {
        Resource::Pods => pods::header(looks.width),
        Resource::Nodes => nodes::header(looks.width),
        Resource::Events => events::header(looks.width),
    };
    header.extend(own.into_iter().map(str::to_owned));
    let short = |label: &String| {
        let name = label
            .rsplit_once('/')
            .map_or(label.as_str(), |(_, name)| name);
        name.to_uppercase()
    };
    header.extend(looks.label_columns.iter().map(short));
    if looks.labels {
        header.push("LABELS".to_owned());
    }
    header
}

/// The row of an object; `event` is what a watch says of it.
pub(crate) fn row(
    resource: Resource,
    looks: &Looks,
    object: &Value,
    event: &str,
    now: Timestamp,
) -> Result<Vec<String>, serde_json::Error> {
    let mut row = Vec::new();
    if looks.watch_event {
        row.push(event.to_owned());
    }
    if looks.namespace && resource.is_namespaced() {
        row.push(namespace(object).to_owned());
    }
    let mut own = match resource {
        Resource::Pods => pods::row(&Pod::deserialize(object)?, looks.width, now),
        Resource::Nodes => nodes::row(&Node::deserialize(object)?, looks.width, now),
        Resource::Events => {
            events::row(&Event::deserialize(object)?, looks.width, looks.manner, now)
        }
    };
    if looks.kind
        && let Some(cell) = own.iter_mut().find(|cell| *cell == name(object))
    {
        *cell = format!("{}/{cell}", resource.word());
    }
    row.extend(own);
    row.extend(looks.label_columns.iter().map(|label| {
        let value = object["metadata"]["labels"][label.as_str()].as_str();
        value.unwrap_or("<none>").to_owned()
    }));
    if looks.labels {
        row.push(all_labels(object));
    }
    Ok(row)
}

fn all_labels(object: &Value) -> String {
    let labels = object["metadata"]["labels"].as_object();
    let pairs: Vec<_> = labels
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    match pairs.is_empty() {
        true => "<none>".to_owned(),
        false => pairs.join(","),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_added_in_kubectls_places() {
        let looks = Looks {
            watch_event: true,
            namespace: true,
            kind: true,
            label_columns: vec!["example.com/tier".to_owned(), "none".to_owned()],
            labels: true,
            ..Looks::default()
        };
        let pod = json!({ "metadata": {
            "name": "web", "namespace": "a", "labels": { "example.com/tier": "1", "app": "web" },
        } });
        let now = Timestamp::UNIX_EPOCH;
        let row = row(Resource::Pods, &looks, &pod, "ADDED", now).unwrap();
        let header = header(Resource::Pods, &looks);
        assert_eq!(
            header,
            [
                "EVENT",
                "NAMESPACE",
                "NAME",
                "READY",
                "STATUS",
                "RESTARTS",
                "AGE",
                "TIER",
                "NONE",
                "LABELS"
            ]
        );
        assert_eq!(row.len(), header.len());
        assert_eq!(row[..3], ["ADDED", "a", "pod/web"]);
        assert_eq!(row[7..], ["1", "<none>", "app=web,example.com/tier=1"]);
    }
}
