//! Registries that lie and layers that want out.

use std::path::Path;

use podling_integration::harness::{Node, Pod, Registry};
use podling_integration::images::{Content, Entry, Image, Layer, Settings};

use crate::{is_running, one, pod};

const REASONS: [&str; 2] = ["ErrImagePull", "ImagePullBackOff"];

fn image_of(entries: Vec<Entry>) -> Content {
    let layer = Layer::of(entries).in_given_order();
    Image::new(Settings::default().entrypoint(["/x"]), [layer])
        .build()
        .content()
}

/// Whether the pod waits for its image, with this word in the message.
fn is_refused(word: &str) -> impl Fn(&Pod) -> bool {
    move |pod| {
        let main = pod.main();
        main.is_some_and(|main| REASONS.contains(&main.waiting()) && main.message().contains(word))
    }
}

async fn assert_still_works(node: &Node) {
    let image = node.import_testbox().await;
    node.manifest("after.yaml", &pod("after", one(&image, &["sleep"])));
    node.wait_pod("after", "runs", is_running).await;
}

#[tokio::test]
async fn a_registry_that_serves_other_bytes_than_the_digest_says_is_caught() {
    let registry = Registry::start().await;
    let content = image_of(vec![Entry::file("a", "what was pushed")]);
    let image = registry.push("liar:1", &content).await;
    let layer = content.blobs.last().expect("the image has a layer");
    registry.corrupt(&layer.digest());

    let node = Node::start().await;
    node.manifest("liar.yaml", &pod("liar", one(&image, &[])));
    node.wait_pod("liar", "says which digest is wrong", is_refused("digest"))
        .await;
    assert_still_works(&node).await;
    node.stop().await;
}

#[tokio::test]
async fn a_layer_that_climbs_out_of_its_directory_is_refused() {
    let registry = Registry::start().await;
    let climbing = image_of(vec![Entry::file(
        "../../../../../../../../podling-escaped",
        "out",
    )]);
    let image = registry.push("climber:1", &climbing).await;
    let node = Node::start().await;
    node.manifest("climber.yaml", &pod("climber", one(&image, &[])));
    node.wait_pod("climber", "names the entry", is_refused("podling-escaped"))
        .await;
    assert!(!Path::new("/podling-escaped").exists());
    assert_still_works(&node).await;
    node.stop().await;
}

#[tokio::test]
async fn a_layer_cannot_write_through_a_link_that_leads_outside() {
    let registry = Registry::start().await;
    let node = Node::start().await;
    let outside = node.folder().join("outside");
    std::fs::create_dir(&outside).expect("there is room");
    let target = outside.to_string_lossy().into_owned();
    let tricky = image_of(vec![
        Entry::symlink("absolute", &target),
        Entry::file("absolute/escaped", "out"),
        Entry::symlink(
            "relative",
            format!("../../../../../../../../../../..{target}"),
        ),
        Entry::file("relative/escaped", "out"),
        Entry::hardlink("hard", format!("{target}/../podling.log")),
    ]);
    let image = registry.push("tricky:1", &tricky).await;
    node.manifest("tricky.yaml", &pod("tricky", one(&image, &[])));
    // Refused, or unpacked inside and then without the program that it names.
    node.wait_pod("tricky", "gets nowhere", |pod| {
        pod.main()
            .is_some_and(|main| !main.message().is_empty() && !main.is_running())
    })
    .await;
    let escaped = std::fs::read_dir(&outside).expect("it was made").count();
    assert_eq!(escaped, 0, "something was written outside the layer");
    assert_still_works(&node).await;
    node.stop().await;
}
