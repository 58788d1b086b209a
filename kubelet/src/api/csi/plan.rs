//! What has to be told of drivers: pure. What others wrote stays.
#![deny(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::csi::NodeInfo;
use crate::model::InTree;

/// Where the drivers' names of a Node are.
const NODE_IDS: &str = "csi.volume.kubernetes.io/nodeid";

/// Where a CSINode says which plugins of old have given their volumes to drivers.
const MIGRATED: &str = "storage.alpha.kubernetes.io/migrated-plugins";

/// Drivers as they are now, and those that went since the kubelet began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) there: BTreeMap<String, NodeInfo>,
    pub(super) gone: BTreeSet<String>,
}

impl Known {
    /// The drivers are these now.
    pub(super) fn learn(&mut self, now: BTreeMap<String, NodeInfo>) {
        let before = std::mem::replace(&mut self.there, now);
        self.gone.extend(before.into_keys());
        self.gone.retain(|name| !self.there.contains_key(name));
    }
}

/// What is to be done with a CSINode.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Telling {
    /// Nothing.
    Nothing,
    /// It is made.
    Create(Value),
    /// It is this now.
    Replace(Value),
    /// It was another Node's with this name.
    Remove,
}

/// What makes a CSINode say which drivers there are.
pub(super) fn csi_node(
    existing: Option<&Value>,
    (node, uid): (&str, &str),
    known: &Known,
) -> Telling {
    let Some(existing) = existing else {
        let drivers: Vec<_> = known
            .there
            .iter()
            .map(|(name, info)| driver(name, info))
            .collect();
        return Telling::Create(json!({
            "apiVersion": "storage.k8s.io/v1",
            "kind": "CSINode",
            "metadata": {
                "name": node,
                "annotations": { MIGRATED: migrated() },
                "ownerReferences": [
                    { "apiVersion": "v1", "kind": "Node", "name": node, "uid": uid },
                ],
            },
            "spec": { "drivers": drivers },
        }));
    };
    let owners = existing["metadata"]["ownerReferences"].as_array();
    let mut owners = owners.into_iter().flatten();
    if !owners.any(|one| one["kind"] == "Node" && one["name"] == node && one["uid"] == uid) {
        return Telling::Remove;
    }
    let is = existing["spec"]["drivers"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let mut shall: Vec<Value> = is
        .iter()
        .filter(|one| {
            let name = one["name"].as_str().unwrap_or_default();
            !known.gone.contains(name)
        })
        .map(|one| {
            let name = one["name"].as_str().unwrap_or_default();
            let now = known.there.get(name);
            now.map_or_else(|| one.clone(), |info| driver(name, info))
        })
        .collect();
    for (name, info) in &known.there {
        if !is.iter().any(|one| one["name"] == name.as_str()) {
            shall.push(driver(name, info));
        }
    }
    if shall == is && says_migrated(existing) {
        return Telling::Nothing;
    }
    let mut node = existing.clone();
    node["metadata"]["annotations"][MIGRATED] = migrated().into();
    node["spec"]["drivers"] = shall.into();
    Telling::Replace(node)
}

/// The plugins of old whose volumes drivers have here: all.
fn migrated() -> String {
    InTree::ALL.map(InTree::plugin).join(",")
}

/// Whether a CSINode says so, in whatever order.
fn says_migrated(node: &Value) -> bool {
    let said = node["metadata"]["annotations"][MIGRATED].as_str();
    let said: BTreeSet<_> = said.unwrap_or_default().split(',').collect();
    said == BTreeSet::from(InTree::ALL.map(InTree::plugin))
}

fn driver(name: &str, info: &NodeInfo) -> Value {
    let keys: Vec<_> = info.topology.keys().cloned().collect();
    let mut driver = json!({ "name": name, "nodeID": info.id });
    if !keys.is_empty() {
        driver["topologyKeys"] = keys.into();
    }
    if info.most_volumes > 0 {
        let most = info.most_volumes.min(i32::MAX.into());
        driver["allocatable"] = json!({ "count": most });
    }
    driver
}

/// A merge patch that makes the Node say what drivers call it and where it is; which labels already say
/// something else.
pub(super) fn node(existing: &Value, known: &Known) -> (Option<Value>, Vec<String>) {
    let metadata = &existing["metadata"];
    let mut patch = json!({});
    let written = metadata["annotations"][NODE_IDS].as_str();
    let before: BTreeMap<String, String> = written
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let mut ids = before.clone();
    ids.retain(|name, _| !known.gone.contains(name));
    let there = known.there.iter();
    ids.extend(there.map(|(name, info)| (name.clone(), info.id.clone())));
    if ids != before {
        patch["metadata"]["annotations"][NODE_IDS] = match ids.is_empty() {
            true => Value::Null,
            false => json!(ids).to_string().into(),
        };
    }
    let mut labels = Map::new();
    let mut contradictions = Vec::new();
    for (key, value) in known.there.values().flat_map(|info| &info.topology) {
        match metadata["labels"][key].as_str() {
            None => drop(labels.insert(key.clone(), value.as_str().into())),
            Some(is) if is == value => {}
            Some(is) => contradictions.push(format!(
                "detected topology value collision: driver reported {key:?}:{value:?} but existing \
                 label is {key:?}:{is:?}"
            )),
        }
    }
    if !labels.is_empty() {
        patch["metadata"]["labels"] = labels.into();
    }
    ((patch != json!({})).then_some(patch), contradictions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(id: &str) -> NodeInfo {
        NodeInfo {
            id: id.to_owned(),
            most_volumes: 7,
            topology: [("zone".to_owned(), "a".to_owned())].into(),
        }
    }

    fn with(names: &[&str]) -> Known {
        let mut known = Known::default();
        let there = names.iter().map(|name| ((*name).to_owned(), info("n1")));
        known.learn(there.collect());
        known
    }

    fn told(telling: Telling) -> Value {
        match telling {
            Telling::Create(node) | Telling::Replace(node) => node,
            other => panic!("nothing is told: {other:?}"),
        }
    }

    #[test]
    fn a_csi_node_is_made_with_its_drivers_and_is_left_alone_then() {
        let known = with(&["d"]);
        let made = told(csi_node(None, ("node", "u"), &known));
        assert_eq!(
            made["spec"]["drivers"],
            json!([{
                "name": "d", "nodeID": "n1", "topologyKeys": ["zone"], "allocatable": { "count": 7 },
            }])
        );
        assert_eq!(made["metadata"]["ownerReferences"][0]["uid"], "u");
        let plugins = "kubernetes.io/aws-ebs,kubernetes.io/azure-disk,kubernetes.io/azure-file,\
                       kubernetes.io/cinder,kubernetes.io/gce-pd,kubernetes.io/portworx-volume,\
                       kubernetes.io/vsphere-volume";
        assert_eq!(made["metadata"]["annotations"][MIGRATED], plugins);
        let mut older = made.clone();
        older["metadata"]["annotations"][MIGRATED] = "kubernetes.io/gce-pd".into();
        let now = told(csi_node(Some(&older), ("node", "u"), &known));
        assert_eq!(now["metadata"]["annotations"][MIGRATED], plugins);
        assert_eq!(
            csi_node(Some(&made), ("node", "u"), &known),
            Telling::Nothing
        );
        assert_eq!(
            csi_node(Some(&made), ("node", "new"), &known),
            Telling::Remove
        );
    }

    #[test]
    fn a_driver_that_went_is_taken_away_and_one_that_was_not_seen_yet_stays() {
        let made = told(csi_node(None, ("node", "u"), &with(&["a", "b"])));
        let fresh = Known::default();
        assert_eq!(
            csi_node(Some(&made), ("node", "u"), &fresh),
            Telling::Nothing
        );
        let mut known = with(&["a", "b"]);
        known.learn([("b".to_owned(), info("n2"))].into());
        let now = told(csi_node(Some(&made), ("node", "u"), &known));
        let drivers = now["spec"]["drivers"].as_array().unwrap();
        assert_eq!(drivers.len(), 1);
        assert_eq!(drivers[0]["nodeID"], "n2");
        known.learn([("a".to_owned(), info("n1"))].into());
        let back = told(csi_node(Some(&now), ("node", "u"), &known));
        assert_eq!(back["spec"]["drivers"][0]["name"], "a");
    }

    #[test]
    fn a_node_says_what_drivers_call_it_and_where_it_is() {
        let existing = json!({ "metadata": {
            "annotations": { NODE_IDS: "{\"old\":\"o\"}" }, "labels": { "zone": "b" },
        } });
        let (patch, contradictions) = node(&existing, &with(&["d"]));
        let patch = patch.unwrap();
        assert_eq!(
            patch["metadata"]["annotations"][NODE_IDS],
            "{\"d\":\"n1\",\"old\":\"o\"}"
        );
        assert_eq!(contradictions.len(), 1, "{contradictions:?}");
        assert!(patch["metadata"]["labels"].is_null());

        let existing = json!({ "metadata": { "annotations": { NODE_IDS: "{\"d\":\"n1\"}" } } });
        let (patch, _) = node(&existing, &with(&["d"]));
        assert_eq!(
            patch,
            Some(json!({ "metadata": { "labels": { "zone": "a" } } }))
        );
        let mut known = with(&["d"]);
        known.learn(BTreeMap::new());
        let (patch, _) = node(&existing, &known);
        assert_eq!(
            patch.unwrap()["metadata"]["annotations"],
            json!({ NODE_IDS: null })
        );
    }
}
