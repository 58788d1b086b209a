//! The shape that a pod has inside a kubelet: what differs from the shape that people write.

use k8s_openapi::api::core::v1 as core;
use serde_json::{Map, Value};

/// Fields of the spec that belong to the security context inside a kubelet.
const OF_SECURITY_CONTEXT: [&str; 5] = [
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "shareProcessNamespace",
    "hostUsers",
];

/// Annotations from the time when init containers had no field; they are dropped.
const DROPPED_ANNOTATIONS: [&str; 4] = [
    "pod.beta.kubernetes.io/init-containers",
    "pod.alpha.kubernetes.io/init-containers",
    "pod.beta.kubernetes.io/init-container-statuses",
    "pod.alpha.kubernetes.io/init-container-statuses",
];

/// A defaulted pod in its internal shape.
pub(super) fn internal(pod: &core::Pod) -> Value {
    let mut pod = serde_json::to_value(pod).expect("a decoded pod can be written again");
    let fields = object(&mut pod);
    // Its kind is said by the type.
    fields.remove("apiVersion");
    fields.remove("kind");
    if let Some(annotations) = fields
        .get_mut("metadata")
        .and_then(|metadata| metadata.get_mut("annotations"))
    {
        let annotations = object(annotations);
        annotations.retain(|key, _| !DROPPED_ANNOTATIONS.contains(&key.as_str()));
    }
    spec(object(below(fields, "spec")));
    if let Some(status) = fields.get_mut("status") {
        addresses(object(status));
    }
    pod
}

fn spec(spec: &mut Map<String, Value>) {
    let moved = OF_SECURITY_CONTEXT.map(|key| spec.remove(key));
    let context = object(below(spec, "securityContext"));
    for (key, value) in OF_SECURITY_CONTEXT.into_iter().zip(moved) {
        if let Some(value) = value {
            context.insert(key.to_owned(), value);
        }
    }
    let is_named =
        matches!(spec.get("serviceAccountName"), Some(Value::String(name)) if !name.is_empty());
    if let (false, Some(old)) = (is_named, spec.remove("serviceAccount")) {
        spec.insert("serviceAccountName".to_owned(), old);
    }
    if let Some(grace) = spec.get_mut("terminationGracePeriodSeconds")
        && grace.as_i64() < Some(0)
    {
        *grace = 1.into();
    }
}

/// One address counts more than a list that begins with another.
fn addresses(status: &mut Map<String, Value>) {
    let Some(Value::String(ip)) = status.get("podIP") else {
        return;
    };
    let first = status.get("podIPs").and_then(|ips| ips.get(0));
    if !ip.is_empty() && first.and_then(|first| first.get("ip")) != status.get("podIP") {
        let only = serde_json::json!([{ "ip": ip }]);
        status.insert("podIPs".to_owned(), only);
    }
}

fn below<'a>(fields: &'a mut Map<String, Value>, key: &str) -> &'a mut Value {
    fields
        .entry(key)
        .or_insert_with(|| Value::Object(Map::new()))
}

fn object(value: &mut Value) -> &mut Map<String, Value> {
    value
        .as_object_mut()
        .expect("the fields of a pod with fields of their own are objects")
}
