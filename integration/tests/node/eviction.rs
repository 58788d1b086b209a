//! Pods that the kubelet gives up, so that the node goes on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use podling_integration::harness::wait::{DEADLINE, wait_for};
use podling_integration::harness::{Node, Options};
use serde_json::{Value, json};

use crate::{is_running, pod, shell};

/// A disk in memory, unmounted when it goes; no more than what is written to it is taken.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Self {
        fs::create_dir(at).expect("there is room");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=500m", "tmpfs"])
            .arg(at)
            .status();
        assert!(
            mount.expect("mount starts").success(),
            "a tmpfs can be mounted"
        );
        Self(at.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whoever is left on it after a failed test loses it once he has gone.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

async fn node_with(root: PathBuf, configuration: &str) -> Node {
    let directory = root.join("etc/podling");
    fs::create_dir_all(&directory).expect("it can be made");
    let header = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
    fs::write(
        directory.join("config.yaml"),
        format!("{header}{configuration}"),
    )
    .expect("it can be written");
    Node::start_with(Options {
        root: Some(root),
        ..Options::default()
    })
    .await
}

/// A pod that writes so many mebibytes into a volume of its own, and stays.
fn writer(image: &str, mebibytes: u32, volume: Value) -> Value {
    let script =
        format!("dd if=/dev/zero of=/data/big bs=1M count={mebibytes} 2>/dev/null; sleep 1000");
    let mut spec = shell(image, &script);
    spec["containers"][0]["volumeMounts"] = json!([{ "name": "data", "mountPath": "/data" }]);
    spec["volumes"] = json!([{ "name": "data", "emptyDir": volume }]);
    spec
}

#[tokio::test]
async fn a_pod_that_writes_more_than_its_volume_may_hold_is_evicted() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    // Whatever the machine's disk is like, the node is not short of it.
    let node = node_with(
        root.path().to_owned(),
        "evictionHard:\n  pid.available: \"1\"\n",
    )
    .await;
    let image = node.import_debian("busybox").await;
    let volume = json!({ "sizeLimit": "1Mi" });
    node.manifest("big.yaml", &pod("big", writer(&image, 3, volume)));
    let big = node
        .wait_pod("big", "is evicted", |pod| pod.phase() == "Failed")
        .await;
    assert_eq!(big.text("/status/reason"), "Evicted");
    assert_eq!(
        big.text("/status/message"),
        "Usage of EmptyDir volume \"data\" exceeds the limit \"1Mi\". "
    );
    // What it has written goes with it, and its status stays.
    let files = node
        .root()
        .join("var/lib/podling/kubelet/pods")
        .join(big.uid());
    wait_for(DEADLINE, "its files are gone", async || {
        (!files.exists()).then_some(())
    })
    .await;
    let status = node.pod("big").expect("it is still shown");
    assert_eq!(status.text("/status/reason"), "Evicted");
    let events = node.kubelet("/events").expect("an answer").text();
    assert!(events.contains("\"Evicted\""), "{events}");
    node.remove_manifest("big.yaml");
    node.wait_gone("big").await;
    node.stop().await;
}

#[tokio::test]
async fn of_a_node_whose_disk_is_nearly_full_the_pod_goes_that_takes_most_and_none_comes() {
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let disk = SmallDisk::mount(&folder.path().join("disk"));
    let configuration =
        "evictionHard:\n  nodefs.available: 250Mi\nevictionPressureTransitionPeriod: 45s\n";
    let node = node_with(disk.0.join("root"), configuration).await;
    let image = node.import_debian("busybox").await;
    node.manifest("small.yaml", &pod("small", writer(&image, 1, json!({}))));
    node.wait_pod("small", "runs", is_running).await;
    node.manifest("big.yaml", &pod("big", writer(&image, 260, json!({}))));
    let big = node
        .wait_pod("big", "is evicted", |pod| pod.phase() == "Failed")
        .await;
    assert_eq!(big.text("/status/reason"), "Evicted");
    let message = big.text("/status/message");
    assert!(
        message.starts_with(
            "The node was low on resource: ephemeral-storage. Threshold quantity: 250Mi, available: "
        ),
        "{message}"
    );
    assert!(big.has("DisruptionTarget"), "{}", big.0);
    assert_eq!(pressure(&node), "True");

    node.manifest("late.yaml", &pod("late", shell(&image, "sleep 1000")));
    let late = node
        .wait_pod("late", "is refused", |pod| pod.phase() == "Failed")
        .await;
    assert_eq!(late.text("/status/reason"), "Evicted");
    let message = late.text("/status/message");
    assert!(
        message.contains("The node had condition: [DiskPressure]. "),
        "{message}"
    );

    wait_for(DEADLINE, "the pressure is over", async || {
        (pressure(&node) == "False").then_some(())
    })
    .await;
    let small = node.pod("small").expect("it is there");
    assert!(is_running(&small), "{}", small.0);
    node.stop().await;
}

/// Whether the node says that its disk is full.
fn pressure(node: &Node) -> String {
    let answer = node.kubelet("/node").expect("an answer");
    let object: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let conditions = object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten();
    let mut disk = conditions.filter(|one| one["type"] == "DiskPressure");
    let status = disk.next().and_then(|one| one["status"].as_str());
    status.unwrap_or_default().to_owned()
}
