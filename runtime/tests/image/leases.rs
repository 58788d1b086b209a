//! Images that are removed while a container is made of them, or while another removes them.

use crate::archive::{Compression, Image};
use crate::node::{node, used};
use crate::registry::DockerRegistry;

fn app() -> Image {
    Image::new().layer(&[("content", "leased")], Compression::Gzip)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_being_made_keeps_its_image_whoever_removes_it() {
    let registry = DockerRegistry::start().await;
    registry.push("app", "v1", &app()).await;
    let name = format!("{}/app:v1", registry.address());
    let node = node();
    let image = node.pull(&name).await.unwrap();
    let lease = node.images.lease(&name).unwrap();
    node.remove(&name, &[]).await;
    assert_eq!(node.images.resolve(&name), None);
    node.images.collect(used(&[])).await.unwrap();
    assert!(lease.layers[0].join("content").is_file());
    // The container is there by now, and keeps the image after the lease has ended.
    drop(lease);
    node.images
        .collect(used(&[&image.id.to_string()]))
        .await
        .unwrap();
    assert_eq!(node.layers_on_disk(), 1);
    node.images.collect(used(&[])).await.unwrap();
    node.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_image_cannot_be_leased() {
    let node = node();
    assert!(node.images.lease("app:v1").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_may_remove_an_image_at_once() {
    let registry = DockerRegistry::start().await;
    registry.push("app", "v1", &app()).await;
    let name = format!("{}/app:v1", registry.address());
    let node = node();
    let id = node.pull(&name).await.unwrap().id.to_string();
    let removals = (0..8).map(|_| async {
        node.remove(&id, &[]).await;
        assert_eq!(node.images.resolve(&id), None, "gone when the call returns");
    });
    futures::future::join_all(removals).await;
    node.assert_empty();
}

#[tokio::test(flavor = "multi_thread")]
async fn pulls_and_removals_of_one_image_go_on_side_by_side() {
    let registry = DockerRegistry::start().await;
    registry.push("app", "v1", &app()).await;
    let name = format!("{}/app:v1", registry.address());
    let node = node();
    let each = (0..8).map(|number| {
        let (node, name) = (&node, &name);
        async move {
            match number % 2 {
                0 => drop(node.pull(name).await.unwrap()),
                _ => node.remove(name, &[]).await,
            }
        }
    });
    futures::future::join_all(each).await;
    let image = node.pull(&name).await.unwrap();
    assert!(image.layers[0].join("content").is_file());
    node.remove(&name, &[]).await;
    node.assert_empty();
}
