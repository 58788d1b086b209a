//! Which volumes the Node says it uses, and which are attached to it, as far as the server knows.

use std::collections::BTreeSet;

use serde_json::Value;
use tokio::sync::watch;

/// Volumes by their names in the status of a Node.
pub(super) type Names = BTreeSet<String>;

/// What a Node's status says of volumes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Those that nobody may detach.
    pub(super) in_use: Names,
    /// Those that are attached.
    pub(super) attached: Names,
}

/// Between who mounts volumes and who tells the Node's status.
#[derive(Clone, Debug)]
pub(crate) struct NodeVolumes {
    /// Those that are or will be mounted.
    wanted: watch::Receiver<Names>,
    seen: watch::Sender<Seen>,
}

impl NodeVolumes {
    /// Nothing is known of the Node yet; these are in use.
    pub(crate) fn new(wanted: watch::Receiver<Names>) -> Self {
        Self {
            wanted,
            seen: watch::Sender::default(),
        }
    }

    /// Returns when other volumes are in use. May be cancelled.
    pub(crate) async fn changed(&mut self) {
        if self.wanted.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// Has a portrait of the Node say which volumes are in use, when the Node shall say it.
    pub(crate) fn describe(&self, portrait: &mut Value, existing: &Value) {
        let wanted = self.wanted.borrow();
        let says_some = existing["status"]["volumesInUse"].is_array();
        if !wanted.is_empty() || says_some {
            let names: Vec<_> = wanted.iter().cloned().collect();
            portrait["status"]["volumesInUse"] = names.into();
        }
    }

    /// This is the Node, as the server has it.
    pub(crate) fn know(&self, node: &Value) {
        let status = &node["status"];
        let list = |name: &str| status[name].as_array().into_iter().flatten();
        let seen = Seen {
            in_use: list("volumesInUse")
                .filter_map(|one| one.as_str().map(str::to_owned))
                .collect(),
            attached: list("volumesAttached")
                .filter_map(|one| one["name"].as_str().map(str::to_owned))
                .collect(),
        };
        self.seen.send_if_modified(|known| {
            let is_news = *known != seen;
            *known = seen;
            is_news
        });
    }

    pub(super) fn seen(&self) -> watch::Receiver<Seen> {
        self.seen.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn volumes_in_use_are_told_until_the_node_says_that_there_are_none() {
        let (wanted, in_use) = watch::channel(Names::from(["a".to_owned()]));
        let volumes = NodeVolumes::new(in_use);
        let told = |existing: Value| {
            let mut portrait = json!({ "status": {} });
            volumes.describe(&mut portrait, &existing);
            portrait["status"]["volumesInUse"].clone()
        };
        assert_eq!(told(json!({})), json!(["a"]));
        wanted.send_replace(Names::new());
        assert_eq!(
            told(json!({ "status": { "volumesInUse": ["a"] } })),
            json!([])
        );
        assert_eq!(told(json!({ "status": {} })), Value::Null);
    }
}
