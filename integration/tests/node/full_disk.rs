//! A disk without room: a clear error, and work goes on once there is room again.

use podling_integration::harness::{Node, Options, Registry};
use podling_integration::images::{Compression, Entry, Image, Layer, Settings};

use crate::small_disk::SmallDisk;
use crate::{is_running, one, pod};

/// More than the disk holds.
const LAYER: usize = 128 << 20;

#[tokio::test]
async fn an_image_that_does_not_fit_is_refused_and_leaves_no_part_of_it() {
    let registry = Registry::start().await;
    let layer = Layer::of([Entry::file("big", vec![0_u8; LAYER])]).compressed(Compression::None);
    let big = Image::new(Settings::default(), [layer]).build();
    let image = registry.push("big:1", &big.content()).await;
    drop(big);

    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let disk = SmallDisk::mount(&folder.path().join("disk"), "96m");
    let options = Options {
        root: Some(disk.0.join("root")),
        ..Options::default()
    };
    let node = Node::start_with(options).await;
    node.manifest("big.yaml", &pod("big", one(&image, &[])));
    node.wait_pod("big", "says that the disk is full", |pod| {
        pod.main().is_some_and(|main| {
            main.message()
                .to_lowercase()
                .contains("the disk with the images is full")
        })
    })
    .await;
    node.remove_manifest("big.yaml");
    node.wait_gone("big").await;

    let fits = node.import_testbox().await;
    node.manifest("small.yaml", &pod("small", one(&fits, &["sleep"])));
    node.wait_pod("small", "runs", is_running).await;
    node.stop().await;
}
