//! What may be done with an object: with preconditions, subresources, grace and finalizers.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::address::{Address, kind};
use super::patch;
use super::resize;
use super::serve::user_of;
use super::store::{Key, Store};

/// Why something is not done: the code, one word, a sentence.
#[derive(Debug)]
pub(super) struct Refusal(
    pub(super) StatusCode,
    pub(super) &'static str,
    pub(super) String,
);

impl Refusal {
    pub(super) fn not_found(what: &str) -> Self {
        Self(
            StatusCode::NOT_FOUND,
            "NotFound",
            format!("{what} not found"),
        )
    }

    pub(super) fn bad(message: &str) -> Self {
        Self(StatusCode::BAD_REQUEST, "BadRequest", message.to_owned())
    }

    fn invalid(message: &str) -> Self {
        Self(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Invalid",
            message.to_owned(),
        )
    }

    fn conflict(reason: &'static str, message: String) -> Self {
        Self(StatusCode::CONFLICT, reason, message)
    }
}

type Answer = Result<Value, Refusal>;

/// How a patch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patching {
    Merge,
    Strategic,
    Json,
}

impl Patching {
    pub(super) fn of(content_type: &str) -> Result<Self, Refusal> {
        match content_type.split(';').next().unwrap_or_default() {
            "application/merge-patch+json" => Ok(Self::Merge),
            "application/strategic-merge-patch+json" => Ok(Self::Strategic),
            "application/json-patch+json" => Ok(Self::Json),
            other => Err(Refusal(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "UnsupportedMediaType",
                format!("the body of the request was in an unknown format: {other:?}"),
            )),
        }
    }
}

/// Kinds whose status is a subresource: nothing else changes it.
fn has_status(resource: &str) -> bool {
    matches!(
        resource,
        "pods"
            | "nodes"
            | "persistentvolumeclaims"
            | "certificatesigningrequests.certificates.k8s.io"
            | "podcertificaterequests.certificates.k8s.io"
    )
}

fn key(address: &Address, name: &str) -> Key {
    Key {
        resource: address.resource.clone(),
        namespace: address.namespace.clone(),
        name: name.to_owned(),
    }
}

fn named(store: &Store, address: &Address) -> Result<(Key, Value), Refusal> {
    let name = address.name.as_deref().unwrap_or_default();
    let key = key(address, name);
    let found = store.get(&key).cloned();
    let missing = || Refusal::not_found(&format!("{} {name:?}", address.resource));
    Ok((key, found.ok_or_else(missing)?))
}

/// Makes a namespace with what every namespace has.
pub(super) fn make_namespace(store: &mut Store, name: &str) {
    let of = |resource: &str, namespace: &str| Address {
        api_version: "v1".to_owned(),
        resource: resource.to_owned(),
        namespace: namespace.to_owned(),
        name: None,
        subresource: None,
    };
    let object = |name: &str| json!({ "metadata": { "name": name } });
    let _ = create(store, &of("namespaces", ""), object(name));
    let _ = create(store, &of("serviceaccounts", name), object("default"));
    let mut root = object("kube-root-ca.crt");
    root["data"] = json!({ "ca.crt": "no certificate: this server speaks plain HTTP\n" });
    let _ = create(store, &of("configmaps", name), root);
}

pub(super) fn get(store: &Store, address: &Address) -> Answer {
    named(store, address).map(|(_, object)| object)
}

pub(super) fn post(store: &mut Store, address: &Address, body: Value) -> Answer {
    match (address.resource.as_str(), address.subresource.as_deref()) {
        ("tokenreviews.authentication.k8s.io", _) => Ok(token_review(body)),
        ("subjectaccessreviews.authorization.k8s.io", _) => Ok(access_review(body)),
        ("serviceaccounts", Some("token")) => token(store, address, body),
        ("pods", Some("binding")) => bind(store, address, &body),
        ("pods", Some("eviction")) => {
            let options = body["deleteOptions"].clone();
            delete(store, address, &options)
        }
        (_, None) => create(store, address, body),
        (resource, Some(below)) => Err(Refusal::not_found(&format!("{resource}/{below}"))),
    }
}

fn create(store: &mut Store, address: &Address, mut object: Value) -> Answer {
    let metadata = &mut object["metadata"];
    if metadata["name"].as_str().unwrap_or_default().is_empty() {
        let beginning = metadata["generateName"].as_str().unwrap_or_default();
        if beginning.is_empty() {
            return Err(Refusal::bad("name or generateName is required"));
        }
        metadata["name"] = format!("{beginning}{:05x}", store.version()).into();
    }
    let name = metadata["name"].as_str().unwrap_or_default().to_owned();
    let key = key(address, &name);
    if store.get(&key).is_some() {
        let message = format!("{} {name:?} already exists", address.resource);
        return Err(Refusal::conflict("AlreadyExists", message));
    }
    if !address.namespace.is_empty() {
        metadata["namespace"] = address.namespace.as_str().into();
    }
    metadata["uid"] = uid(store).into();
    metadata["creationTimestamp"] = seconds(store.now()).into();
    metadata["generation"] = 1.into();
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.remove("deletionTimestamp");
        metadata.remove("deletionGracePeriodSeconds");
    }
    object["kind"] = kind(&address.resource).into();
    object["apiVersion"] = address.api_version.as_str().into();
    if address.resource == "pods" {
        complete_pod(&mut object, store.now());
    }
    Ok(store.put(key, object))
}

/// What the server fills in of a pod, as far as a node looks at it.
fn complete_pod(pod: &mut Value, now: Timestamp) {
    let spec = &mut pod["spec"];
    for (name, value) in [
        ("restartPolicy", json!("Always")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("dnsPolicy", json!("ClusterFirst")),
        ("serviceAccountName", json!("default")),
        ("schedulerName", json!("default-scheduler")),
        ("enableServiceLinks", json!(true)),
        ("securityContext", json!({})),
    ] {
        if spec[name].is_null() {
            spec[name] = value;
        }
    }
    let is_mirror = !pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_null();
    pod["status"] = json!({ "phase": "Pending", "qosClass": "BestEffort" });
    if !pod["spec"]["nodeName"].is_null() && !is_mirror {
        pod["status"]["conditions"] = scheduled(now);
    }
}

fn scheduled(now: Timestamp) -> Value {
    let since = seconds(now);
    json!([{ "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": since }])
}

fn bind(store: &mut Store, address: &Address, body: &Value) -> Answer {
    let (key, mut pod) = named(store, address)?;
    if !pod["spec"]["nodeName"].is_null() {
        let message = format!("pod {} is already assigned to a node", key.name);
        return Err(Refusal::conflict("Conflict", message));
    }
    pod["spec"]["nodeName"] = body["target"]["name"].clone();
    pod["status"]["conditions"] = scheduled(store.now());
    store.put(key, pod);
    Ok(json!({ "kind": "Status", "apiVersion": "v1", "status": "Success", "code": 201 }))
}

pub(super) fn put(store: &mut Store, address: &Address, body: Value) -> Answer {
    let (key, before) = named(store, address)?;
    let version = &body["metadata"]["resourceVersion"];
    if !version.is_null() && *version != before["metadata"]["resourceVersion"] {
        let message = format!(
            "Operation cannot be fulfilled on {} {:?}: the object has been modified; please apply your \
             changes to the latest version and try again",
            key.resource, key.name
        );
        return Err(Refusal::conflict("Conflict", message));
    }
    write(store, address, (key, before), body)
}

pub(super) fn patch(store: &mut Store, address: &Address, how: Patching, patch: &Value) -> Answer {
    let (key, before) = named(store, address)?;
    let mut after = before.clone();
    match how {
        Patching::Merge => patch::merge(&mut after, patch),
        Patching::Strategic => patch::strategic(&mut after, patch),
        Patching::Json => {
            patch::json(&mut after, patch).map_err(|why| Refusal::invalid(&why))?;
        }
    }
    let version = &after["metadata"]["resourceVersion"];
    if *version != before["metadata"]["resourceVersion"] {
        return Err(Refusal::conflict(
            "Conflict",
            "the object has been modified".to_owned(),
        ));
    }
    write(store, address, (key, before), after)
}

fn write(
    store: &mut Store,
    address: &Address,
    (key, before): (Key, Value),
    mut after: Value,
) -> Answer {
    let uid = &after["metadata"]["uid"];
    if !uid.is_null() && *uid != before["metadata"]["uid"] {
        let message = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            before["metadata"]["uid"]
        );
        return Err(Refusal::conflict("Conflict", message));
    }
    for field in [
        "uid",
        "name",
        "namespace",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        keep(&before["metadata"], &mut after["metadata"], field);
    }
    match address.subresource.as_deref() {
        Some("status") => keep(&before, &mut after, "spec"),
        None => {
            if has_status(&key.resource) {
                keep(&before, &mut after, "status");
            }
            if key.resource == "pods" && resize::has_other_resources(&before, &after) {
                return Err(Refusal::invalid(
                    "spec: Forbidden: resources of containers are changed through the resize subresource",
                ));
            }
            count_generation(&before, &mut after);
        }
        Some("resize") if key.resource == "pods" => {
            after = resize::resized(&before, &after).map_err(|why| Refusal::invalid(&why))?;
            count_generation(&before, &mut after);
        }
        Some(_) => {}
    }
    for field in ["kind", "apiVersion"] {
        keep(&before, &mut after, field);
    }
    let is_deleted = !after["metadata"]["deletionTimestamp"].is_null();
    let grace = &after["metadata"]["deletionGracePeriodSeconds"];
    if is_deleted && !has_finalizers(&after) && (grace.is_null() || *grace == 0) {
        return Ok(store.take(&key).unwrap_or(after));
    }
    Ok(store.put(key, after))
}

/// Each change of what is wished has a number.
fn count_generation(before: &Value, after: &mut Value) {
    if before["spec"] != after["spec"] {
        let generation = before["metadata"]["generation"].as_i64().unwrap_or(1);
        after["metadata"]["generation"] = (generation + 1).into();
    }
}

fn keep(before: &Value, after: &mut Value, field: &str) {
    match &before[field] {
        Value::Null => {
            if let Some(after) = after.as_object_mut() {
                after.remove(field);
            }
        }
        value => after[field] = value.clone(),
    }
}

fn has_finalizers(object: &Value) -> bool {
    let all = object["metadata"]["finalizers"].as_array();
    all.is_some_and(|all| !all.is_empty())
}

pub(super) fn delete(store: &mut Store, address: &Address, options: &Value) -> Answer {
    let (key, mut object) = named(store, address)?;
    let wanted = &options["preconditions"]["uid"];
    if !wanted.is_null() && *wanted != object["metadata"]["uid"] {
        let message = format!(
            "Precondition failed: UID in precondition: {wanted}, UID in object meta: {}",
            object["metadata"]["uid"]
        );
        return Err(Refusal::conflict("Conflict", message));
    }
    let grace = grace(&key, &object, options);
    if grace == 0 && !has_finalizers(&object) {
        return Ok(store.take(&key).unwrap_or(object));
    }
    let before = object["metadata"]["deletionGracePeriodSeconds"].as_i64();
    if before.is_none_or(|before| grace < before) {
        let end = store.now() + SignedDuration::from_secs(grace);
        object["metadata"]["deletionTimestamp"] = seconds(end).into();
        object["metadata"]["deletionGracePeriodSeconds"] = grace.into();
        object = store.put(key, object);
    }
    Ok(object)
}

/// How long a pod may take to end; everything else goes at once.
fn grace(key: &Key, object: &Value, options: &Value) -> i64 {
    let has_ended = matches!(
        object["status"]["phase"].as_str(),
        Some("Succeeded" | "Failed")
    );
    let is_placed = !object["spec"]["nodeName"].is_null();
    if key.resource != "pods" || !is_placed || has_ended {
        return 0;
    }
    let asked = options["gracePeriodSeconds"].as_i64();
    let own = object["spec"]["terminationGracePeriodSeconds"].as_i64();
    asked.or(own).unwrap_or(30).max(0)
}

fn token(store: &mut Store, address: &Address, mut body: Value) -> Answer {
    let account = Address {
        subresource: None,
        ..address.clone()
    };
    named(store, &account)?;
    let wanted = body["spec"]["expirationSeconds"].as_i64().unwrap_or(3600);
    let expires = store.now() + SignedDuration::from_secs(wanted);
    body["status"] = json!({
        "token": format!("token-of-{}-{}", address.name.as_deref().unwrap_or_default(), store.version()),
        "expirationTimestamp": seconds(expires),
    });
    Ok(body)
}

fn token_review(mut body: Value) -> Value {
    let token = body["spec"]["token"].as_str().unwrap_or_default();
    body["status"] = match user_of(token) {
        Some((name, groups)) => json!({
            "authenticated": true,
            "user": { "username": name, "uid": name, "groups": groups },
            "audiences": ["https://kubernetes.default.svc"],
        }),
        None => json!({ "authenticated": false, "error": "invalid bearer token" }),
    };
    body
}

/// Masters may do everything; the viewer may look at metrics.
fn access_review(mut body: Value) -> Value {
    let spec = &body["spec"];
    let mut groups = spec["groups"].as_array().into_iter().flatten();
    let attributes = &spec["resourceAttributes"];
    let is_master = groups.any(|group| group == "system:masters");
    let is_viewer = spec["user"] == "viewer"
        && attributes["resource"] == "nodes"
        && attributes["subresource"] == "metrics"
        && attributes["verb"] == "get";
    body["status"] = json!({ "allowed": is_master || is_viewer });
    body
}

fn uid(store: &Store) -> String {
    format!("00000000-0000-4000-8000-{:012x}", store.version())
}

fn seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second())
        .unwrap_or(time)
        .to_string()
}
