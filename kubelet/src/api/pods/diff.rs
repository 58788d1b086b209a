//! From the status that the API server has to the one that it shall have, as a strategic merge patch:
//! pure. Only what is the kubelet's is told, so that nobody else's words are lost.
#![deny(clippy::disallowed_methods)]

use k8s_openapi::api::core::v1::PodStatus;
use serde_json::{Map, Value, json};

use crate::status::{comes_and_goes, is_own_condition};

/// Lists whose entries are known by a key.
const KEYED: [(&str, &str); 3] = [("conditions", "type"), ("podIPs", "ip"), ("hostIPs", "ip")];

/// Fields that others write.
const FOREIGN: [&str; 4] = [
    "extendedResourceClaimStatus",
    "nodeAllocatableResourceClaimStatuses",
    "nominatedNodeName",
    "resourceClaimStatuses",
];

/// The patch of the pod with this UID, unless its status is as it shall be.
pub(super) fn patch(uid: &str, is: &PodStatus, shall: &PodStatus) -> Option<Value> {
    let (is, shall) = (fields(is), fields(shall));
    let mut status = Map::new();
    let names = is.keys().chain(shall.keys());
    for name in names.filter(|name| !FOREIGN.contains(&name.as_str())) {
        let (before, after) = (is.get(name), shall.get(name));
        if before == after || status.contains_key(name) {
            continue;
        }
        let change = match KEYED.iter().find(|(list, _)| list == name) {
            Some((_, key)) => entries(key, before, after),
            None => Some(after.cloned().unwrap_or(Value::Null)),
        };
        if let Some(change) = change {
            status.insert(name.clone(), change);
        }
    }
    (!status.is_empty()).then(|| json!({ "metadata": { "uid": uid }, "status": status }))
}

fn fields(status: &PodStatus) -> Map<String, Value> {
    match serde_json::to_value(status) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// The entries that differ, and those that shall go.
fn entries(key: &str, is: Option<&Value>, shall: Option<&Value>) -> Option<Value> {
    let list = |value: Option<&Value>| -> Vec<Value> {
        value.and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let (is, shall) = (list(is), list(shall));
    let is_own = |entry: &&Value| key != "type" || entry[key].as_str().is_none_or(is_own_condition);
    let changed = shall
        .iter()
        .filter(|entry| !is.contains(entry))
        .filter(is_own);
    let of_shall = |entry: &Value| shall.iter().any(|one| one[key] == entry[key]);
    // An address that is not the pod's any more goes; a condition stays, unless it is of a resize.
    let may_go = |entry: &Value| key != "type" || entry[key].as_str().is_some_and(comes_and_goes);
    let gone = is.iter().filter(|entry| may_go(entry) && !of_shall(entry));
    let gone = gone.map(|entry| json!({ key: entry[key], "$patch": "delete" }));
    let changed = changed.map(|entry| {
        let before = is.iter().find(|one| one[key] == entry[key]);
        with_what_goes(entry, before)
    });
    let all: Vec<Value> = changed.chain(gone).collect();
    (!all.is_empty()).then(|| all.into())
}

/// An entry that also says which fields of the one before it has not.
fn with_what_goes(entry: &Value, before: Option<&Value>) -> Value {
    let mut entry = entry.clone();
    let before = before.and_then(Value::as_object).into_iter().flatten();
    for (name, value) in before {
        if entry[name.as_str()].is_null() && !value.is_null() {
            entry[name.as_str()] = Value::Null;
        }
    }
    entry
}
