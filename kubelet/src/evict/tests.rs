//! Thresholds, ranks, limits and words of eviction, as tables.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;
use serde_json::{Value, json};

use super::admit::refusal;
use super::candidates::candidate;
use super::local::{excess, has_limits};
use super::message::{binary, message};
use super::rank::{Candidate, ContainerUsage, Disks, Space, Usage, rank};
use super::read::{memory, pids, space};
use super::standing::Standing;
use super::threshold::{Amount, Threshold, thresholds, with_containerfs};
use super::watch::{Observation, Observations, Verdict, Watch, most_urgent};
use super::{Pressure, Resource, Signal};
use crate::config::Configuration;
use crate::model::{Pod, PodUid, RestartPolicy};
use crate::plan::fixture;

fn words(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = pairs
        .iter()
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
    owned.collect()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn shown(all: &[Threshold]) -> Vec<String> {
    all.iter()
        .map(|one| {
            let value = match &one.value {
                Amount::Quantity { text, .. } => text.clone(),
                Amount::Share(share) => format!("{}%", share * 100.0),
            };
            format!("{}<{value} {}s", one.signal.name(), one.grace.as_secs())
        })
        .collect()
}

#[test]
fn without_words_the_hard_thresholds_are_upstreams() {
    let (all, wrong) = thresholds(&Configuration::default());
    assert_eq!(wrong, Vec::<String>::new());
    let expected = [
        "memory.available<100Mi 0s",
        "nodefs.available<10% 0s",
        "nodefs.inodesFree<5% 0s",
        "imagefs.available<15% 0s",
        "imagefs.inodesFree<5% 0s",
        "allocatableMemory.available<100Mi 0s",
    ];
    assert_eq!(shown(&all), expected);
}

#[test]
fn written_thresholds_stand_alone_unless_they_are_merged() {
    let mut configuration = Configuration {
        eviction_hard: words(&[("nodefs.available", "1Gi"), ("pid.available", "0%")]),
        eviction_soft: words(&[("memory.available", "20%")]),
        eviction_soft_grace_period: words(&[("memory.available", "1m30s")]),
        eviction_minimum_reclaim: words(&[("nodefs.available", "500Mi")]),
        ..Configuration::default()
    };
    let (all, _) = thresholds(&configuration);
    let expected = ["nodefs.available<1Gi 0s", "memory.available<20% 90s"];
    assert_eq!(shown(&all), expected);
    assert!(all[0].reclaim.is_some());
    configuration.merge_default_eviction_settings = true;
    assert_eq!(thresholds(&configuration).0.len(), 7);
}

#[test]
fn every_mistake_of_thresholds_is_told() {
    let configuration = Configuration {
        eviction_hard: words(&[
            ("memory.free", "1Mi"),
            ("nodefs.available", "-1"),
            ("imagefs.available", "101%"),
            ("pid.available", "many"),
        ]),
        eviction_soft: words(&[("memory.available", "1Gi")]),
        eviction_soft_grace_period: words(&[("nodefs.available", "soon")]),
        eviction_minimum_reclaim: words(&[("nodefs.available", "0%")]),
        ..Configuration::default()
    };
    let expected = [
        "eviction percentage threshold imagefs.available must be <= 100%: 101%",
        "unsupported eviction signal memory.free",
        "eviction threshold nodefs.available must be positive: -1",
        "pid.available \"many\" is neither a quantity nor a percentage",
        "invalid eviction grace period specified: soon of nodefs.available, must be a positive value",
        "eviction percentage minimum reclaim nodefs.available must be positive: 0%",
        "grace period must be specified for the soft eviction threshold memory.available",
    ];
    assert_eq!(thresholds(&configuration).1, expected);
}

#[test]
fn the_disk_of_containers_has_the_thresholds_of_the_disk_it_is_on() {
    let (all, _) = thresholds(&Configuration {
        eviction_hard: words(&[
            ("nodefs.available", "10%"),
            ("imagefs.available", "15%"),
            ("containerfs.available", "99%"),
        ]),
        ..Configuration::default()
    });
    let of = |disks| shown(&with_containerfs(&all, disks)).pop().unwrap();
    assert_eq!(of(Disks::One), "containerfs.available<10% 0s");
    assert_eq!(of(Disks::ImagesAlone), "containerfs.available<10% 0s");
    assert_eq!(of(Disks::ImagesApart), "containerfs.available<15% 0s");
}

fn left(signal: Signal, available: i128) -> Observations {
    let seen = Observation {
        available,
        capacity: 1000,
    };
    Observations::from([(signal, seen)])
}

fn threshold(signal: Signal, units: i128, grace: u64) -> Threshold {
    Threshold {
        signal,
        value: Amount::Quantity {
            units,
            text: units.to_string(),
        },
        grace: Duration::from_secs(grace),
        reclaim: None,
    }
}

#[test]
fn a_soft_threshold_waits_and_a_pressure_stays_for_its_transition() {
    use Signal::MemoryAvailable;
    let all = [threshold(MemoryAvailable, 100, 60)];
    let mut watch = Watch::default();
    let mut judge = |available, now| {
        let transition = Duration::from_secs(300);
        let Verdict { pressures, due } =
            watch.judge(&all, &left(MemoryAvailable, available), transition, at(now));
        (pressures.contains(&Pressure::Memory), due.len())
    };
    assert_eq!(
        judge(100, 0),
        (false, 0),
        "at the threshold nothing is short"
    );
    assert_eq!(judge(99, 10), (true, 0));
    assert_eq!(judge(99, 69), (true, 0));
    assert_eq!(judge(99, 70), (true, 1));
    assert_eq!(judge(100, 80), (true, 0), "it is over, and still told");
    assert_eq!(judge(99, 90), (true, 0), "it begins anew");
    assert_eq!(judge(500, 389), (true, 0));
    assert_eq!(judge(500, 390), (false, 0));
}

#[test]
fn once_something_is_given_up_the_minimum_has_to_be_reclaimed() {
    use Signal::NodefsAvailable;
    let mut one = threshold(NodefsAvailable, 100, 0);
    one.reclaim = Some(Amount::Share(0.05));
    let all = [one];
    let mut watch = Watch::default();
    let mut due = |available| {
        let seen = left(NodefsAvailable, available);
        let verdict = watch.judge(&all, &seen, Duration::from_secs(1), at(0));
        verdict.due.len()
    };
    assert_eq!(due(149), 0);
    assert_eq!(due(99), 1);
    assert_eq!(due(149), 1);
    assert_eq!(due(150), 0);
    assert_eq!(due(149), 0);
}

#[test]
fn memory_goes_before_all_other_resources() {
    let all = [
        threshold(Signal::NodefsAvailable, 1, 0),
        threshold(Signal::PidAvailable, 1, 0),
        threshold(Signal::AllocatableMemoryAvailable, 1, 0),
    ];
    assert_eq!(most_urgent(&all, &[0, 1, 2]), Some(2));
    assert_eq!(most_urgent(&all, &[0, 1]), Some(0));
    assert_eq!(most_urgent(&all, &[]), None);
}

fn uses(memory: u64) -> Option<Usage> {
    let of_it = ContainerUsage {
        memory: Some(memory),
        root: Space {
            bytes: memory,
            inodes: 1,
        },
        logs: Space {
            bytes: 5,
            inodes: 2,
        },
    };
    Some(Usage {
        memory,
        processes: memory,
        containers: [("main".to_owned(), of_it)].into(),
        volumes: BTreeMap::new(),
    })
}

fn of(name: &str, priority: i32, asks: u64, usage: Option<Usage>) -> Candidate {
    Candidate {
        uid: Some(PodUid::from(name)),
        priority,
        asks_memory: asks,
        asks_storage: asks,
        usage,
    }
}

fn ranked(mut pods: Vec<Candidate>, signal: Signal, disks: Disks) -> Vec<String> {
    rank(&mut pods, signal, disks);
    let uids = pods.into_iter().map(|pod| pod.uid.unwrap().to_string());
    uids.collect()
}

#[test]
fn who_uses_more_than_he_asked_for_goes_first_then_who_matters_less_then_who_uses_most() {
    let pods = vec![
        of("modest", 0, 100, uses(50)),
        of("greedy", 0, 100, uses(150)),
        of("greedier", 0, 100, uses(200)),
        of("greedy but dear", 5, 100, uses(900)),
        of("modest and cheap", -5, 100, uses(10)),
        of("unknown", 9, 100, None),
    ];
    let expected = [
        "unknown",
        "greedier",
        "greedy",
        "greedy but dear",
        "modest and cheap",
        "modest",
    ];
    for signal in [Signal::MemoryAvailable, Signal::AllocatableMemoryAvailable] {
        assert_eq!(ranked(pods.clone(), signal, Disks::One), expected);
    }
    assert_eq!(ranked(pods, Signal::NodefsAvailable, Disks::One), expected);
}

#[test]
fn of_processes_nobody_asks_for_any_and_priority_comes_first() {
    let pods = vec![
        of("many", 1, 0, uses(100)),
        of("few", 0, 0, uses(1)),
        of("more", 0, 0, uses(10)),
    ];
    let expected = ["more", "few", "many"];
    assert_eq!(ranked(pods, Signal::PidAvailable, Disks::One), expected);
}

#[test]
fn only_what_is_on_the_full_disk_counts() {
    let pods = || {
        let mut talks = uses(0);
        let usage = talks.as_mut().unwrap();
        usage.containers.get_mut("main").unwrap().logs.bytes = 99;
        vec![of("writes", 0, 0, uses(50)), of("talks", 0, 0, talks)]
    };
    for (signal, disks, first) in [
        (Signal::NodefsAvailable, Disks::One, "talks"),
        (Signal::NodefsAvailable, Disks::ImagesApart, "talks"),
        (Signal::ImagefsAvailable, Disks::ImagesApart, "writes"),
        (Signal::ContainerfsAvailable, Disks::ImagesApart, "writes"),
        (Signal::ContainerfsAvailable, Disks::ImagesAlone, "talks"),
    ] {
        assert_eq!(
            ranked(pods(), signal, disks)[0],
            first,
            "{signal:?} {disks:?}"
        );
    }
}

fn manifest(spec: Value) -> core::Pod {
    let pod = json!({ "metadata": { "name": "p", "uid": "u" }, "spec": spec });
    serde_json::from_value(pod).unwrap()
}

#[test]
fn the_message_says_what_was_short_and_who_used_more_than_he_asked_for() {
    let pod = manifest(json!({ "containers": [
        { "name": "main", "resources": { "requests": { "memory": "1Mi" } } },
    ]}));
    let mebibytes = 1 << 20;
    let memory = threshold(Signal::MemoryAvailable, 100, 0);
    let seen = BTreeMap::from([(
        Signal::MemoryAvailable,
        Observation {
            available: 2 * mebibytes,
            capacity: 0,
        },
    )]);
    let usage = uses(3 << 20);
    let told = message(
        Resource::Memory,
        (&[&memory], &seen),
        (&pod, usage.as_ref()),
    );
    let expected = "The node was low on resource: memory. Threshold quantity: 100, available: 2Mi. \
                    Container main was using 3Mi, request is 1Mi, has larger consumption of memory. ";
    assert_eq!(told, expected);
    let told = message(
        Resource::EphemeralStorage,
        (&[&memory], &seen),
        (&pod, usage.as_ref()),
    );
    let expected = "The node was low on resource: ephemeral-storage. Container main was using \
                    3145733, request is 0, has larger consumption of ephemeral-storage. ";
    assert_eq!(told, expected);
    let whole =
        manifest(json!({ "containers": [], "resources": { "requests": { "memory": "2Mi" } } }));
    let told = message(Resource::Memory, (&[], &seen), (&whole, usage.as_ref()));
    let used = binary(usage.as_ref().unwrap().memory.into());
    let expected = format!(
        "The node was low on resource: memory. Pod p was using {used}, request is 2Mi, has larger \
         consumption of memory. "
    );
    assert_eq!(told, expected);
    let told = message(Resource::Pids, (&[], &seen), (&pod, None));
    assert_eq!(told, "The node was low on resource: pids. ");
}

#[test]
fn a_pod_beyond_one_of_its_limits_is_told_which() {
    let limited = |bytes: &str| json!({ "limits": { "ephemeral-storage": bytes } });
    let spec = |resources: Value, size: Value| {
        manifest(json!({
            "containers": [{ "name": "main", "resources": resources }],
            "volumes": [{ "name": "v", "emptyDir": { "sizeLimit": size } }],
        }))
    };
    let usage = |root: u64, logs: u64, volume: u64| {
        let bytes = |bytes| Space { bytes, inodes: 1 };
        let of_it = ContainerUsage {
            memory: None,
            root: bytes(root),
            logs: bytes(logs),
        };
        Usage {
            containers: [("main".to_owned(), of_it)].into(),
            volumes: [("v".to_owned(), bytes(volume))].into(),
            ..Usage::default()
        }
    };
    let volume = "Usage of EmptyDir volume \"v\" exceeds the limit \"10\". ";
    let whole = "Pod ephemeral local storage usage exceeds the total limit of containers 100. ";
    let rows = [
        (json!({}), json!("10"), usage(0, 0, 10), None),
        (json!({}), json!("10"), usage(0, 0, 11), Some(volume)),
        (json!({}), json!("0"), usage(0, 0, 11), None),
        (limited("100"), json!("0"), usage(40, 30, 30), None),
        (limited("100"), json!("0"), usage(40, 30, 31), Some(whole)),
    ];
    for (resources, size, usage, expected) in rows {
        let told = excess(&spec(resources, size), &usage, Disks::One).map(|one| one.message);
        assert_eq!(told.as_deref(), expected);
    }
    // A second container without a limit leaves the first one its own.
    let two = manifest(json!({ "containers": [
        { "name": "main", "resources": limited("100") },
        { "name": "other", "resources": limited("1Mi") },
    ]}));
    let own = "Container main exceeded its local ephemeral storage limit \"100\". ";
    let told = |disks| excess(&two, &usage(90, 20, 0), disks).map(|one| one.message);
    assert_eq!(told(Disks::One).as_deref(), Some(own));
    assert_eq!(told(Disks::ImagesApart), None);
    assert!(has_limits(&two));
    assert!(!has_limits(&manifest(
        json!({ "containers": [{ "name": "main" }] })
    )));
}

#[test]
fn a_pod_asks_for_the_sum_of_its_containers_or_for_its_largest_init_container() {
    let asks = |bytes: &str| json!({ "requests": { "memory": bytes } });
    let pod = |init: &str| {
        manifest(json!({
            "priority": 7,
            "containers": [{ "name": "a", "resources": asks("1k") },
                           { "name": "b", "resources": asks("2k") }],
            "initContainers": [
                { "name": "s", "restartPolicy": "Always", "resources": asks("1k") },
                { "name": "i", "resources": asks(init) },
            ],
        }))
    };
    let of = |init| candidate(&pod(init), None).asks_memory;
    assert_eq!((of("1k"), of("5k")), (4000, 6000));
    assert_eq!(candidate(&pod("1k"), None).priority, 7);
}

#[test]
fn who_may_come_under_pressure() {
    let with = |spec: Value| {
        let pod = fixture::pod(RestartPolicy::Always, &[], &["web"]);
        Pod {
            manifest: std::sync::Arc::new(manifest(spec)),
            ..pod
        }
    };
    let mut asks = with(json!({ "containers": [] }));
    asks.spec.containers[0].resources.requests.memory_bytes = Some(1);
    let best_effort = with(json!({ "containers": [] }));
    let tolerates = with(json!({ "containers": [], "tolerations": [
        { "key": "node.kubernetes.io/memory-pressure", "operator": "Exists" },
    ]}));
    let critical = with(json!({ "containers": [], "priority": 2_000_000_000 }));
    let (memory, disk) = ([Pressure::Memory], [Pressure::Disk]);
    let refused =
        |pod: &Pod, pressures: &[Pressure]| refusal(pod, &pressures.iter().copied().collect());
    assert_eq!(refused(&best_effort, &[]), None);
    assert_eq!(
        refused(&best_effort, &memory).as_deref(),
        Some("The node had condition: [MemoryPressure]. ")
    );
    for pod in [&asks, &tolerates, &critical] {
        assert_eq!(refused(pod, &memory), None);
    }
    for pod in [&asks, &tolerates, &best_effort] {
        assert_eq!(
            refused(pod, &disk).as_deref(),
            Some("The node had condition: [DiskPressure]. ")
        );
    }
    assert_eq!(refused(&critical, &disk), None);
    assert!(refused(&tolerates, &[Pressure::Memory, Pressure::Pid]).is_some());
}

#[test]
fn when_pressures_came_and_went_is_remembered() {
    let mut standing = Standing::default();
    let disk = [Pressure::Disk].into();
    assert_eq!(standing.update(disk, at(1)), [Pressure::Disk]);
    assert_eq!(standing.update([Pressure::Disk].into(), at(2)), []);
    assert_eq!(standing.changed_at(Pressure::Disk), Some(at(1)));
    assert_eq!(standing.update([].into(), at(3)), [Pressure::Disk]);
    assert_eq!(standing.changed_at(Pressure::Disk), Some(at(3)));
    assert_eq!(standing.changed_at(Pressure::Pid), None);
}

#[test]
fn what_the_kernel_could_take_back_is_left() {
    let meminfo = "MemTotal: 100 kB\nMemFree: 10 kB\nInactive(file):  20 kB\n";
    let seen = memory(meminfo).unwrap();
    assert_eq!((seen.available, seen.capacity), (30 << 10, 100 << 10));
    let seen = pids("0.12 0.10 0.05 3/812 4711\n", "1000\n").unwrap();
    assert_eq!((seen.available, seen.capacity), (188, 1000));
    assert_eq!(pids("", "1000"), None);
}

#[test]
fn a_file_with_two_names_takes_its_room_once() {
    let directory = tempfile::TempDir::new().unwrap();
    let below = directory.path().join("below");
    fs::create_dir(&below).unwrap();
    fs::write(below.join("a"), vec![1; 64 * 1024]).unwrap();
    let one = space(directory.path());
    fs::hard_link(below.join("a"), directory.path().join("b")).unwrap();
    std::os::unix::fs::symlink("/", directory.path().join("c")).unwrap();
    let two = space(directory.path());
    assert!(one.bytes >= 64 * 1024);
    assert_eq!(two.inodes, one.inodes + 1, "the symlink");
    assert!(two.bytes < one.bytes + 64 * 1024);
    assert_eq!(space(&below.join("nowhere")), Space::default());
}
