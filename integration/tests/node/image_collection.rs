//! Images that go because their disk is too full.

use std::fs;

use podling_integration::harness::daemon::Start;
use podling_integration::harness::{DEADLINE, Node, Pod, wait_for, wait_until};
use podling_integration::images::{Compression, Entry, Image, Layer, Layout, Settings};

use crate::small_disk::SmallDisk;
use crate::{configure, configured, is_running, one, pod};

const PIDS: &str = "evictionHard:\n  pid.available: \"1\"\n";

/// Imports an image of 20 MiB that nobody uses.
async fn import_big(node: &Node, fill: u8) -> String {
    let name = format!("localhost/big-{fill}:1");
    let bytes = vec![fill; 20 << 20];
    let layer = Layer::of([Entry::file("big", bytes)]).compressed(Compression::None);
    let image = Image::new(Settings::default(), [layer]).build();
    let archive = node.folder().join("big.oci.tar");
    fs::write(&archive, Layout::of(&name, &image.content()).tar(0)).expect("there is room");
    let imported = node.cri().await.import(&archive).await;
    imported.expect("it is whole");
    fs::remove_file(archive).expect("it was just written");
    name
}

#[tokio::test]
async fn of_a_disk_beyond_its_threshold_images_go_until_it_is_below_the_lower_one() {
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let disk = SmallDisk::mount(&folder.path().join("disk"), "500m");
    let root = disk.0.join("root");
    let mut node = configured(&root, PIDS).await;
    let used = node.import_testbox().await;
    let unused = [import_big(&node, b'a').await, import_big(&node, b'b').await];
    node.manifest("uses.yaml", &pod("uses", one(&used, &["sleep"])));
    let before = node.wait_pod("uses", "runs", is_running).await;
    node.kill9();

    // Fuller than the higher one, and one of both images brings it below the lower one.
    let now = rustix::fs::statvfs(&disk.0).expect("it is mounted");
    let percent = 100 - now.f_bavail * 100 / now.f_blocks;
    let thresholds = |high: u64, low: u64| {
        let fields = format!(
            "{PIDS}imageGCHighThresholdPercent: {high}\nimageGCLowThresholdPercent: {low}\n"
        );
        configure(&root, &fields);
    };
    thresholds(percent - 1, percent - 2);
    let any_age = Start {
        arguments: vec!["--minimum-image-ttl-duration=0s".to_owned()],
        ..Start::default()
    };
    node.restart_with(&any_age).await;
    let cri = node.cri().await;
    let left = async || {
        let mut left = Vec::new();
        for name in &unused {
            left.extend(cri.image(name).await.map(|_| name.clone()));
        }
        left
    };
    wait_for(DEADLINE, "one of them goes", async || {
        (left().await.len() < 2).then_some(())
    })
    .await;
    // As long as another pod takes to start, the other one would have gone long since.
    node.manifest("late.yaml", &pod("late", one(&used, &["sleep"])));
    node.wait_pod("late", "runs", is_running).await;
    assert_eq!(left().await.len(), 1);

    node.kill9();
    thresholds(1, 0);
    node.restart_with(&any_age).await;
    let is_told = || {
        let events = node.kubelet("/events").map(|answer| answer.text());
        events.is_some_and(|events| events.contains("FreeDiskSpaceFailed"))
    };
    wait_until(DEADLINE, "nothing more can go", is_told).await;
    let cri = node.cri().await;
    for name in &unused {
        assert!(cri.image(name).await.is_none(), "{name}");
    }
    let events = node.kubelet("/events").expect("an answer").text();
    let words = "Insufficient free disk space on the node's image filesystem (";
    assert!(events.contains(words), "{events}");
    assert!(cri.image(&used).await.is_some());
    let after = node.wait_pod("uses", "runs", is_running).await;
    let id = |pod: &Pod| pod.main().expect("it is told of").id().to_owned();
    assert_eq!(id(&before), id(&after));
    node.stop().await;
}
