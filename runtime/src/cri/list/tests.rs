//! Lists of many objects.

use std::collections::BTreeMap;

use super::*;
use crate::model::config::StringMap;
use crate::model::container::User;
use crate::model::{
    ContainerConfig, ContainerId, ContainerState, SandboxConfig, SandboxId, SandboxState,
};
use crate::sys::allocations;

const PODS: u16 = 2000;

fn id(kind: u8, number: u16) -> [u8; 32] {
    let [high, low] = number.to_be_bytes();
    let mut bytes = [kind; 32];
    bytes[0] = high;
    bytes[1] = low;
    bytes
}

/// Labels such as the kubelet's.
fn labels(number: u16) -> StringMap {
    StringMap::from([
        ("io.kubernetes.pod.name".to_owned(), format!("web-{number}")),
        ("io.kubernetes.pod.namespace".to_owned(), "shop".to_owned()),
        ("app".to_owned(), "web".to_owned()),
    ])
}

fn pod(number: u16) -> Arc<PodSnapshot> {
    let config = SandboxConfig {
        labels: labels(number),
        ..Default::default()
    };
    let sandbox = SandboxRecord {
        created_at: 1,
        state: SandboxState::Stopped,
        ..SandboxRecord::reserved(SandboxId::from_random(id(1, number)), config)
    };
    let container = ContainerRecord {
        image_volumes: Vec::new(),
        id: ContainerId::from_random(id(2, number)),
        sandbox_id: sandbox.id.clone(),
        config: ContainerConfig {
            labels: labels(number),
            // What a list does not show: it must not be copied either.
            args: vec!["x".to_owned(); 200],
            ..Default::default()
        },
        image_id: "sha256:0".to_owned(),
        image_ref: "sha256:0".to_owned(),
        stop_signal: 15,
        user: User::default(),
        created_at: 1,
        state: ContainerState::Created,
    };
    Arc::new(PodSnapshot {
        sandbox,
        containers: BTreeMap::from([(container.id.clone(), container)]),
    })
}

fn pods() -> Vec<Arc<PodSnapshot>> {
    (0..PODS).map(pod).collect()
}

#[test]
fn a_list_allocates_what_it_answers_and_no_more() {
    let pods = pods();
    let (one, of_one) = allocations::during(|| pod_containers(&pods[..1], None));
    let (all, of_all) = allocations::during(|| pod_containers(&pods, None));
    assert_eq!((one.len(), all.len()), (1, usize::from(PODS)));
    // The vector that holds them grows by doubling.
    let growth = 16;
    assert!(
        of_all <= of_one * usize::from(PODS) + growth,
        "one container takes {of_one}, {PODS} take {of_all}"
    );
    // Ids, image, names, and a map's node with its three keys and values: nothing of the arguments.
    assert!(of_one < 25, "{of_one}");
}

#[test]
fn what_a_filter_does_not_want_is_not_copied() {
    let pods = pods();
    let filter = cri::ContainerFilter {
        label_selector: StringMap::from([(
            "io.kubernetes.pod.name".to_owned(),
            "web-1234".to_owned(),
        )]),
        ..Default::default()
    };
    let (found, count) = allocations::during(|| pod_containers(&pods, Some(&filter)));
    assert_eq!(found.len(), 1);
    assert!(count < 25, "{count}");
    let none = cri::PodSandboxFilter {
        id: "nothing".to_owned(),
        ..Default::default()
    };
    let (found, count) = allocations::during(|| pod_sandboxes(&pods, Some(&none)));
    assert_eq!((found.len(), count), (0, 0));
}

#[test]
fn labels_are_answered_exactly_as_they_were_given() {
    let pods = [pod(7)];
    assert_eq!(pod_sandboxes(&pods, None)[0].labels, labels(7));
    assert_eq!(pod_containers(&pods, None)[0].labels, labels(7));
}

#[test]
fn containers_are_found_by_state_sandbox_and_shortened_id() {
    let pods = [pod(1), pod(2)];
    let count = |filter: cri::ContainerFilter| pod_containers(&pods, Some(&filter)).len();
    let sandbox = pods[0].sandbox.id.to_string();
    assert_eq!(
        count(cri::ContainerFilter {
            pod_sandbox_id: sandbox[..8].to_owned(),
            ..Default::default()
        }),
        1
    );
    let state = |state: cri::ContainerState| cri::ContainerFilter {
        state: Some(cri::ContainerStateValue {
            state: state.into(),
        }),
        ..Default::default()
    };
    assert_eq!(count(state(cri::ContainerState::ContainerCreated)), 2);
    assert_eq!(count(state(cri::ContainerState::ContainerRunning)), 0);
    assert_eq!(
        count(cri::ContainerFilter {
            id: "0002".to_owned(),
            pod_sandbox_id: sandbox,
            ..Default::default()
        }),
        0,
        "both must fit"
    );
}

#[test]
fn a_list_that_no_client_takes_names_the_call_that_streams_it() {
    let sandbox = cri::PodSandbox {
        labels: StringMap::from([("large".to_owned(), "x".repeat(1 << 20))]),
        ..Default::default()
    };
    let listed = |sandboxes| cri::ListPodSandboxResponse {
        items: vec![sandbox.clone(); sandboxes],
    };
    assert!(answer(listed(15)).is_ok());
    let refused = answer(listed(16)).unwrap_err();
    assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
    assert!(
        refused.message().contains("StreamPodSandboxes"),
        "{refused}"
    );
}
