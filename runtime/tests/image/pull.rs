//! Pulling from Debian's docker-registry, the real thing.

use std::fs;

use podling_runtime::image::{Login, PullError};
use tokio::sync::watch;

use crate::archive::{Compression, Image};
use crate::node::{node, open, used};
use crate::registry::DockerRegistry;
use crate::{ARCH, chain};

fn app(content: &str) -> Image {
    Image::new()
        .layer(
            &[
                ("etc/passwd", "root:x:0:0::/root:/bin/sh\n"),
                ("etc/base", "base"),
            ],
            Compression::Gzip,
        )
        .layer(&[("app/content", content)], Compression::Zstd)
        .layer(&[("app/last", content)], Compression::None)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pulled_by_tag_and_found_by_every_name_it_has() {
    let registry = DockerRegistry::start().await;
    let digest = registry.push("team/app", "v1", &app("one")).await;
    let name = format!("{}/team/app:v1", registry.address());
    let node = node();
    let (progress, seen) = watch::channel(Default::default());
    let image = node
        .images
        .pull(&name, Login::default(), progress)
        .await
        .unwrap();
    assert_eq!(image.repo_tags, [name.as_str()]);
    let by_digest = format!("{}/team/app@{digest}", registry.address());
    assert_eq!(image.repo_digests, [by_digest.as_str()]);
    assert_eq!(image.config.cmd, ["/app/content"]);
    let contents = ["etc/base", "app/content", "app/last"];
    for (layer, file) in image.layers.iter().zip(contents) {
        assert!(layer.join(file).is_file(), "{file}");
    }
    let id = image.id.to_string();
    for query in [&name, &by_digest, &id, &id[7..], &id[7..20]] {
        assert_eq!(node.images.resolve(query), Some(image.clone()), "{query}");
    }
    assert_eq!(node.images.resolve(&format!("{name}x")), None);
    let layers = seen.borrow().layers.clone();
    assert_eq!(layers.len(), 3);
    assert!(
        layers
            .iter()
            .all(|layer| layer.done == layer.total && layer.total > 0)
    );
    node.assert_nothing_unfinished();
    let usage = node.images.usage();
    assert_eq!(usage.bytes, image.size);
    assert!(usage.inodes >= 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pulled_by_digest_and_has_no_tag() {
    let registry = DockerRegistry::start().await;
    let digest = registry.push("app", "v1", &app("one")).await;
    let node = node();
    let image = node
        .pull(&format!("{}/app@{digest}", registry.address()))
        .await
        .unwrap();
    assert!(image.repo_tags.is_empty());
    assert_eq!(
        image.repo_digests,
        [format!("{}/app@{digest}", registry.address())]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_manifests_are_pulled_like_oci_ones() {
    let registry = DockerRegistry::start().await;
    registry.push("app", "docker", &app("one").docker()).await;
    node()
        .pull(&format!("{}/app:docker", registry.address()))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_resolved_to_this_platform() {
    let registry = DockerRegistry::start().await;
    let index = registry
        .push_index("app", "all", &[("s390x", app("other")), (ARCH, app("own"))])
        .await;
    let node = node();
    let image = node
        .pull(&format!("{}/app:all", registry.address()))
        .await
        .unwrap();
    assert_eq!(
        fs::read_to_string(image.layers[1].join("app/content")).unwrap(),
        "own"
    );
    assert_eq!(
        image.repo_digests,
        [format!("{}/app@{index}", registry.address())]
    );
    registry
        .push_index("app", "foreign", &[("s390x", app("other"))])
        .await;
    let error = node
        .pull(&format!("{}/app:foreign", registry.address()))
        .await
        .unwrap_err();
    assert!(chain(&error).contains("linux/s390x"), "{}", chain(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_to_be_missing() {
    let registry = DockerRegistry::start().await;
    let error = node()
        .pull(&format!("{}/nothing:here", registry.address()))
        .await
        .unwrap_err();
    assert!(matches!(error, PullError::NotFound { .. }), "{error:?}");
    let error = node().pull("127.0.0.1:1/app").await.unwrap_err();
    assert!(chain(&error).contains("cannot reach"), "{}", chain(&error));
    let error = node().pull("Bad Name").await.unwrap_err();
    assert!(error.to_string().contains("InvalidImageName"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn images_that_share_layers_share_their_directories() {
    let registry = DockerRegistry::start().await;
    let node = node();
    let mut pulled = Vec::new();
    for tag in ["one", "two"] {
        registry.push("app", tag, &app(tag)).await;
        pulled.push(
            node.pull(&format!("{}/app:{tag}", registry.address()))
                .await
                .unwrap(),
        );
    }
    assert_eq!(pulled[0].layers[0], pulled[1].layers[0]);
    assert_eq!(node.layers_on_disk(), 5);
    node.remove(&pulled[0].id.to_string(), &[]).await;
    assert_eq!(node.layers_on_disk(), 3);
    assert!(pulled[1].layers.iter().all(|layer| layer.is_dir()));
    node.remove(&pulled[1].repo_tags[0], &[]).await;
    node.remove(&pulled[1].repo_tags[0], &[]).await;
    assert_eq!((node.layers_on_disk(), node.images.list().len()), (0, 0));
    assert_eq!(node.images.usage().bytes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_moves_leaves_the_old_image_its_digest() {
    let registry = DockerRegistry::start().await;
    let node = node();
    let name = format!("{}/app:latest", registry.address());
    registry.push("app", "latest", &app("old")).await;
    let old = node.pull(&name).await.unwrap();
    registry.push("app", "latest", &app("new")).await;
    let new = node.pull(&name).await.unwrap();
    assert_ne!(old.id, new.id);
    assert_eq!(node.images.resolve(&name).unwrap().id, new.id);
    let old = node.images.resolve(&old.id.to_string()).unwrap();
    assert!(old.repo_tags.is_empty() && old.repo_digests.len() == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_known_again_after_a_restart_and_leftovers_are_gone() {
    let registry = DockerRegistry::start().await;
    let node = node();
    registry.push("app", "v1", &app("one")).await;
    let image = node
        .pull(&format!("{}/app:v1", registry.address()))
        .await
        .unwrap();
    let images = node.dir.path().join("images");
    fs::create_dir_all(images.join("tmp/7/half/unpacked")).unwrap();
    fs::create_dir(images.join("layers").join("0".repeat(64))).unwrap();
    let again = open(node.dir.path());
    assert_eq!(again.list(), [image]);
    assert_eq!(again.usage().bytes, node.images.usage().bytes);
    assert_eq!(node.layers_on_disk(), 3);
    node.assert_nothing_unfinished();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_lost_a_layer_is_pulled_again() {
    let registry = DockerRegistry::start().await;
    let node = node();
    registry.push("app", "v1", &app("one")).await;
    let name = format!("{}/app:v1", registry.address());
    let image = node.pull(&name).await.unwrap();
    fs::remove_dir_all(&image.layers[1]).unwrap();
    let again = open(node.dir.path());
    assert_eq!(again.resolve(&name), None);
    again
        .pull(&name, Login::default(), watch::Sender::default())
        .await
        .unwrap();
    assert!(image.layers[1].join("app/content").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_keeps_the_layers_of_a_removed_image_even_over_a_restart() {
    let registry = DockerRegistry::start().await;
    let node = node();
    registry.push("app", "v1", &app("one")).await;
    let name = format!("{}/app:v1", registry.address());
    let image = node.pull(&name).await.unwrap();
    let id = image.id.to_string();
    node.remove(&name, &[&id]).await;
    assert_eq!(node.images.resolve(&name), None);
    let again = open(node.dir.path());
    assert!(again.list().is_empty());
    assert!(image.layers.iter().all(|layer| layer.is_dir()));
    again.collect(used(&[&id])).await.unwrap();
    assert_eq!(node.layers_on_disk(), 3);
    again.collect(used(&[])).await.unwrap();
    assert_eq!(node.layers_on_disk(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_read_as_the_container_would_see_them() {
    let registry = DockerRegistry::start().await;
    let node = node();
    let image = app("one").layer(&[("etc/group", "web:x:33:\n")], Compression::Gzip);
    registry.push("app", "v1", &image).await;
    let image = node
        .pull(&format!("{}/app:v1", registry.address()))
        .await
        .unwrap();
    let accounts = node.images.accounts(&image).await.unwrap();
    assert!(accounts.passwd.starts_with("root:x:0:0"));
    assert_eq!(accounts.group, "web:x:33:\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_a_hundred_and_thirty_layers_is_pulled_and_removed() {
    let registry = DockerRegistry::start().await;
    let layers = (0..130).map(|number| (format!("files/{number}"), number.to_string()));
    let image = layers.fold(Image::new(), |image, (name, content)| {
        image.layer(&[(&name, &content)], Compression::Zstd)
    });
    registry.push("app", "tall", &image).await;
    let node = node();
    let name = format!("{}/app:tall", registry.address());
    let image = node.pull(&name).await.unwrap();
    for (number, layer) in image.layers.iter().enumerate() {
        assert!(layer.join(format!("files/{number}")).is_file());
    }
    node.remove(&name, &[]).await;
    node.assert_empty();
}
