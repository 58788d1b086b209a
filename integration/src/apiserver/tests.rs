//! What a real API server does, and this one as well.

use std::sync::{Arc, Mutex};

use http::StatusCode;
use serde_json::{Value, json};

use super::address::{kind, read};
use super::verbs::{Patching, Refusal, delete, get, make_namespace, patch, post, put};
use super::*;

fn store() -> Store {
    let mut store = Store::default();
    make_namespace(&mut store, "default");
    store
}

fn pods() -> address::Address {
    read("/api/v1/namespaces/default/pods").unwrap()
}

fn web(below: &str) -> address::Address {
    read(&format!("/api/v1/namespaces/default/pods/web{below}")).unwrap()
}

fn made(store: &mut Store) -> Value {
    let pod =
        json!({ "metadata": { "name": "web" }, "spec": { "nodeName": "node", "containers": [] } });
    post(store, &pods(), pod).unwrap()
}

fn code(refused: Result<Value, Refusal>) -> StatusCode {
    refused.unwrap_err().0
}

#[test]
fn paths_mean_objects_of_kinds() {
    let lease =
        read("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node").unwrap();
    assert_eq!(lease.resource, "leases.coordination.k8s.io");
    assert_eq!(
        (lease.namespace.as_str(), lease.name.as_deref()),
        ("kube-node-lease", Some("node"))
    );
    assert_eq!(kind(&lease.resource), "Lease");
    assert_eq!(
        read("/api/v1/namespaces/default").unwrap().resource,
        "namespaces"
    );
    assert_eq!(web("/status").subresource.as_deref(), Some("status"));
    assert_eq!(kind("configmaps"), "ConfigMap");
}

#[test]
fn an_object_is_made_once_and_changed_only_from_its_last_version() {
    let mut store = store();
    let pod = made(&mut store);
    let again = json!({ "metadata": { "name": "web" } });
    assert_eq!(code(post(&mut store, &pods(), again)), StatusCode::CONFLICT);
    let mut changed = pod.clone();
    changed["metadata"]["labels"] = json!({ "a": "b" });
    put(&mut store, &web(""), changed.clone()).unwrap();
    assert_eq!(
        code(put(&mut store, &web(""), changed)),
        StatusCode::CONFLICT
    );
    let other = json!({ "metadata": { "uid": "another" } });
    let refused = patch(&mut store, &web(""), Patching::Merge, &other);
    assert_eq!(code(refused), StatusCode::CONFLICT);
}

#[test]
fn a_status_is_changed_only_below_its_own_path() {
    let mut store = store();
    made(&mut store);
    let change = json!({ "spec": { "x": 1 }, "status": { "phase": "Running" } });
    let pod = patch(&mut store, &web(""), Patching::Merge, &change).unwrap();
    assert_eq!(
        (&pod["spec"]["x"], &pod["status"]["phase"]),
        (&json!(1), &json!("Pending"))
    );
    assert_eq!(pod["metadata"]["generation"], 2);
    let change = json!({ "spec": { "x": 2 }, "status": { "phase": "Running" } });
    let pod = patch(&mut store, &web("/status"), Patching::Merge, &change).unwrap();
    assert_eq!(
        (&pod["spec"]["x"], &pod["status"]["phase"]),
        (&json!(1), &json!("Running"))
    );
}

#[test]
fn entries_of_lists_are_known_by_their_keys() {
    let mut store = store();
    made(&mut store);
    let change = json!({ "status": {
        "conditions": [{ "type": "Ready", "status": "True" }, { "type": "PodScheduled", "$patch": "delete" }],
        "podIPs": [{ "ip": "10.0.0.1" }],
    }});
    patch(&mut store, &web("/status"), Patching::Strategic, &change).unwrap();
    let change = json!({ "status": {
        "conditions": [{ "type": "Ready", "status": "False" }, { "type": "mine", "status": "True" }],
        "podIPs": [{ "ip": "10.0.0.2" }, { "ip": "10.0.0.1", "$patch": "delete" }],
    }});
    let pod = patch(&mut store, &web("/status"), Patching::Strategic, &change).unwrap();
    let expected =
        json!([{ "type": "Ready", "status": "False" }, { "type": "mine", "status": "True" }]);
    assert_eq!(pod["status"]["conditions"], expected);
    assert_eq!(pod["status"]["podIPs"], json!([{ "ip": "10.0.0.2" }]));
}

#[test]
fn a_pod_on_a_node_goes_when_its_node_says_so() {
    let mut store = store();
    let uid = made(&mut store)["metadata"]["uid"].clone();
    let pod = delete(&mut store, &web(""), &Value::Null).unwrap();
    assert_eq!(pod["metadata"]["deletionGracePeriodSeconds"], 30);
    let sooner = json!({ "gracePeriodSeconds": 5 });
    let pod = delete(&mut store, &web(""), &sooner).unwrap();
    assert_eq!(pod["metadata"]["deletionGracePeriodSeconds"], 5);
    let other = json!({ "gracePeriodSeconds": 0, "preconditions": { "uid": "another" } });
    assert_eq!(
        code(delete(&mut store, &web(""), &other)),
        StatusCode::CONFLICT
    );
    let now = json!({ "gracePeriodSeconds": 0, "preconditions": { "uid": uid } });
    delete(&mut store, &web(""), &now).unwrap();
    assert_eq!(code(get(&store, &web(""))), StatusCode::NOT_FOUND);
}

#[test]
fn a_binding_gives_a_pod_its_node_once() {
    let mut store = store();
    let pod = json!({ "metadata": { "name": "web" }, "spec": { "containers": [] } });
    post(&mut store, &pods(), pod).unwrap();
    let binding = json!({ "target": { "name": "node" } });
    post(&mut store, &web("/binding"), binding.clone()).unwrap();
    let pod = get(&store, &web("")).unwrap();
    assert_eq!(pod["spec"]["nodeName"], "node");
    assert_eq!(
        code(post(&mut store, &web("/binding"), binding)),
        StatusCode::CONFLICT
    );
}

async fn lines(shared: &Arc<Shared>, version: u64, count: usize) -> Vec<String> {
    let selection = select::Selection::read(Some("spec.nodeName=node"), None);
    let body = watch::stream(shared, &pods(), selection, Some(version), (true, 60));
    let mut stream = body.into_data_stream();
    let mut told = Vec::new();
    while told.len() < count {
        let line = futures::StreamExt::next(&mut stream)
            .await
            .unwrap()
            .unwrap();
        let line: Value = serde_json::from_slice(&line).unwrap();
        let name = line["object"]["metadata"]["name"]
            .as_str()
            .unwrap_or_default();
        told.push(format!("{} {name}", line["type"].as_str().unwrap()));
    }
    told
}

#[tokio::test]
async fn a_watch_tells_what_comes_into_its_selection_and_leaves_it() {
    let shared = Arc::new(Shared {
        store: Mutex::new(store()),
        requests: Mutex::default(),
        ..Shared::default()
    });
    let begin = shared.store().version();
    let pod = json!({ "metadata": { "name": "web" }, "spec": { "containers": [] } });
    post(&mut shared.store(), &pods(), pod).unwrap();
    let binding = json!({ "target": { "name": "node" } });
    post(&mut shared.store(), &web("/binding"), binding).unwrap();
    let status = json!({ "status": { "phase": "Failed" } });
    patch(
        &mut shared.store(),
        &web("/status"),
        Patching::Merge,
        &status,
    )
    .unwrap();
    delete(&mut shared.store(), &web(""), &Value::Null).unwrap();
    let told = lines(&shared, begin, 4).await;
    assert_eq!(
        told,
        ["ADDED web", "MODIFIED web", "DELETED web", "BOOKMARK "]
    );
    shared.store().compact();
    assert_eq!(lines(&shared, begin, 1).await, ["ERROR "]);
}

fn sized(store: &mut Store) -> Value {
    let pod = json!({
        "metadata": { "name": "web" },
        "spec": { "nodeName": "node", "containers": [{
            "name": "main", "image": "web:1", "resources": { "requests": { "cpu": "1" } },
        }]},
    });
    post(store, &pods(), pod).unwrap()
}

fn resize(store: &mut Store, container: &Value) -> Result<Value, Refusal> {
    let mut container = container.clone();
    container["name"] = "main".into();
    let change = json!({ "spec": { "containers": [container] } });
    patch(store, &web("/resize"), Patching::Strategic, &change)
}

#[test]
fn a_resize_changes_what_containers_ask_for_and_nothing_else() {
    let mut store = store();
    sized(&mut store);
    let more = json!({ "image": "web:2", "resources": { "requests": { "cpu": "2" } } });
    let pod = resize(&mut store, &more).unwrap();
    let main = &pod["spec"]["containers"][0];
    assert_eq!(main["resources"]["requests"]["cpu"], "2");
    assert_eq!(main["image"], "web:1");
    assert_eq!(pod["metadata"]["generation"], 2);
    let same = resize(&mut store, &json!({})).unwrap();
    assert_eq!(same["metadata"]["generation"], 2);
}

#[test]
fn what_no_resize_may_change_is_refused() {
    let mut store = store();
    sized(&mut store);
    for refused in [
        json!({ "resources": { "requests": { "cpu": null } } }),
        json!({ "resources": { "limits": { "example.com/gpu": "1" } } }),
        json!({ "resources": {
            "requests": { "cpu": "1", "memory": "1Gi" }, "limits": { "cpu": "1", "memory": "1Gi" },
        }}),
    ] {
        let answer = resize(&mut store, &refused);
        assert_eq!(code(answer), StatusCode::UNPROCESSABLE_ENTITY, "{refused}");
    }
    let change = json!({ "spec": { "containers": [
        { "name": "main", "resources": { "requests": { "cpu": "2" } } },
    ]}});
    let plainly = patch(&mut store, &web(""), Patching::Strategic, &change);
    assert_eq!(code(plainly), StatusCode::UNPROCESSABLE_ENTITY);
}
