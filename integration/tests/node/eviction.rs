//! Pods that the kubelet gives up, so that the node goes on.

use podling_integration::harness::wait::{DEADLINE, wait_for};
use podling_integration::harness::{Node, Pod};
use serde_json::{Value, json};

use crate::small_disk::SmallDisk;
use crate::{configure, configured, is_running, one, pod, shell};

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
    let node = configured(root.path(), "evictionHard:\n  pid.available: \"1\"\n").await;
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
    let disk = SmallDisk::mount(&folder.path().join("disk"), "500m");
    let configuration =
        "evictionHard:\n  nodefs.available: 250Mi\nevictionPressureTransitionPeriod: 45s\n";
    let node = configured(&disk.0.join("root"), configuration).await;
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
    assert_eq!(pressure(&node, "DiskPressure"), "True");

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
        (pressure(&node, "DiskPressure") == "False").then_some(())
    })
    .await;
    let small = node.pod("small").expect("it is there");
    assert!(is_running(&small), "{}", small.0);
    node.stop().await;
}

#[tokio::test]
async fn of_a_node_short_of_memory_no_pod_that_asks_for_none_is_let_in() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    // More than any machine has free.
    let node = configured(root.path(), "evictionHard:\n  memory.available: 99.9%\n").await;
    let image = node.import_testbox().await;
    wait_for(DEADLINE, "the node is short of memory", async || {
        (pressure(&node, "MemoryPressure") == "True").then_some(())
    })
    .await;
    let evicted = |pod: &Pod| pod.text("/status/reason") == "Evicted";
    node.manifest("asks.yaml", &pod("nothing", one(&image, &["sleep"])));
    let nothing = node.wait_pod("nothing", "is refused", evicted).await;
    let message = nothing.text("/status/message");
    assert!(
        message.contains("The node had condition: [MemoryPressure]. "),
        "{message}"
    );
    assert!(nothing.main().is_none(), "no container is told of");

    // One that asks is let in, and goes when nothing else is left to be taken.
    let mut spec = one(&image, &["sleep"]);
    spec["containers"][0]["resources"] = json!({ "requests": { "memory": "1Mi" } });
    node.manifest("some.yaml", &pod("some", spec));
    let some = node.wait_pod("some", "is evicted", evicted).await;
    let message = some.text("/status/message");
    let start = "The node was low on resource: memory. Threshold quantity: ";
    assert!(message.starts_with(start), "{message}");
    node.stop().await;
}

#[tokio::test]
async fn of_a_disk_that_is_too_full_images_go_that_nobody_uses_and_pods_stay() {
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let disk = SmallDisk::mount(&folder.path().join("disk"), "500m");
    let root = disk.0.join("root");
    let mut node = configured(&root, "evictionHard:\n  pid.available: \"1\"\n").await;
    let unused = node.import_debian("nginx").await;
    let used = node.import_debian("busybox").await;
    node.manifest("uses.yaml", &pod("uses", shell(&used, "sleep 1000")));
    let before = node.wait_pod("uses", "runs", is_running).await;
    node.kill9();

    // A little more than is free now, and less than what is free without the image.
    let disk_now = rustix::fs::statvfs(&disk.0).expect("it is mounted");
    let wanted = disk_now.f_bavail * disk_now.f_frsize + (1 << 20);
    let fields = format!(
        "imageMinimumGCAge: 1ms\nevictionPressureTransitionPeriod: 1s\nevictionHard:\n  \
         nodefs.available: \"{wanted}\"\n"
    );
    configure(&root, &fields);
    node.restart().await;
    let cri = node.cri().await;
    wait_for(DEADLINE, "the image goes that nobody uses", async || {
        cri.image(&unused).await.is_none().then_some(())
    })
    .await;
    assert!(cri.image(&used).await.is_some());
    wait_for(DEADLINE, "the node has enough", async || {
        (pressure(&node, "DiskPressure") == "False").then_some(())
    })
    .await;
    let after = node.wait_pod("uses", "runs", is_running).await;
    let id = |pod: &Pod| pod.main().expect("it runs").id().to_owned();
    assert_eq!(id(&before), id(&after));
    node.stop().await;
}

/// What the node says of a pressure.
fn pressure(node: &Node, condition: &str) -> String {
    let answer = node.kubelet("/node").expect("an answer");
    let object: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let conditions = object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten();
    let mut asked = conditions.filter(|one| one["type"] == condition);
    let status = asked.next().and_then(|one| one["status"].as_str());
    status.unwrap_or_default().to_owned()
}
