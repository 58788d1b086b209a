//! Pods here and there, and what is told next.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;
use serde_json::{Value, json};

use super::mirror::{Owner, mirror, shows};
use super::plan::{Sight, Step, plan};
use super::{diff, finish, read};
use crate::model::PodOrigin;

fn pod(object: Value) -> core::Pod {
    serde_json::from_value(object).unwrap()
}

/// A pod of the API server with this status.
fn web(status: Value) -> core::Pod {
    let mut pod = pod(json!({
        "metadata": { "name": "web", "namespace": "default", "uid": "u1", "generation": 3 },
        "spec": { "containers": [{ "name": "main", "image": "i" }] },
    }));
    pod.status = Some(serde_json::from_value(status).unwrap());
    pod
}

fn deleted(mut pod: core::Pod) -> core::Pod {
    pod.metadata.deletion_timestamp =
        serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
    pod.metadata.deletion_grace_period_seconds = Some(7);
    pod
}

fn running() -> Value {
    json!({ "phase": "Running", "containerStatuses": [container(json!({ "running": {} }))] })
}

fn container(state: Value) -> Value {
    json!({ "name": "main", "image": "i", "imageID": "", "ready": true, "restartCount": 0, "state": state })
}

fn ended(code: i32) -> Value {
    json!({ "terminated": { "exitCode": code } })
}

fn sight() -> Sight<'static> {
    Sight {
        here: None,
        gone: None,
        wanted: None,
        are_all_known: true,
        there: None,
        refused: None,
        futile: None,
        node: None,
    }
}

fn patch_of(sight: Sight<'_>) -> Value {
    match plan(sight) {
        Step::Patch(patch) => patch,
        step => panic!("{step:?}"),
    }
}

#[test]
fn a_pod_is_told_what_changed_of_it_and_nothing_else() {
    let (there, here) = (web(json!({ "phase": "Pending" })), web(running()));
    let sight = Sight {
        here: Some(&here),
        there: Some(&there),
        ..sight()
    };
    let patch = patch_of(sight);
    assert_eq!(patch["metadata"], json!({ "uid": "u1" }));
    assert_eq!(patch["status"]["phase"], "Running");
    assert_eq!(patch["status"]["observedGeneration"], 3);
    let mut same = here.clone();
    same.status.as_mut().unwrap().observed_generation = Some(3);
    assert_eq!(
        plan(Sight {
            there: Some(&same),
            ..sight
        }),
        Step::Nothing
    );
    let other = core::Pod {
        metadata: Default::default(),
        ..there.clone()
    };
    assert_eq!(
        plan(Sight {
            there: Some(&other),
            ..sight
        }),
        Step::Nothing
    );
}

#[test]
fn conditions_of_others_are_not_told_and_old_addresses_go() {
    let is = json!({
        "podIPs": [{ "ip": "10.0.0.1" }],
        "conditions": [{ "type": "gate", "status": "False" }, { "type": "Ready", "status": "False", "message": "m" }],
        "resourceClaimStatuses": [{ "name": "theirs" }],
    });
    let shall = json!({
        "podIPs": [{ "ip": "10.0.0.2" }],
        "conditions": [{ "type": "gate", "status": "True" }, { "type": "Ready", "status": "True" }],
    });
    let status = |value| serde_json::from_value::<core::PodStatus>(value).unwrap();
    let patch = diff::patch("u", &status(is.clone()), &status(shall)).unwrap();
    let expected = json!({
        "podIPs": [{ "ip": "10.0.0.2" }, { "ip": "10.0.0.1", "$patch": "delete" }],
        "conditions": [{ "type": "Ready", "status": "True", "message": null }],
    });
    assert_eq!(patch["status"], expected);
    assert_eq!(diff::patch("u", &status(is.clone()), &status(is)), None);
}

#[test]
fn a_condition_of_a_resize_goes_with_it() {
    let status = |kinds: &[&str]| {
        let one = |kind: &&str| json!({ "type": kind, "status": "True" });
        let conditions: Vec<_> = kinds.iter().map(one).collect();
        serde_json::from_value::<core::PodStatus>(json!({ "conditions": conditions })).unwrap()
    };
    let is = status(&["Ready", "DisruptionTarget", "PodResizeInProgress", "theirs"]);
    let patch = diff::patch("u", &is, &status(&["Ready"])).unwrap();
    let gone = json!([{ "type": "PodResizeInProgress", "$patch": "delete" }]);
    assert_eq!(patch["status"]["conditions"], gone);
}

#[test]
fn there_is_no_way_back_from_an_end() {
    let (there, here) = (web(json!({ "phase": "Failed" })), web(running()));
    assert_eq!(
        plan(Sight {
            here: Some(&here),
            there: Some(&there),
            ..sight()
        }),
        Step::Nothing
    );
}

#[test]
fn a_pod_ends_for_others_when_nothing_of_it_runs() {
    let there = web(json!({ "phase": "Running" }));
    let mut here = web(running());
    let status = here.status.as_mut().unwrap();
    status.phase = Some("Failed".to_owned());
    status.reason = Some("Evicted".to_owned());
    let patch = patch_of(Sight {
        here: Some(&here),
        there: Some(&there),
        ..sight()
    });
    assert_eq!(patch["status"]["phase"], Value::Null);
    assert_eq!(patch["status"]["reason"], Value::Null);
    let here = web(json!({ "phase": "Failed", "containerStatuses": [container(ended(1))] }));
    let patch = patch_of(Sight {
        here: Some(&here),
        there: Some(&there),
        ..sight()
    });
    assert_eq!(patch["status"]["phase"], "Failed");
}

#[test]
fn a_deleted_pod_goes_after_its_last_status_and_never_before_it_is_gone() {
    let there = deleted(web(running()));
    let here = web(running());
    let nothing = Sight {
        there: Some(&there),
        ..sight()
    };
    assert_eq!(
        plan(nothing),
        Step::Nothing,
        "it is not known that it is gone"
    );
    let still_here = plan(Sight {
        here: Some(&here),
        ..nothing
    });
    assert!(!matches!(still_here, Step::Remove(_)), "{still_here:?}");
    let patch = patch_of(Sight {
        gone: Some(&here),
        ..nothing
    });
    assert_eq!(patch["status"]["phase"], "Failed");
    let last = core::Pod {
        status: Some(core::PodStatus {
            observed_generation: Some(3),
            ..finish::finished(&here)
        }),
        ..there
    };
    let gone = Sight {
        there: Some(&last),
        gone: Some(&here),
        ..sight()
    };
    assert_eq!(plan(gone), Step::Remove("u1".to_owned()));
    let not_deleted = web(running());
    let finished = Sight {
        there: Some(&not_deleted),
        ..gone
    };
    assert_eq!(plan(finished), Step::Nothing);
}

#[test]
fn a_patch_that_changes_nothing_keeps_no_pod_from_going() {
    let (there, gone) = (deleted(web(running())), web(running()));
    let sight = Sight {
        there: Some(&there),
        gone: Some(&gone),
        ..sight()
    };
    let patch = patch_of(sight);
    let futile = Some(&patch);
    let step = plan(Sight { futile, ..sight });
    assert_eq!(step, Step::Remove("u1".to_owned()));
}

#[test]
fn a_pod_that_cannot_be_run_here_has_failed_and_goes_when_it_is_deleted() {
    let there = web(json!({ "phase": "Pending" }));
    let refused = Sight {
        there: Some(&there),
        refused: Some("no such thing"),
        ..sight()
    };
    let status = &patch_of(refused)["status"];
    assert_eq!(status["phase"], "Failed");
    assert_eq!(status["message"], "Pod was rejected: no such thing");
    let mut failed = deleted(there.clone());
    failed.status =
        serde_json::from_value(json!({ "phase": "Failed", "observedGeneration": 3 })).unwrap();
    let step = plan(Sight {
        there: Some(&failed),
        ..refused
    });
    assert_eq!(step, Step::Remove("u1".to_owned()));
}

#[test]
fn the_last_status_says_how_each_container_ended() {
    let phase = |state: Value| {
        let pod = web(json!({
            "phase": "Running",
            "containerStatuses": [container(state)],
            "conditions": [{ "type": "Ready", "status": "True" }],
        }));
        let status = finish::finished(&pod);
        assert_eq!(status.conditions.unwrap()[0].status, "False");
        let container = &status.container_statuses.unwrap()[0];
        let state = container.state.as_ref().unwrap();
        (
            status.phase.unwrap(),
            state.terminated.as_ref().unwrap().exit_code,
        )
    };
    assert_eq!(phase(ended(0)), ("Succeeded".to_owned(), 0));
    assert_eq!(phase(ended(143)), ("Failed".to_owned(), 143));
    assert_eq!(phase(json!({ "running": {} })), ("Failed".to_owned(), 137));
}

/// A static pod whose manifest has this hash.
fn static_pod(hash: &str) -> core::Pod {
    pod(json!({
        "metadata": {
            "name": "web-node", "namespace": "default", "uid": hash,
            "annotations": { "kubernetes.io/config.hash": hash, "kubernetes.io/config.source": "file" },
        },
        "spec": { "containers": [{ "name": "main", "image": "i" }] },
    }))
}

fn owner() -> Owner {
    Owner {
        name: "node".to_owned(),
        uid: "n1".to_owned(),
    }
}

fn mirrored(hash: &str) -> core::Pod {
    let mut mirror = mirror(&static_pod(hash), &owner());
    mirror.metadata.uid = Some("m1".to_owned());
    mirror
}

#[test]
fn a_static_pod_is_shown_by_a_mirror_that_belongs_to_its_node() {
    let (wanted, node) = (static_pod("h1"), owner());
    let sight = Sight {
        wanted: Some(&wanted),
        ..sight()
    };
    assert_eq!(plan(sight), Step::Nothing, "the node is not there yet");
    let Step::Create(made) = plan(Sight {
        node: Some(&node),
        ..sight
    }) else {
        panic!("a mirror is made");
    };
    assert_eq!(made.metadata.uid, None);
    let expected: BTreeMap<String, String> = [
        ("kubernetes.io/config.hash", "h1"),
        ("kubernetes.io/config.mirror", "h1"),
        ("kubernetes.io/config.source", "file"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    assert_eq!(made.metadata.annotations, Some(expected));
    let of = &made.metadata.owner_references.as_ref().unwrap()[0];
    assert_eq!(
        (of.kind.as_str(), of.uid.as_str(), of.controller),
        ("Node", "n1", Some(true))
    );
    assert!(shows(&made, &wanted));
}

#[test]
fn a_mirror_of_another_version_or_that_was_deleted_is_made_anew() {
    let (wanted, node) = (static_pod("h2"), owner());
    for mirror in [mirrored("h1"), deleted(mirrored("h2"))] {
        let there = Some(&mirror);
        let step = plan(Sight {
            wanted: Some(&wanted),
            node: Some(&node),
            there,
            ..sight()
        });
        assert_eq!(step, Step::Remove("m1".to_owned()));
    }
}

#[test]
fn a_mirror_is_told_the_status_of_its_static_pod() {
    let wanted = static_pod("h1");
    let mut here = wanted.clone();
    here.status = web(running()).status;
    let mirror = mirrored("h1");
    let patch = patch_of(Sight {
        wanted: Some(&wanted),
        here: Some(&here),
        there: Some(&mirror),
        ..sight()
    });
    assert_eq!(patch["metadata"]["uid"], "m1");
    assert_eq!(patch["status"]["phase"], "Running");
}

#[test]
fn a_mirror_of_nothing_goes_once_all_static_pods_are_known() {
    let (mirror, here) = (mirrored("h1"), static_pod("h1"));
    let left = Sight {
        there: Some(&mirror),
        ..sight()
    };
    assert_eq!(plan(left), Step::Remove("m1".to_owned()));
    assert_eq!(
        plan(Sight {
            are_all_known: false,
            ..left
        }),
        Step::Nothing
    );
    assert_eq!(
        plan(Sight {
            here: Some(&here),
            ..left
        }),
        Step::Nothing,
        "it still ends"
    );
}

#[test]
fn what_others_tell_of_a_pod_is_read_and_what_was_told_first_stays() {
    let first =
        json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "True" }] });
    let first: core::PodStatus = serde_json::from_value(first).unwrap();
    let now = web(json!({
        "phase": "Running",
        "conditions": [{ "type": "gate", "status": "True" }, { "type": "Ready", "status": "True" }],
    }));
    let read = read::read(deleted(now), Some(first), Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(read.origin, PodOrigin::Api);
    assert_eq!(read.leaves_within.unwrap().as_secs(), 7);
    assert_eq!(read.annotations["kubernetes.io/config.source"], "api");
    let told = read.manifest.status.clone().unwrap();
    assert_eq!(told.phase.as_deref(), Some("Pending"));
    assert!(
        told.conditions
            .unwrap()
            .iter()
            .any(|one| one.type_ == "gate")
    );
    assert_eq!(
        read::read(web(json!({})), None, Timestamp::UNIX_EPOCH)
            .unwrap()
            .leaves_within,
        None
    );
}
