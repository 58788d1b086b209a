//! Who gets memory of which node, over any history of pods.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::model::{PodUid, RestartPolicy};
use crate::pinning::machine::made::machine;
use crate::pinning::{Hint, Holder, Machine, NodeMask};
use crate::plan::fixture;

const MIB: u64 = 1 << 20;

const ANYWHERE: Hint = Hint {
    nodes: None,
    preferred: false,
};

/// So many nodes of a gibibyte each.
fn nodes(count: u32) -> Machine {
    machine([count, 1, 1, 2, 1])
}

fn reservation(node: u32, bytes: u64) -> Reservation {
    Reservation {
        node,
        amounts: [(MEMORY.to_owned(), bytes)].into(),
    }
}

fn rules(count: u32) -> MemoryRules {
    let reserved = [reservation(0, 256 * MIB)];
    MemoryRules::new(&nodes(count), &reserved, 256 * MIB).unwrap()
}

fn begun(rules: &MemoryRules) -> MemoryBooks {
    MemoryBooks::default().resume(rules).unwrap()
}

/// A guaranteed pod whose containers ask for so many mebibytes each.
fn guaranteed(uid: &str, init: &[(&str, u64)], regular: &[(&str, u64)]) -> Pod {
    let mut pod = fixture::pod(RestartPolicy::Always, &[], &[]);
    pod.uid = uid.into();
    let container = |(name, mebibytes): &(&str, u64)| {
        let mut container = fixture::container(name);
        let limits = &mut container.resources.limits;
        (limits.cpu_millis, limits.memory_bytes) = (Some(1000), Some(mebibytes * MIB));
        container
    };
    pod.spec.init_containers = init.iter().map(container).collect();
    pod.spec.containers = regular.iter().map(container).collect();
    pod
}

/// Gets all containers of a pod what they wish for.
fn settle(books: &mut MemoryBooks, pod: &Pod, near: Hint) -> Result<(), String> {
    let mut reusable = Reusable::new();
    for container in pod.spec.init_containers.iter().chain(&pod.spec.containers) {
        let (holder, amounts) = (Holder::of(pod, container), wishes(pod, container));
        books.settle(pod, (&holder, &amounts), near, &mut reusable)?;
    }
    Ok(())
}

/// Memory that is not huge pages, of all blocks.
fn memory_of(own: &[Block]) -> u64 {
    let memory = own.iter().filter(|block| block.resource == MEMORY);
    memory.map(|block| block.size).sum()
}

fn nodes_of(books: &MemoryBooks, pod: &Pod) -> Vec<u32> {
    let holder = Holder::of(pod, &pod.spec.containers[0]);
    books
        .of(&holder)
        .first()
        .map(|block| block.nodes.clone())
        .unwrap_or_default()
}

#[test]
fn what_is_reserved_of_nodes_is_all_that_is_kept_from_pods() {
    let told =
        |reserved: &[Reservation], kept| MemoryRules::new(&nodes(2), reserved, kept).unwrap_err();
    assert_eq!(
        told(&[reservation(0, 100 * MIB)], 200 * MIB),
        "the total amount \"100Mi\" of type \"memory\" is not equal to the value \"200Mi\" determined \
         by Node Allocatable feature"
    );
    assert_eq!(
        told(&[reservation(2, MIB)], MIB),
        "the reserved memory configuration references a NUMA node 2 that does not exist on this \
         machine"
    );
    assert_eq!(
        told(&[], 0),
        "[memorymanager] you should specify the system reserved memory"
    );
    let both = [reservation(0, 100 * MIB), reservation(1, 100 * MIB)];
    assert!(MemoryRules::new(&nodes(2), &both, 200 * MIB).is_ok());
}

#[test]
fn a_reservation_is_of_a_known_kind_and_said_once() {
    let limits = |name: &str, amount: &str| [(name.to_owned(), amount.to_owned())].into();
    let rows = [
        (0, limits("memory", "1Gi")),
        (0, limits("memory", "0")),
        (1, limits("cpu", "1")),
    ];
    assert_eq!(
        problems(rows.iter().map(|(node, limits)| (*node, limits))),
        [
            "reserved memory may not be zero for NUMA node 0 and resource \"memory\"",
            "the reserved memory has a duplicate value for NUMA node 0 and resource \"memory\"",
            "the limit type \"cpu\" for NUMA node 1 is not supported, only [memory \
             hugepages-<HugePageSize>] is accepted",
        ]
    );
}

#[test]
fn huge_pages_are_not_memory_and_are_counted_by_themselves() {
    let mut machine = nodes(1);
    let node = machine.nodes.get_mut(&0).unwrap();
    node.huge_pages = [(2 * MIB, 100)].into();
    let reserved = [reservation(0, 24 * MIB)];
    let books = begun(&MemoryRules::new(&machine, &reserved, 24 * MIB).unwrap());
    let shown: Vec<_> = books
        .allocatable()
        .into_iter()
        .map(|block| (block.resource, block.size / MIB))
        .collect();
    assert_eq!(
        shown,
        [
            ("hugepages-2Mi".to_owned(), 200),
            ("memory".to_owned(), 800)
        ]
    );
}

#[test]
fn a_node_gives_to_single_ones_or_to_one_group() {
    let rules = rules(2);
    let mut books = begun(&rules);
    let (small, large) = (
        guaranteed("small", &[], &[("main", 500)]),
        guaranteed("large", &[], &[("main", 1280)]),
    );
    settle(&mut books, &small, ANYWHERE).unwrap();
    assert_eq!(nodes_of(&books, &small), [0]);
    assert_eq!(
        settle(&mut books, &large, ANYWHERE).unwrap_err(),
        "[memorymanager] failed to get the default NUMA affinity, no NUMA nodes with enough memory is \
         available"
    );
    assert!(books.release_pod(&"small".into()));
    assert_eq!(books, begun(&rules));
    settle(&mut books, &large, ANYWHERE).unwrap();
    assert_eq!(nodes_of(&books, &large), [0, 1]);
    settle(&mut books, &small, ANYWHERE).unwrap();
    assert_eq!(nodes_of(&books, &small), [0, 1], "it joins the group");
    let preferred = Hint {
        nodes: None,
        preferred: true,
    };
    let third = guaranteed("third", &[], &[("main", 1)]);
    assert_eq!(
        settle(&mut books, &third, preferred).unwrap_err(),
        "[memorymanager] failed to find the default preferred hint"
    );
}

#[test]
fn memory_is_near_to_what_else_a_container_has() {
    let rules = rules(2);
    let mut books = begun(&rules);
    let pod = guaranteed("a", &[], &[("main", 512)]);
    let near = Hint {
        nodes: Some(NodeMask::from_iter([1])),
        preferred: true,
    };
    let amounts = wishes_of_pod(&pod);
    let hints = books.hints_of_pod(&pod, &amounts);
    let hints = hints["memory"].as_ref().unwrap();
    assert_eq!(hints.len(), 3);
    assert!(
        hints
            .iter()
            .all(|hint| hint.preferred == (hint.nodes.unwrap().count() == 1))
    );
    settle(&mut books, &pod, near).unwrap();
    assert_eq!(nodes_of(&books, &pod), [1]);
    let again = books.hints_of_pod(&pod, &amounts);
    assert_eq!(again["memory"], Some(vec![near]), "as it was given");
    let large = guaranteed("b", &[], &[("main", 900)]);
    assert_eq!(
        books.hints_of_pod(&large, &wishes_of_pod(&large)),
        [].into()
    );
}

#[test]
fn memory_of_steps_is_used_again_and_free_when_they_have_ended() {
    let rules = rules(1);
    let mut books = begun(&rules);
    let pod = guaranteed("a", &[("step", 512)], &[("main", 256)]);
    assert_eq!(wishes_of_pod(&pod)[MEMORY], 512 * MIB);
    settle(&mut books, &pod, ANYWHERE).unwrap();
    let size = |books: &MemoryBooks, name: &str| {
        let holder = Holder {
            pod: "a".into(),
            container: name.to_owned(),
        };
        books.of(&holder).first().map(|block| block.size / MIB)
    };
    assert_eq!(
        (size(&books, "step"), size(&books, "main")),
        (Some(256), Some(256))
    );
    let other = guaranteed("b", &[], &[("main", 512)]);
    assert!(settle(&mut books, &other, ANYWHERE).is_err());
    assert!(books.made(&pod, "main"));
    assert_eq!(size(&books, "step"), None);
    settle(&mut books, &other, ANYWHERE).unwrap();
}

#[test]
fn books_that_do_not_fit_the_machine_are_refused() {
    let rules = rules(2);
    let mut books = begun(&rules);
    settle(
        &mut books,
        &guaranteed("a", &[], &[("main", 512)]),
        ANYWHERE,
    )
    .unwrap();
    assert_eq!(books.clone().resume(&rules), Ok(books.clone()));
    let smaller = MemoryRules::new(&nodes(2), &[reservation(0, 512 * MIB)], 512 * MIB).unwrap();
    assert_eq!(
        books.clone().resume(&smaller).unwrap_err(),
        "[memorymanager] the expected machine state is different from the real one"
    );
    books.nodes.clear();
    assert!(
        books
            .resume(&rules)
            .unwrap_err()
            .contains("machine state can not be empty")
    );
}

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Comes {
        pod: u32,
        step: Option<u64>,
        regular: Vec<u64>,
        near: Option<u32>,
    },
    Goes(u32),
}

fn any_step() -> impl Strategy<Value = Step> {
    let size = || 1..1500_u64;
    prop_oneof![
        3 => (0..5_u32, prop::option::of(size()), prop::collection::vec(size(), 1..3), prop::option::of(0..4_u32))
            .prop_map(|(pod, step, regular, near)| Step::Comes { pod, step, regular, near }),
        2 => (0..5_u32).prop_map(Step::Goes),
    ]
}

fn take_step(books: &mut MemoryBooks, step: &Step, count: u32) {
    let uid = |pod: &u32| PodUid::from(format!("pod-{pod}").as_str());
    match step {
        Step::Goes(pod) => {
            books.release_pod(&uid(pod));
        }
        Step::Comes {
            pod,
            step,
            regular,
            near,
        } => {
            if books.held.keys().any(|holder| holder.pod == uid(pod)) {
                return;
            }
            let names = ["one", "two"];
            let regular: Vec<_> = names.into_iter().zip(regular.iter().copied()).collect();
            let steps: Vec<_> = step.iter().map(|size| ("step", *size)).collect();
            let pod = guaranteed(uid(pod).as_str(), &steps, &regular);
            let near = Hint {
                nodes: near.map(|node| NodeMask::from_iter([node % count])),
                preferred: false,
            };
            if settle(books, &pod, near).is_err() {
                books.release_pod(&pod.uid);
            }
        }
    }
}

proptest! {
    #[test]
    fn over_any_history_no_byte_is_given_twice_and_none_is_lost(
        count in 1..=4_u32,
        history in prop::collection::vec(any_step(), 0..30),
    ) {
        let rules = rules(count);
        let mut books = begun(&rules);
        for step in &history {
            take_step(&mut books, step, count);
            let given: u64 = books.held.values().map(|own| memory_of(own)).sum();
            let reserved: u64 = books.nodes.values().map(|node| node.memory_map[MEMORY].reserved).sum();
            prop_assert_eq!(given, reserved);
            for node in books.nodes.values() {
                let table = node.memory_map[MEMORY];
                prop_assert_eq!(table.free + table.reserved, table.allocatable);
            }
            let read = read("Static", &write("Static", &books)).unwrap();
            let resumed = read.resume(&rules);
            prop_assert_eq!(resumed.as_ref(), Ok(&books), "the next kubelet goes on with them");
        }
        books.keep_only(&BTreeSet::new());
        prop_assert_eq!(books, begun(&rules), "in the end all is free");
    }
}
