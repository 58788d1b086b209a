//! Volumes of a CSI driver: used, shared, kept over deaths of the daemon and absences of the driver, and
//! taken away when no pod has them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use podling_integration::harness::csi_driver::{DRIVER, Driver, Manner};
use podling_integration::harness::{DEADLINE, Node, Pod, leftovers, wait_until};
use serde_json::{Value, json};

use crate::{is_running, pod, said};

fn kubelet(node: &Node) -> PathBuf {
    node.root().join("var/lib/podling/kubelet")
}

fn store(node: &Node) -> PathBuf {
    node.folder().join("store")
}

fn serve(node: &Node) -> Driver {
    Driver::serve(node)
}

/// A persistent volume of the driver, and a claim that it is for.
pub(crate) fn disk(name: &str, mode: &str) -> String {
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": name },
        "spec": {
            "accessModes": [mode], "capacity": { "storage": "1Gi" },
            "claimRef": { "namespace": "default", "name": name },
            "csi": {
                "driver": DRIVER, "volumeHandle": format!("vol-{name}"), "fsType": "ext4",
                "nodeStageSecretRef": { "namespace": "default", "name": "key" },
            },
            "nodeAffinity": { "required": { "nodeSelectorTerms": [{ "matchExpressions": [
                { "key": "topology.toy.example.com/rack", "operator": "In", "values": ["r1"] },
            ] }] } },
        },
    });
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": name },
        "spec": { "accessModes": [mode], "resources": { "requests": { "storage": "1Gi" } } },
    });
    let key = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "key" },
        "stringData": { "password": "open" },
    });
    format!("{volume}\n---\n{claim}\n---\n{key}")
}

/// A pod that runs a script and has the claim at /room.
pub(crate) fn using(image: &str, claim: &str, script: &str) -> Value {
    json!({
        "containers": [{
            "name": "main", "image": image, "command": ["sh", "-c", script],
            "volumeMounts": [{ "name": "room", "mountPath": "/room" }],
        }],
        "volumes": [{ "name": "room", "persistentVolumeClaim": { "claimName": claim } }],
        "terminationGracePeriodSeconds": 1,
    })
}

/// What a driver was told of volumes.
fn calls(driver: &Driver) -> Vec<String> {
    let told = driver.told().into_iter();
    told.filter(|line| !line.starts_with("registered") && !line.contains(" with "))
        .collect()
}

fn count(driver: &Driver, call: &str) -> usize {
    let told = driver.told();
    told.iter().filter(|line| line.as_str() == call).count()
}

fn says(pod: &Pod, words: &str) -> bool {
    pod.0.to_string().contains(words)
}

/// Nothing is mounted, and nothing recorded.
async fn wait_clean(node: &Node) {
    wait_until(DEADLINE, "nothing of the driver is left", || {
        let staged = kubelet(node).join("plugins/kubernetes.io/csi").join(DRIVER);
        let is_empty = fs::read_dir(staged).map_or(true, |mut all| all.next().is_none());
        let mounts = leftovers::mounts(node.root());
        is_empty && !mounts.iter().any(|mount| mount.contains("csi"))
    })
    .await;
}

#[tokio::test]
async fn a_volume_of_a_driver_is_staged_once_and_published_for_each_pod() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let driver = serve(&node);
    node.manifest("disk.yaml", &disk("disk", "ReadWriteOnce"));
    let script = "echo hello > /room/word; sleep 1000";
    node.manifest("a.yaml", &pod("a", using(&image, "disk", script)));
    node.wait_pod("a", "runs", is_running).await;
    node.manifest("b.yaml", &pod("b", using(&image, "disk", "sleep 1000")));
    node.wait_pod("b", "runs", is_running).await;
    assert_eq!(said(&node, "b", "main", "cat /room/word").trim(), "hello");
    let expected = ["stage vol-disk", "publish vol-disk", "publish vol-disk"];
    assert_eq!(calls(&driver), expected);
    assert_eq!(count(&driver, "stage with open"), 1);
    assert_eq!(count(&driver, "registered true "), 1);

    node.remove_manifest("a.yaml");
    node.wait_gone("a").await;
    assert_eq!(said(&node, "b", "main", "cat /room/word").trim(), "hello");
    assert_eq!(count(&driver, "unstage vol-disk"), 0);
    node.remove_manifest("b.yaml");
    node.wait_gone("b").await;
    wait_clean(&node).await;
    assert_eq!(count(&driver, "unpublish vol-disk"), 2);
    assert_eq!(count(&driver, "unstage vol-disk"), 1);
    assert!(store(&node).join("vol-disk/word").exists());
    node.stop().await;
}

#[tokio::test]
async fn a_daemon_that_dies_while_a_driver_is_asked_leaves_nothing_and_loses_nothing() {
    let mut node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let driver = serve(&node);
    node.manifest("disk.yaml", &disk("disk", "ReadWriteOncePod"));
    let spec = || pod("a", using(&image, "disk", "sleep 1000"));
    for call in ["stage", "publish"] {
        driver.behave(Manner::Hangs(call));
        let asked = format!("{call} vol-disk");
        let before = count(&driver, &asked);
        node.manifest("a.yaml", &spec());
        wait_until(DEADLINE, "the driver is asked", || {
            count(&driver, &asked) > before
        })
        .await;
        node.kill9();
        driver.behave(Manner::Answers);
        node.restart().await;
        node.wait_pod("a", "runs", is_running).await;

        // What is there is left alone by the next daemon, and by one whose driver is away.
        let published = count(&driver, "publish vol-disk");
        node.kill9();
        node.restart().await;
        node.wait_pod("a", "runs", is_running).await;
        assert_eq!(count(&driver, "publish vol-disk"), published);
        node.remove_manifest("a.yaml");
        node.wait_gone("a").await;
        wait_clean(&node).await;
    }

    // One that dies before it can take anything away: the pod is gone with the next daemon.
    node.manifest("a.yaml", &spec());
    node.wait_pod("a", "runs", is_running).await;
    node.kill9();
    node.remove_manifest("a.yaml");
    node.restart().await;
    node.wait_gone("a").await;
    wait_clean(&node).await;
    node.stop().await;
}

#[tokio::test]
async fn a_driver_that_is_away_is_waited_for_when_its_volumes_come_and_when_they_go() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    node.manifest("disk.yaml", &disk("disk", "ReadWriteOnce"));
    node.manifest("a.yaml", &pod("a", using(&image, "disk", "sleep 1000")));
    let missing = format!("driver name {DRIVER} not found in the list of registered CSI drivers");
    wait_until(DEADLINE, "it is told who is missing", || {
        let events = node.podling(&["events", "--for", "a"]);
        let events = String::from_utf8_lossy(&events.stdout).into_owned();
        events.contains("FailedMount") && events.contains(&missing)
    })
    .await;
    let driver = serve(&node);
    node.wait_pod("a", "runs", is_running).await;

    drop(driver);
    let target = kubelet(&node).join("pods");
    node.remove_manifest("a.yaml");
    wait_until(DEADLINE, "it is told why it stays", || {
        let events = node.podling(&["events", "--for", "a"]);
        String::from_utf8_lossy(&events.stdout).contains("UnmountVolume.TearDown failed")
    })
    .await;
    assert!(fs::read_dir(target).unwrap().next().is_some());
    let driver = serve(&node);
    node.wait_gone("a").await;
    wait_clean(&node).await;
    assert_eq!(calls(&driver), ["unpublish vol-disk", "unstage vol-disk"]);
    node.stop().await;
}

#[tokio::test]
async fn what_a_driver_refuses_is_told_and_is_not_asked_to_be_undone() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let driver = serve(&node);
    driver.behave(Manner::Refuses("stage", "no such disk"));
    node.manifest("disk.yaml", &disk("disk", "ReadWriteOnce"));
    node.manifest("a.yaml", &pod("a", using(&image, "disk", "sleep 1000")));
    let expected = "MountVolume.MountDevice failed for volume \"disk\" : rpc error: code = Internal \
                    desc = no such disk";
    wait_until(DEADLINE, "it is told why", || {
        let events = node.podling(&["events", "--for", "a"]);
        String::from_utf8_lossy(&events.stdout).contains(expected)
    })
    .await;
    node.remove_manifest("a.yaml");
    node.wait_gone("a").await;
    wait_clean(&node).await;
    assert_eq!(count(&driver, "unpublish vol-disk"), 0);
    assert_eq!(count(&driver, "unstage vol-disk"), 0);
    node.stop().await;
}

#[tokio::test]
async fn a_pods_own_volume_of_a_driver_lives_as_long_as_the_pod() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let driver = serve(&node);
    let spec = json!({
        "securityContext": { "fsGroup": 4242 },
        "containers": [{
            "name": "main", "image": image, "command": ["sh", "-c", "sleep 1000"],
            "volumeMounts": [{ "name": "own", "mountPath": "/own" }],
        }],
        "volumes": [{ "name": "own", "csi": {
            "driver": DRIVER, "fsType": "ext4", "volumeAttributes": { "colour": "blue" },
        } }],
        "terminationGracePeriodSeconds": 1,
    });
    node.manifest("a.yaml", &pod("a", spec));
    wait_until(
        DEADLINE,
        "it is told that the driver does not say it can",
        || {
            let events = node.podling(&["events", "--for", "a"]);
            let words = "not supported by driver toy.csi.example.com (no CSIDriver object)";
            String::from_utf8_lossy(&events.stdout).contains(words)
        },
    )
    .await;
    assert!(calls(&driver).is_empty());
    let known = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": { "name": DRIVER },
        "spec": {
            "attachRequired": false, "podInfoOnMount": true, "fsGroupPolicy": "File",
            "volumeLifecycleModes": ["Persistent", "Ephemeral"],
        },
    });
    node.manifest("driver.yaml", &known.to_string());
    let a = node.wait_pod("a", "runs", is_running).await;
    for told in [
        "publish with colour=blue".to_owned(),
        "publish with csi.storage.k8s.io/ephemeral=true".to_owned(),
        format!("publish with csi.storage.k8s.io/pod.name={}", a.name()),
    ] {
        assert_eq!(count(&driver, &told), 1, "{told}: {:?}", driver.told());
    }
    let volumes = fs::read_dir(store(&node)).unwrap();
    let own = volumes.flatten().next().expect("it has a directory").path();
    assert_eq!(fs::metadata(&own).unwrap().gid(), 4242);
    let seen = said(&node, "a", "main", "id -G; stat -c %g /own");
    assert!(
        seen.contains("4242\n4242") || seen.ends_with("4242\n"),
        "{seen}"
    );

    node.remove_manifest("a.yaml");
    node.wait_gone("a").await;
    wait_clean(&node).await;
    assert!(!calls(&driver).iter().any(|call| call.starts_with("stage")));
    assert!(!says(&a, "FailedMount"));
    node.stop().await;
}

#[tokio::test]
async fn a_container_has_a_volume_of_a_driver_as_a_device() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let driver = serve(&node);
    let as_device = disk("disk", "ReadWriteOnce").replace(
        "\"accessModes\":",
        "\"volumeMode\":\"Block\",\"accessModes\":",
    );
    node.manifest("disk.yaml", &as_device);
    let mut spec = using(&image, "disk", "sleep 1000");
    node.manifest("wrong.yaml", &pod("wrong", spec.clone()));
    wait_until(DEADLINE, "it is told that it is no tree of files", || {
        let events = node.podling(&["events", "--for", "wrong"]);
        let words = "volume room has volumeMode Block, but is specified in volumeMounts";
        String::from_utf8_lossy(&events.stdout).contains(words)
    })
    .await;
    node.remove_manifest("wrong.yaml");
    node.wait_gone("wrong").await;

    let container = spec["containers"][0].as_object_mut().expect("it is one");
    container.remove("volumeMounts");
    let devices = json!([{ "name": "room", "devicePath": "/dev/room" }]);
    container.insert("volumeDevices".to_owned(), devices);
    node.manifest("a.yaml", &pod("a", spec));
    let a = node.wait_pod("a", "runs", is_running).await;
    let seen = said(
        &node,
        "a",
        "main",
        "test -b /dev/room && stat -c %t:%T /dev/room",
    );
    assert_eq!(seen.trim(), "7:fa");
    let csi = kubelet(&node).join("plugins/kubernetes.io/csi/volumeDevices");
    let published = csi.join("publish/disk").join(a.uid());
    let link = kubelet(&node).join("pods").join(a.uid());
    let link = link.join("volumeDevices/kubernetes.io~csi/disk");
    assert_eq!(fs::read_link(link).expect("it is a link"), published);
    node.remove_manifest("a.yaml");
    node.wait_gone("a").await;
    wait_clean(&node).await;
    assert!(!csi.join("disk").exists() && !csi.join("staging/disk").exists());
    let expected = [
        "stage vol-disk",
        "publish vol-disk",
        "unpublish vol-disk",
        "unstage vol-disk",
    ];
    assert_eq!(calls(&driver), expected);
    node.stop().await;
}

// The driver answers while this waits for who asks it.
#[tokio::test(flavor = "multi_thread")]
async fn how_full_volumes_are_is_told() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let _driver = serve(&node);
    node.manifest("disk.yaml", &disk("disk", "ReadWriteOnce"));
    let mut spec = using(
        &image,
        "disk",
        "dd if=/dev/zero of=/own/f bs=1M count=2; sleep 1000",
    );
    let own = json!({ "name": "own", "emptyDir": {} });
    spec["volumes"].as_array_mut().expect("they are").push(own);
    let mount = json!({ "name": "own", "mountPath": "/own" });
    let mounts = spec["containers"][0]["volumeMounts"].as_array_mut();
    mounts.expect("they are").push(mount);
    node.manifest("a.yaml", &pod("a", spec));
    node.wait_pod("a", "runs", is_running).await;
    wait_until(DEADLINE, "the file is written", || {
        said(&node, "a", "main", "stat -c %s /own/f").trim() == "2097152"
    })
    .await;
    let summary = node.kubelet("/stats/summary").expect("it is told").text();
    let summary: Value = serde_json::from_str(&summary).expect("it is JSON");
    let volume = |name: &str| {
        let volumes = summary["pods"][0]["volume"].as_array().expect("there are");
        let found = volumes.iter().find(|one| one["name"] == name);
        found
            .cloned()
            .unwrap_or_else(|| panic!("{name}: {summary:#}"))
    };
    let room = volume("room");
    assert_eq!(room["capacityBytes"], 4096);
    assert_eq!(room["usedBytes"], 1);
    assert_eq!(room["inodesFree"], 63);
    assert_eq!(
        room["pvcRef"],
        json!({ "name": "disk", "namespace": "default" })
    );
    assert!(volume("own")["usedBytes"].as_u64() >= Some(2 << 20));

    let metrics = node.kubelet("/metrics").expect("it is told").text();
    let plugin = format!("kubernetes.io/csi:{DRIVER}");
    for line in [
        "kubelet_volume_stats_used_bytes{namespace=\"default\",persistentvolumeclaim=\"disk\"} 1"
            .to_owned(),
        format!(
            "storage_operation_duration_seconds_count{{volume_plugin=\"{plugin}\",\
             operation_name=\"volume_mount\",status=\"success\",migrated=\"false\"}} 1"
        ),
        format!(
            "csi_operations_seconds_count{{driver_name=\"{DRIVER}\",\
             method_name=\"/csi.v1.Node/NodePublishVolume\",grpc_status_code=\"OK\",\
             migrated=\"false\"}} 1"
        ),
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line}\n{metrics}");
    }
    node.remove_manifest("a.yaml");
    node.wait_gone("a").await;
    for plugin in [plugin.as_str(), "kubernetes.io/empty-dir"] {
        let line = format!(
            "storage_operation_duration_seconds_count{{volume_plugin=\"{plugin}\",\
             operation_name=\"volume_unmount\",status=\"success\",migrated=\"false\"}} 1"
        );
        wait_until(DEADLINE, "its end is counted", || {
            let metrics = node.kubelet("/metrics").expect("it is told").text();
            metrics.lines().any(|one| one == line)
        })
        .await;
    }
    node.stop().await;
}
