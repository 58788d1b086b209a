//! Volumes that are written as those of plugins which were Kubernetes' own once: drivers have them now.

use std::fs;

use podling_integration::harness::csi_driver::Driver;
use podling_integration::harness::{DEADLINE, Node, wait_until};
use serde_json::{Value, json};

use crate::csi::using;
use crate::{is_running, pod, said};

/// The driver that has Google's disks.
const DRIVER: &str = "pd.csi.storage.gke.io";

/// A persistent volume in the words of old, and a claim that it is for.
fn claimed(name: &str, source: &Value) -> String {
    let mut volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": { "name": name, "labels": { "topology.kubernetes.io/zone": "a-b-c" } },
        "spec": {
            "accessModes": ["ReadWriteMany"], "capacity": { "storage": "1Gi" },
            "claimRef": { "namespace": "default", "name": name },
            "nodeAffinity": { "required": { "nodeSelectorTerms": [{ "matchExpressions": [
                { "key": "kubernetes.io/os", "operator": "Exists" },
            ] }] } },
        },
    });
    for (key, value) in source.as_object().expect("it is one") {
        volume["spec"][key] = value.clone();
    }
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": name },
        "spec": {
            "accessModes": ["ReadWriteMany"], "resources": { "requests": { "storage": "1Gi" } },
        },
    });
    format!("{volume}\n---\n{claim}")
}

#[tokio::test]
async fn a_volume_of_a_plugin_of_old_is_its_drivers() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let driver = Driver::serve_in_zone(&node, DRIVER, ("topology.gke.io/zone", "a-b-c"));
    let disk = json!({ "gcePersistentDisk": { "pdName": "disk", "fsType": "ext4" } });
    node.manifest("disk.yaml", &claimed("disk", &disk));
    let mut spec = using(&image, "disk", "echo hello > /room/word; sleep 1000");
    let own = json!({ "name": "own", "gcePersistentDisk": { "pdName": "own", "readOnly": true } });
    spec["volumes"].as_array_mut().expect("they are").push(own);
    let mount = json!({ "name": "own", "mountPath": "/own" });
    let mounts = spec["containers"][0]["volumeMounts"].as_array_mut();
    mounts.expect("they are").push(mount);
    node.manifest("a.yaml", &pod("a", spec));
    let a = node.wait_pod("a", "runs", is_running).await;

    let handles = [
        "projects/UNSPECIFIED/zones/a-b-c/disks/disk",
        "projects/UNSPECIFIED/zones/UNSPECIFIED/disks/own",
    ];
    let is_told = |call: &str, handle: &str| driver.told().contains(&format!("{call} {handle}"));
    for handle in handles {
        assert!(
            is_told("stage", handle) && is_told("publish", handle),
            "{:?}",
            driver.told()
        );
    }
    let word = node.folder().join("store").join(handles[0]).join("word");
    wait_until(DEADLINE, "the word is on the disk", || word.exists()).await;
    let refused = said(&node, "a", "main", "touch /own/word || echo refused");
    assert!(refused.contains("refused"), "{refused}");
    let volumes = node
        .root()
        .join("var/lib/podling/kubelet/pods")
        .join(a.uid());
    let volumes = volumes.join("volumes/kubernetes.io~csi");
    for name in ["disk", "pd.csi.storage.gke.io-own"] {
        assert!(volumes.join(name).join("mount").exists(), "{name}");
    }
    let metrics = node.kubelet("/metrics").expect("it is told").text();
    let staged = format!(
        "csi_operations_seconds_count{{driver_name=\"{DRIVER}\",\
         method_name=\"/csi.v1.Node/NodeStageVolume\",grpc_status_code=\"OK\",migrated=\"true\"}} 2"
    );
    assert!(metrics.lines().any(|line| line == staged), "{metrics}");

    node.remove_manifest("a.yaml");
    node.wait_gone("a").await;
    for handle in handles {
        assert!(is_told("unpublish", handle) && is_told("unstage", handle));
    }
    let counted = format!(
        "storage_operation_duration_seconds_count{{volume_plugin=\"kubernetes.io/csi:{DRIVER}\",\
         operation_name=\"volume_unmount\",status=\"success\",migrated=\"true\"}} 2"
    );
    wait_until(DEADLINE, "their ends are counted", || {
        let metrics = node.kubelet("/metrics").expect("it is told").text();
        metrics.lines().any(|line| line == counted)
    })
    .await;
    assert!(
        fs::metadata(word).is_ok(),
        "what lies on a disk stays there"
    );
    node.stop().await;
}

#[tokio::test]
async fn a_volume_of_old_that_no_driver_has_is_told_by_name() {
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let disk = json!({ "azureDisk": {
        "diskName": "d", "diskURI": "https://a.blob.core.windows.net/c/d.vhd", "kind": "Dedicated",
    } });
    node.manifest("disk.yaml", &claimed("disk", &disk));
    node.manifest("a.yaml", &pod("a", using(&image, "disk", "sleep 1000")));
    let expected = "failed to process volumes=[room]: failed to translate in-tree pv to CSI: \
                    kind(Dedicated) is not supported in csi migration";
    wait_until(DEADLINE, "it is told why it waits", || {
        let events = node.podling(&["events", "--for", "a"]);
        String::from_utf8_lossy(&events.stdout).contains(expected)
    })
    .await;
    node.remove_manifest("a.yaml");
    node.wait_gone("a").await;
    node.stop().await;
}
