//! Classes, names, and cgroups on the machine that runs the tests.

use std::path::{Path, PathBuf};

use super::*;
use crate::model::{PodSpec, PodUid, Requirements, ResourceList, RestartPolicy};
use crate::plan::fixture::pod;

const GIB: u64 = 1 << 30;

fn amounts(cpu_millis: Option<u64>, memory_bytes: Option<u64>) -> ResourceList {
    ResourceList {
        cpu_millis,
        memory_bytes,
    }
}

fn spec(requests: ResourceList, limits: ResourceList) -> PodSpec {
    let mut spec = pod(RestartPolicy::Always, &[], &["web"]).spec;
    spec.containers[0].resources = Requirements { requests, limits };
    spec
}

#[test]
fn the_class_follows_from_requests_and_limits() {
    let none = amounts(None, None);
    let both = amounts(Some(500), Some(GIB));
    let rows = [
        (none, none, QosClass::BestEffort),
        (amounts(Some(0), None), none, QosClass::BestEffort),
        (both, both, QosClass::Guaranteed),
        (none, both, QosClass::Guaranteed),
        (amounts(Some(100), Some(GIB)), both, QosClass::Burstable),
        (both, none, QosClass::Burstable),
        (none, amounts(Some(500), None), QosClass::Burstable),
    ];
    for (requests, limits, class) in rows {
        assert_eq!(
            qos_class(&spec(requests, limits)),
            class,
            "{requests:?} {limits:?}"
        );
    }
}

#[test]
fn one_container_without_requests_makes_a_pod_burstable() {
    let both = amounts(Some(500), Some(GIB));
    let mut spec = spec(both, both);
    spec.containers
        .extend(pod(RestartPolicy::Always, &[], &["other"]).spec.containers);
    assert_eq!(qos_class(&spec), QosClass::Burstable);
    assert_eq!(
        pod_limits(&spec).memory,
        None,
        "one container may take what it likes"
    );
}

#[test]
fn cgroups_are_named_as_every_kubelet_names_them() {
    let uid = PodUid::from("a-b");
    let name = |driver, root, class| cgroup_parent(driver, root, class, &uid);
    let cgroupfs = CgroupDriver::Cgroupfs;
    assert_eq!(
        name(cgroupfs, "/", QosClass::Guaranteed),
        "/kubepods/poda-b"
    );
    assert_eq!(
        name(cgroupfs, "", QosClass::Burstable),
        "/kubepods/burstable/poda-b"
    );
    assert_eq!(
        name(cgroupfs, "/x/", QosClass::BestEffort),
        "/x/kubepods/besteffort/poda-b"
    );
    let systemd = CgroupDriver::Systemd;
    assert_eq!(
        name(systemd, "/x-y", QosClass::Burstable),
        "x_y-kubepods-burstable-poda_b.slice"
    );
    assert_eq!(
        name(systemd, "/", QosClass::Guaranteed),
        "kubepods-poda_b.slice"
    );
    assert_eq!(
        name(systemd, "/", QosClass::BestEffort),
        "kubepods-besteffort-poda_b.slice"
    );
}

#[test]
fn a_pods_cgroup_is_made_with_its_limits_and_removed() {
    let root = format!("podling-test-{}", std::process::id());
    let cgroups = PodCgroups::new(CgroupDriver::Cgroupfs, &root);
    let uid = PodUid::from("uid-1");
    let both = amounts(Some(500), Some(GIB));
    for _ in 0..2 {
        cgroups.create(&spec(both, both), &uid).unwrap();
    }
    let pods = directories(&format!("{root}/kubepods/poduid-1"));
    assert!(!pods.is_empty());
    let limits: Vec<String> = ["memory.limit_in_bytes", "memory.max"]
        .iter()
        .flat_map(|file| pods.iter().map(move |pod| pod.join(file)))
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .collect();
    assert!(
        limits.iter().all(|limit| limit.trim() == GIB.to_string()),
        "{limits:?}"
    );

    for _ in 0..2 {
        cgroups.remove(&uid).unwrap();
    }
    assert!(pods.iter().all(|pod| !pod.exists()));
    for parent in [format!("{root}/kubepods"), root] {
        directories(&parent)
            .iter()
            .for_each(|path| std::fs::remove_dir(path).unwrap());
    }
}

/// Where a cgroup is, in every hierarchy.
fn directories(cgroup: &str) -> Vec<PathBuf> {
    let top = Path::new("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(top)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let all = hierarchies
        .chain([top.to_owned()])
        .map(|hierarchy| hierarchy.join(cgroup));
    let mut found: Vec<PathBuf> = all.filter_map(|path| path.canonicalize().ok()).collect();
    // Some hierarchies have several names.
    found.sort();
    found.dedup();
    found
}

#[test]
fn what_a_pod_takes_beside_its_containers_is_added_to_what_they_may_use() {
    let mut pod = pod(RestartPolicy::Always, &[], &["web"]);
    pod.spec.overhead.cpu_millis = 250;
    pod.spec.overhead.memory_bytes = 64 << 20;
    let limits = pod_limits(&pod.spec);
    assert_eq!(limits.cpu_shares, 256, "it is asked for");
    assert_eq!((limits.cpu_millis, limits.memory), (None, None));
    let resources = &mut pod.spec.containers[0].resources;
    resources.limits.cpu_millis = Some(750);
    resources.limits.memory_bytes = Some(192 << 20);
    let limits = pod_limits(&pod.spec);
    assert_eq!(limits.cpu_shares, 1024);
    assert_eq!(limits.cpu_millis, Some(1000));
    assert_eq!(limits.memory, Some(256 << 20));
    let told = pod_resources(&pod.spec, Bandwidth::default());
    assert_eq!(told.overhead.memory_limit, 64 << 20);
    assert_eq!(told.containers.memory_limit, 192 << 20);
    assert_eq!(told.containers.cpu_quota, 75_000);
    let asked = crate::admit::asked_for(&pod.spec);
    assert_eq!((asked.cpu_millis, asked.memory), (250, 64 << 20));
    assert_eq!(qos_class(&pod.spec), QosClass::Guaranteed, "as before");
}
