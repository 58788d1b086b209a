//! What has to be told about the Node: pure.
//!
//! Only what is the kubelet's is told: labels of others, taints of controllers and foreign conditions
//! stay as they are.
#![deny(clippy::disallowed_methods)]

use serde_json::{Map, Value, json};

use super::NodeWishes;

const ATTACHED_BY_CONTROLLER: &str = "volumes.kubernetes.io/controller-managed-attach-detach";

/// Labels that are the kubelet's whenever it has them.
const OWN_LABELS: [&str; 10] = [
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
];

/// Parts of a status that are replaced as a whole, each when it differs.
const WHOLE: [&str; 7] = [
    "daemonEndpoints",
    "nodeInfo",
    "images",
    "runtimeHandlers",
    "volumesInUse",
    "features",
    "declaredFeatures",
];

/// The Node that is made.
pub(super) fn new_node(portrait: Value, wishes: &NodeWishes) -> Value {
    let mut node = portrait;
    if let Some(metadata) = node["metadata"].as_object_mut() {
        metadata.remove("creationTimestamp");
    }
    if wishes.controller_attaches {
        node["metadata"]["annotations"] = json!({ ATTACHED_BY_CONTROLLER: "true" });
    }
    if !wishes.taints.is_empty() {
        node["spec"]["taints"] = wishes.taints.clone().into();
    }
    if !wishes.provider_id.is_empty() {
        node["spec"]["providerID"] = wishes.provider_id.as_str().into();
    }
    node
}

/// A merge patch for a Node that is there already, unless it is as it shall be.
pub(super) fn reconcile(existing: &Value, ours: &Value, wishes: &NodeWishes) -> Option<Value> {
    let mut labels = Map::new();
    for name in OWN_LABELS {
        let (is, shall) = (
            &existing["metadata"]["labels"][name],
            &ours["metadata"]["labels"][name],
        );
        if !shall.is_null() && is != shall {
            labels.insert(name.to_owned(), shall.clone());
        }
    }
    let mut patch = json!({});
    if !labels.is_empty() {
        patch["metadata"]["labels"] = labels.into();
    }
    let attached = &existing["metadata"]["annotations"][ATTACHED_BY_CONTROLLER];
    match (wishes.controller_attaches, attached.is_null()) {
        (true, _) if attached != "true" => {
            patch["metadata"]["annotations"] = json!({ ATTACHED_BY_CONTROLLER: "true" });
        }
        (false, false) => {
            patch["metadata"]["annotations"] = json!({ ATTACHED_BY_CONTROLLER: null });
        }
        _ => {}
    }
    // It is given once.
    let provider = existing["spec"]["providerID"].as_str().unwrap_or_default();
    if provider.is_empty() && !wishes.provider_id.is_empty() {
        patch["spec"]["providerID"] = wishes.provider_id.as_str().into();
    }
    (patch != json!({})).then_some(patch)
}

/// A change of the Node's status.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StatusChange {
    /// As a strategic merge patch.
    pub(super) patch: Value,
    /// Whether more than the time of the heartbeat changes.
    pub(super) is_news: bool,
}

/// What makes the status of `existing` that of `portrait`.
pub(super) fn status(existing: &Value, portrait: &Value) -> StatusChange {
    let (is, shall) = (&existing["status"], &portrait["status"]);
    let mut status = Map::new();
    for name in ["capacity", "allocatable"] {
        let changed = changed_entries(&is[name], &shall[name]);
        if !changed.is_empty() {
            status.insert(name.to_owned(), changed.into());
        }
    }
    for name in WHOLE {
        if !shall[name].is_null() && is[name] != shall[name] {
            status.insert(name.to_owned(), shall[name].clone());
        }
    }
    // Several addresses may be of one type, which is the key of their list.
    if is["addresses"] != shall["addresses"] {
        let mut addresses = shall["addresses"].as_array().cloned().unwrap_or_default();
        addresses.push(json!({ "$patch": "replace" }));
        status.insert("addresses".to_owned(), addresses.into());
    }
    let (conditions, has_turned) = conditions(&is["conditions"], &shall["conditions"]);
    let is_news = has_turned || !status.is_empty();
    status.insert("conditions".to_owned(), conditions.into());
    StatusChange {
        patch: json!({ "status": status }),
        is_news,
    }
}

fn changed_entries(is: &Value, shall: &Value) -> Map<String, Value> {
    let entries = shall.as_object().into_iter().flatten();
    let changed = entries.filter(|(name, value)| is[name.as_str()] != **value);
    changed
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The kubelet's conditions, each since it has this status, and whether any says something else.
fn conditions(is: &Value, shall: &Value) -> (Vec<Value>, bool) {
    let mut has_turned = false;
    let mut told = Vec::new();
    for condition in shall.as_array().into_iter().flatten() {
        let mut condition = condition.clone();
        let mut all = is.as_array().into_iter().flatten();
        match all.find(|one| one["type"] == condition["type"]) {
            Some(before) if before["status"] == condition["status"] => {
                condition["lastTransitionTime"] = before["lastTransitionTime"].clone();
                let says = |one: &Value| (one["reason"].clone(), one["message"].clone());
                has_turned |= says(before) != says(&condition);
            }
            Some(_) => {
                condition["lastTransitionTime"] = condition["lastHeartbeatTime"].clone();
                has_turned = true;
            }
            None => has_turned = true,
        }
        told.push(condition);
    }
    (told, has_turned)
}

/// The id of the machine that a Node was told of before, when that is another machine: ids that are not
/// known tell nothing.
pub(super) fn other_machine(existing: &Value, portrait: &Value) -> Option<String> {
    let id = |node: &Value, field: &str| {
        let id = node["status"]["nodeInfo"][field].as_str();
        id.filter(|id| !id.is_empty()).map(str::to_owned)
    };
    let differs = |field: &&str| match (id(existing, field), id(portrait, field)) {
        (Some(theirs), Some(ours)) => theirs != ours,
        _ => false,
    };
    let field = ["machineID", "systemUUID"].into_iter().find(differs)?;
    id(existing, field)
}

/// The boot that a Node was told of before, when the machine has booted since.
pub(super) fn has_rebooted(existing: &Value, portrait: &Value) -> bool {
    let boot = |node: &Value| node["status"]["nodeInfo"]["bootID"].clone();
    let before = boot(existing);
    before.as_str().is_some_and(|id| !id.is_empty()) && before != boot(portrait)
}

/// Whether the cluster places pods on the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placing {
    /// It does.
    Schedulable,
    /// It is cordoned.
    NotSchedulable,
}

impl Placing {
    /// What a Node says.
    pub(super) fn of(node: &Value) -> Self {
        match node["spec"]["unschedulable"].as_bool() {
            Some(true) => Self::NotSchedulable,
            Some(false) | None => Self::Schedulable,
        }
    }

    /// The reason of the event when it turns.
    pub(super) fn event(self) -> &'static str {
        match self {
            Self::Schedulable => "NodeSchedulable",
            Self::NotSchedulable => "NodeNotSchedulable",
        }
    }
}
