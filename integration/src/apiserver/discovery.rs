//! Which resources there are in a version of a group, as far as anybody asks.

use serde_json::{Value, json};

/// What is at a path of a version of a group, if it is one.
pub(super) fn at(path: &str) -> Option<Value> {
    let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
    let ["apis", group, version] = steps[..] else {
        return None;
    };
    let names: &[&str] = match (group, version) {
        ("certificates.k8s.io", "v1beta1") => &["clustertrustbundles", "podcertificaterequests"],
        _ => return None,
    };
    let resources: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
    Some(json!({
        "kind": "APIResourceList", "apiVersion": "v1",
        "groupVersion": format!("{group}/{version}"),
        "resources": resources,
    }))
}
