//! The daemon dies by SIGKILL at each step of a pull and of a removal; the image store loses nothing
//! that it has checked, and keeps nothing that nobody needs.

use std::fs;

use podling_integration::harness::{Node, Registry};
use podling_integration::images::{Content, Entry, Image, Layer, Settings};

use crate::failpoints::{dies_at, points};

const LAYERS: usize = 3;

fn image() -> Content {
    let layers = ["one", "two", "three"].map(|name| Layer::of([Entry::file(name, name)]));
    Image::new(Settings::default(), layers).build().content()
}

/// How many entries a directory of the store has.
fn count(node: &Node, directory: &str) -> usize {
    let path = node.root().join("var/lib/podling/images").join(directory);
    fs::read_dir(path).expect("the store has it").count()
}

/// Layers, records and notes of the store; nothing is ever unfinished.
fn store(node: &Node, point: &str) -> (usize, usize, usize) {
    let temporary = count(node, "tmp") + count(node, "retired");
    assert_eq!(temporary, 0, "{point}: something is left");
    let layers = count(node, "layers");
    (layers, count(node, "records"), count(node, "unclaimed"))
}

/// The layers that a daemon which died at this point had checked and put into the store.
fn layers_after(point: &str) -> usize {
    match point {
        "images.pull.unpacked" | "images.pull.noted" => 0,
        "images.pull.placed" => 1,
        _ => LAYERS,
    }
}

#[tokio::test]
async fn a_crash_at_any_step_of_a_pull_keeps_what_was_checked_and_nothing_else() {
    let registry = Registry::start().await;
    let name = registry.push("app:1", &image()).await;
    let mut node = Node::start().await;
    for point in points(&node, &["images.pull."]) {
        node.kill9();
        node.restart_with(&dies_at(&point)).await;
        let broken = node.cri().await.pull(&name).await;
        broken.expect_err("the daemon dies in the middle of it");
        node.wait_killed().await;
        node.restart().await;

        let (layers, ..) = store(&node, &point);
        assert_eq!(layers, layers_after(&point), "{point}");
        let cri = node.cri().await;
        let pulled = cri.pull(&name).await.expect("the image is pulled again");
        let image = cri.image(&name).await.expect("it has its name");
        assert_eq!(image.id, pulled, "{point}");
        assert_eq!(store(&node, &point), (LAYERS, 1, 0), "{point}");
        cri.remove_image(&name).await.expect("it can be removed");
        assert_eq!(store(&node, &point), (0, 0, 0), "{point}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_crash_at_any_step_of_a_removal_leaves_nothing_of_the_image() {
    let registry = Registry::start().await;
    let name = registry.push("app:1", &image()).await;
    let mut node = Node::start().await;
    for point in points(&node, &["images.remove."]) {
        let pulled = node.cri().await.pull(&name).await;
        pulled.expect("the image is pulled");
        node.kill9();
        node.restart_with(&dies_at(&point)).await;
        let broken = node.cri().await.remove_image(&name).await;
        broken.expect_err("the daemon dies in the middle of it");
        node.wait_killed().await;
        node.restart().await;

        let cri = node.cri().await;
        assert!(cri.image(&name).await.is_none(), "{point}");
        assert_eq!(store(&node, &point), (0, 0, 0), "{point}");
        let again = cri.remove_image(&name).await;
        again.expect("removing what is gone is no error");
    }
    node.stop().await;
}
