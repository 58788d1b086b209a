//! Ledgers, wishes, and what is said to them.

use std::collections::BTreeMap;

use tempfile::TempDir;

use super::*;
use crate::admit::{Amounts, NodeFacts};
use crate::model::{OnResize, Pod, PodOrigin, PodUid, Prospect, Size};
use crate::plan::fixture;
use crate::resource::{Machine, Shape, SwapBehaviour, Version};
use crate::sync::Allocations;

const GIB: u64 = 1 << 30;

/// A pod of an API server that asks for so much CPU and memory.
fn pod(name: &str, cpu: &str, memory: &str, generation: i64) -> Pod {
    fixture::asking(name, &fixture::requests(cpu, memory), generation)
}

/// The same, limited to it.
fn sure(name: &str, cpu: &str, memory: &str, generation: i64) -> Pod {
    let mut resources = fixture::requests(cpu, memory);
    resources["limits"] = resources["requests"].clone();
    fixture::asking(name, &resources, generation)
}

fn node() -> NodeFacts {
    NodeFacts {
        allocatable: Amounts {
            cpu_millis: 2000,
            memory: 4 * GIB,
            ..Amounts::default()
        },
        ..NodeFacts::boundless()
    }
}

fn answer_on(node: &NodeFacts, wish: &Pod, given: &Pod, others: &[Pod]) -> String {
    let others: Vec<_> = others.iter().collect();
    let question = Question {
        wish,
        given,
        others: &others,
        held: &BTreeMap::new(),
        node,
    };
    match decide(question) {
        Verdict::Granted => "granted".to_owned(),
        Verdict::Pending { why, detail } => {
            assert_eq!(why.prospect == Prospect::Infeasible, !detail.is_empty());
            format!("{}: {}", why.prospect.as_str(), why.message)
        }
    }
}

fn answer(wish: &Pod, given: &Pod, others: &[Pod]) -> String {
    answer_on(&node(), wish, given, others)
}

#[test]
fn a_wish_is_granted_when_there_is_room_beside_what_others_have() {
    let given = pod("a", "500m", "1Gi", 1);
    let rows = [
        (pod("a", "1", "1Gi", 2), "granted"),
        (
            pod("a", "1500m", "1Gi", 2),
            "Deferred: Node didn't have enough resource: cpu, requested: 1500, used: 1000, \
             capacity: 2000",
        ),
        (
            pod("a", "3", "1Gi", 2),
            "Infeasible: Node didn't have enough capacity: cpu, requested: 3000, capacity: 2000",
        ),
        (
            pod("a", "1", "5Gi", 2),
            "Infeasible: Node didn't have enough capacity: memory, requested: 5368709120, \
             capacity: 4294967296",
        ),
    ];
    let other = [pod("b", "1", "1Gi", 1)];
    for (wish, expected) in rows {
        assert_eq!(answer(&wish, &given, &other), expected);
    }
}

#[test]
fn a_static_pod_stays_as_large_as_it_is() {
    let given = pod("a", "500m", "1Gi", 1);
    let mut wish = pod("a", "1", "1Gi", 2);
    wish.origin = PodOrigin::File("f".into());
    assert_eq!(
        answer(&wish, &given, &[]),
        "Infeasible: In-place resize of static-pods is not supported"
    );
}

#[test]
fn what_swaps_stays_as_large_as_it_is_unless_it_is_started_anew() {
    let given = pod("a", "500m", "1Gi", 1);
    let wish = pod("a", "500m", "2Gi", 2);
    let mut swapping = node();
    swapping.resizing.shape = Shape {
        swap: SwapBehaviour::LimitedSwap,
        machine: Machine {
            version: Version::V2,
            swap: Some(GIB),
            memory: 4 * GIB,
            ..Machine::default()
        },
        ..Shape::default()
    };
    assert_eq!(
        answer_on(&swapping, &wish, &given, &[]),
        "Infeasible: In-place resize of containers with swap is not supported."
    );
    let more_cpu = pod("a", "1", "1Gi", 2);
    assert_eq!(answer_on(&swapping, &more_cpu, &given, &[]), "granted");
    let mut restarted = given;
    restarted.spec.containers[0].resize.memory = OnResize::RestartContainer;
    assert_eq!(answer_on(&swapping, &wish, &restarted, &[]), "granted");
}

#[test]
fn guaranteed_pods_keep_what_was_handed_out_to_them_alone() {
    let given = sure("a", "1", "1Gi", 1);
    let mut exclusive = node();
    exclusive.resizing.cpus = ManagerPolicy::Static;
    let more_cpu = sure("a", "2", "1Gi", 2);
    assert_eq!(
        answer_on(&exclusive, &more_cpu, &given, &[]),
        "Infeasible: Resize is infeasible for Guaranteed Pods alongside CPU Manager policy \"static\""
    );
    let more_memory = sure("a", "1", "2Gi", 2);
    assert_eq!(answer_on(&exclusive, &more_memory, &given, &[]), "granted");
    exclusive.resizing.memory = ManagerPolicy::Static;
    let told = answer_on(&exclusive, &more_memory, &given, &[]);
    assert!(told.contains("Memory Manager policy \"static\""), "{told}");
    let burstable = pod("a", "2", "1Gi", 2);
    assert_eq!(answer_on(&exclusive, &burstable, &given, &[]), "granted");
}

#[test]
fn what_becomes_smaller_is_looked_at_first_then_what_matters_most_is_surest_and_oldest() {
    let of = |name: &str| if name == "sure" { sure } else { pod };
    let given: Vec<_> = ["old", "new", "sure", "high", "less"]
        .map(|name| of(name)(name, "500m", "1Gi", 1))
        .into();
    let mut wishes: Vec<_> = given
        .iter()
        .map(|one| of(&one.name.name)(&one.name.name, "600m", "1Gi", 2))
        .collect();
    wishes[3].spec.placement.priority = 10;
    wishes[4] = pod("less", "100m", "1Gi", 2);
    let candidates = (0..5).map(|index| Candidate {
        wish: &wishes[index],
        given: &given[index],
        since: u64::try_from(index).unwrap(),
    });
    let order: Vec<_> = in_order(candidates.rev().collect())
        .iter()
        .map(|uid| uid.as_str().to_owned())
        .collect();
    assert_eq!(
        order,
        ["uid-less", "uid-high", "uid-sure", "uid-old", "uid-new"]
    );
}

#[test]
fn a_pod_is_run_at_what_it_was_given_and_not_at_what_it_asks_for() {
    let mut ledger = Ledger::default();
    let first = pod("a", "500m", "1Gi", 1);
    assert!(
        ledger.differing(&first).is_empty(),
        "nothing is known of it"
    );
    ledger.give(&first);
    assert!(ledger.differing(&first).is_empty());
    let same = pod("a", "0.5", "1024Mi", 1);
    assert!(ledger.differing(&same).is_empty(), "written otherwise");
    let wish = pod("a", "1", "1Gi", 2);
    let differing = ledger.differing(&wish);
    let spec = with_given(wish.spec.clone(), &differing);
    assert_eq!(
        Size::of(&spec.containers[0].resources),
        Size::of(&first.spec.containers[0].resources)
    );
    ledger.give(&wish);
    assert!(ledger.differing(&wish).is_empty());
    ledger.forget(&wish.uid);
    assert_eq!(ledger, Ledger::default());
}

/// The same pod, which asks for so much as a whole.
fn whole(mut pod: Pod, cpu: &str) -> Pod {
    let resources = fixture::requests(cpu, "2Gi");
    let written = serde_json::from_value(resources).unwrap();
    pod.spec.resources = crate::source::read_requirements(&written).unwrap();
    let manifest = std::sync::Arc::make_mut(&mut pod.manifest);
    manifest.spec.as_mut().unwrap().resources = Some(written);
    pod
}

#[test]
fn what_a_pod_was_given_as_a_whole_stays_until_more_is_granted() {
    let mut ledger = Ledger::default();
    let alone = pod("a", "500m", "1Gi", 1);
    let (first, wish) = (whole(alone.clone(), "1"), whole(alone.clone(), "2"));
    ledger.give(&first);
    assert!(ledger.differing(&first).is_empty());
    let differing = ledger.differing(&wish);
    assert!(differing.containers.is_empty());
    let given = with_given(wish.spec.clone(), &differing);
    assert_eq!(given.resources, first.spec.resources);
    // It is written down as it is, whatever its manifest says by now.
    let mut as_it_is = wish.clone();
    as_it_is.resize.whole = differing.whole;
    ledger.give(&as_it_is);
    assert!(ledger.differing(&first).is_empty());
    assert_eq!(
        answer(&wish, &first, &[pod("b", "500m", "1Gi", 1)]),
        "Deferred: Node didn't have enough resource: cpu, requested: 2000, used: 500, capacity: 2000"
    );
    ledger.give(&wish);
    assert!(ledger.differing(&wish).is_empty());
    ledger.give(&alone);
    let differing = ledger.differing(&wish);
    let given = with_given(wish.spec.clone(), &differing);
    assert!(!given.has_resources(), "nothing was given as a whole");
}

#[test]
fn the_ledger_is_in_upstreams_form() {
    let mut ledger = Ledger::default();
    ledger.give(&pod("a", "500m", "1Gi", 1));
    let file: serde_json::Value = serde_json::from_slice(&checkpoint::write(&ledger)).unwrap();
    assert_eq!(
        file["data"],
        r#"{"entries":{"uid-a":{"ContainerResources":{"web":{"requests":{"cpu":"500m","memory":"1Gi"}}},"PodLevelResources":null}}}"#
    );
    // FNV-1a with 32 bits over `(string)` and the data, as Go prints it.
    assert_eq!(file["checksum"], 4_204_153_048_u32);
}

#[test]
fn a_ledger_is_there_again_for_the_next_kubelet_unless_it_was_spoilt() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("allocated_pods_state");
    let file = AllocationFile::new(&path);
    assert_eq!(file.recall(), Ledger::default());
    let mut ledger = Ledger::default();
    ledger.give(&pod("a", "500m", "1Gi", 1));
    file.keep(&ledger);
    assert_eq!(AllocationFile::new(&path).recall(), ledger);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("500m", "400m")).unwrap();
    assert_eq!(file.recall(), Ledger::default(), "the checksum is another");
}

#[test]
fn events_tell_the_sizes_of_all_containers() {
    let mut wish = pod("a", "1", "1Gi", 2);
    let beginning = "Pod resize Deferred";
    assert_eq!(
        sentence(beginning, (&wish, Sizes::Wished), 2, Some("no room")),
        "Pod resize Deferred: {\"containers\":[{\"name\":\"web\",\"resources\":{\"requests\":\
         {\"cpu\":\"1\",\"memory\":\"1Gi\"}}}],\"generation\":2,\"error\":\"no room\"}"
    );
    let mut ledger = Ledger::default();
    ledger.give(&pod("a", "500m", "1Gi", 1));
    wish.resize.allocated = ledger.differing(&wish).containers;
    let told = sentence("Pod resize completed", (&wish, Sizes::Given), 2, None);
    assert!(told.contains("\"cpu\":\"500m\""), "{told}");
}

#[test]
fn what_is_asked_for_is_counted_for_each_resource() {
    let before = sure("a", "500m", "1Gi", 1);
    let words = |after: &Pod| -> Vec<String> {
        let all = asked(&before, after).into_iter();
        all.map(|one| format!("{} {} {}", one.resource, one.requirement, one.operation))
            .collect()
    };
    assert_eq!(words(&before), Vec::<String>::new());
    assert_eq!(
        words(&sure("a", "1", "512Mi", 2)),
        [
            "memory requests decrease",
            "memory limits decrease",
            "cpu requests increase",
            "cpu limits increase"
        ]
    );
    assert_eq!(
        words(&pod("a", "500m", "1Gi", 2)),
        ["memory limits remove", "cpu limits remove"]
    );
}

#[test]
fn entries_of_pods_that_are_gone_are_forgotten() {
    let mut ledger = Ledger::default();
    ledger.give(&pod("a", "1", "1Gi", 1));
    ledger.give(&pod("b", "1", "1Gi", 1));
    ledger.keep_only(&[PodUid::from("uid-b")].into());
    assert_eq!(ledger.entries().len(), 1);
}
