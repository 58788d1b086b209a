//! A node with three pods, and what a person may ask of it.

use serde_json::json;

use super::*;

fn pod(name: &str, state: Value) -> Value {
    let status = json!({
        "name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
        "containerID": "podling://abc", "state": state,
    });
    json!({
        "metadata": { "name": name, "namespace": "default" },
        "spec": {
            "nodeName": "n1",
            "containers": [{ "name": "c" }, { "name": "d" }],
            "initContainers": [{ "name": "i" }],
        },
        "status": { "containerStatuses": [status] },
        "unknown": true,
    })
}

fn pods() -> Vec<Pod> {
    let list = json!({ "kind": "PodList", "items": [
        pod("web-n1", json!({ "running": {} })),
        pod("db", json!({ "terminated": { "exitCode": 3 } })),
        pod("slow", json!({ "waiting": { "reason": "ErrImagePull" } })),
    ] });
    decode_list(&serde_json::to_vec(&list).unwrap()).unwrap()
}

#[test]
fn a_pod_is_found_by_its_name_with_or_without_the_nodes() {
    let pods = pods();
    assert_eq!(find(&pods, "default", "web-n1").unwrap().name(), "web-n1");
    assert_eq!(find(&pods, "default", "web").unwrap().name(), "web-n1");
    assert_eq!(find(&pods, "default", "db").unwrap().name(), "db");
    let error = find(&pods, "kube-system", "web").unwrap_err();
    assert!(error.to_string().contains("podling get pods -A"), "{error}");
}

#[test]
fn a_field_that_is_not_known_here_is_kept() {
    assert_eq!(pods()[0].raw["unknown"], json!(true));
}

#[test]
fn the_first_container_is_meant_unless_one_is_named_or_annotated() {
    let mut pods = pods();
    let pod = &mut pods[0];
    assert_eq!(pod.container(None), Ok("c"));
    assert_eq!(pod.container(Some("i")), Ok("i"));
    let error = pod.container(Some("x")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "pod web-n1 has no container \"x\"; it has: c, d, i"
    );
    let annotation = (DEFAULT_CONTAINER.to_owned(), "d".to_owned());
    pod.api.metadata.annotations = Some([annotation].into());
    assert_eq!(pod.container(None), Ok("d"));
}

#[test]
fn only_a_running_container_has_an_id_to_run_things_in() {
    let pods = pods();
    assert_eq!(pods[0].running_id("c"), Ok("abc"));
    let refusal = |index: usize, name: &str| pods[index].running_id(name).unwrap_err().to_string();
    assert!(refusal(1, "c").ends_with("it ended with exit code 3"));
    assert!(refusal(2, "c").ends_with("it waits (ErrImagePull)"));
    assert!(refusal(0, "i").ends_with("it has not been started yet"));
}
