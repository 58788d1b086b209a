//! Nodes as they are and as they shall be, and what is told of the difference.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::plan::{StatusChange, has_rebooted, new_node, other_machine, reconcile, status};
use super::*;

fn wishes() -> NodeWishes {
    NodeWishes {
        register: true,
        taints: Vec::new(),
        provider_id: String::new(),
        controller_attaches: true,
        update: Duration::from_secs(10),
        report: Duration::from_secs(300),
        lease_seconds: 40,
    }
}

fn portrait() -> Value {
    json!({
        "metadata": {
            "name": "node",
            "creationTimestamp": "2020-01-01T00:00:00Z",
            "labels": { "kubernetes.io/hostname": "node", "mine": "x" },
        },
        "spec": {},
        "status": {
            "capacity": { "cpu": "2", "pods": "110" },
            "addresses": [{ "type": "InternalIP", "address": "10.0.0.1" }],
            "nodeInfo": { "bootID": "a" },
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "m",
                "lastHeartbeatTime": "t2", "lastTransitionTime": "t0",
            }],
        },
    })
}

#[test]
fn a_node_is_made_with_its_taints_and_its_providers_name() {
    let wishes = NodeWishes {
        taints: vec![json!({ "key": "a", "effect": "NoSchedule" })],
        provider_id: "cloud://1".to_owned(),
        ..wishes()
    };
    let node = new_node(portrait(), &wishes);
    assert_eq!(node["spec"]["taints"][0]["key"], "a");
    assert_eq!(node["spec"]["providerID"], "cloud://1");
    assert_eq!(
        node["metadata"]["annotations"],
        json!({ "volumes.kubernetes.io/controller-managed-attach-detach": "true" })
    );
    assert_eq!(node["metadata"]["creationTimestamp"], Value::Null);
}

#[test]
fn a_node_that_is_there_gets_what_is_the_kubelets_and_keeps_the_rest() {
    let mut existing = new_node(portrait(), &wishes());
    existing["metadata"]["labels"]["other"] = "kept".into();
    assert_eq!(reconcile(&existing, &portrait(), &wishes()), None);
    existing["metadata"]["labels"]["kubernetes.io/hostname"] = "old".into();
    // Labels of the command line are given when the Node is made.
    existing["metadata"]["labels"]["mine"] = "changed by somebody".into();
    let wishes = NodeWishes {
        controller_attaches: false,
        provider_id: "cloud://1".to_owned(),
        ..wishes()
    };
    let expected = json!({
        "metadata": {
            "labels": { "kubernetes.io/hostname": "node" },
            "annotations": { "volumes.kubernetes.io/controller-managed-attach-detach": null },
        },
        "spec": { "providerID": "cloud://1" },
    });
    assert_eq!(reconcile(&existing, &portrait(), &wishes), Some(expected));
}

#[test]
fn a_status_that_did_not_change_is_only_a_heartbeat() {
    let mut existing = portrait();
    existing["status"]["conditions"][0]["lastHeartbeatTime"] = "t1".into();
    existing["status"]["conditions"][0]["lastTransitionTime"] = "t1".into();
    existing["status"]["capacity"]["example.com/device"] = "1".into();
    let StatusChange { patch, is_news } = status(&existing, &portrait());
    assert!(!is_news);
    let condition = json!({
        "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "m",
        "lastHeartbeatTime": "t2", "lastTransitionTime": "t1",
    });
    assert_eq!(patch, json!({ "status": { "conditions": [condition] } }));
}

#[test]
fn what_changed_of_a_status_is_told_and_a_condition_that_turned_has_its_time() {
    let mut existing = portrait();
    existing["status"]["conditions"][0]["status"] = "Unknown".into();
    existing["status"]["capacity"]["pods"] = "50".into();
    existing["status"]["addresses"][0]["address"] = "10.0.0.9".into();
    let StatusChange { patch, is_news } = status(&existing, &portrait());
    assert!(is_news);
    assert_eq!(patch["status"]["capacity"], json!({ "pods": "110" }));
    assert_eq!(patch["status"]["conditions"][0]["lastTransitionTime"], "t2");
    assert_eq!(
        patch["status"]["addresses"][1],
        json!({ "$patch": "replace" })
    );
    assert_eq!(patch["status"]["nodeInfo"], Value::Null);
}

#[test]
fn a_boot_is_known_by_its_id() {
    let mut existing = portrait();
    assert!(!has_rebooted(&existing, &portrait()));
    existing["status"]["nodeInfo"]["bootID"] = "b".into();
    assert!(has_rebooted(&existing, &portrait()));
    existing["status"]["nodeInfo"]["bootID"] = "".into();
    assert!(!has_rebooted(&existing, &portrait()));
}

#[test]
fn a_lease_belongs_to_its_node_and_keeps_what_others_wrote() {
    let now = Timestamp::UNIX_EPOCH;
    let first = lease::lease(None, ("node", "uid"), 40, now);
    assert_eq!(first["metadata"]["ownerReferences"][0]["uid"], "uid");
    assert_eq!(first["spec"]["renewTime"], "1970-01-01T00:00:00.000000Z");
    let known = json!({
        "metadata": { "resourceVersion": "5", "ownerReferences": [{ "uid": "other" }], "labels": { "a": "b" } },
        "spec": { "holderIdentity": "node", "renewTime": "old" },
    });
    let next = lease::lease(Some(known), ("node", "uid"), 40, now);
    assert_eq!(next["metadata"]["resourceVersion"], "5");
    assert_eq!(next["metadata"]["ownerReferences"][0]["uid"], "other");
    assert_eq!(next["spec"]["leaseDurationSeconds"], 40);
}

#[test]
fn another_machine_is_known_by_its_ids_and_not_by_what_nobody_knows() {
    let node = |machine: &str, system: &str| json!({ "status": { "nodeInfo": { "machineID": machine, "systemUUID": system } } });
    let ours = node("m", "s");
    let of = |theirs: Value| other_machine(&theirs, &ours);
    assert_eq!(of(node("m", "s")), None);
    assert_eq!(of(node("", "")), None);
    assert_eq!(of(json!({})), None);
    assert_eq!(of(node("n", "s")), Some("n".to_owned()));
    // Clones of one image have one machine ID.
    assert_eq!(of(node("m", "t")), Some("t".to_owned()));
    assert_eq!(other_machine(&node("n", "t"), &node("", "")), None);
}
