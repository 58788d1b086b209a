//! Archives given by their path.

use std::fs;
use std::path::PathBuf;

use podling_runtime::image::ImportError;
use podling_runtime::image::digest::Digest;
use serde_json::json;

use crate::archive::{Compression, Image, add, descriptor};
use crate::node::{Node, node};
use crate::{ARCH, chain};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn image(content: &str) -> Image {
    Image::new()
        .layer(&[("base", "base")], Compression::Gzip)
        .layer(&[("content", content)], Compression::Zstd)
}

fn blob_name(content: &[u8]) -> String {
    format!("blobs/{}", Digest::of(content).as_str().replace(':', "/"))
}

/// An OCI layout with these images, by the names they get; the index comes last, as builders do it.
fn layout(images: &[(&str, &Image)]) -> tar::Builder<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut entries = Vec::new();
    for (name, image) in images {
        let manifest = image.manifest().to_string().into_bytes();
        let mut entry = descriptor(MANIFEST, &manifest);
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        entry["platform"] = json!({"os": "linux", "architecture": ARCH});
        entries.push(entry);
        for blob in image.blobs().into_iter().chain([manifest]) {
            add(&mut builder, &blob_name(&blob), &blob);
        }
    }
    let index = json!({"schemaVersion": 2, "manifests": entries});
    add(&mut builder, "index.json", index.to_string().as_bytes());
    builder
}

fn saved(node: &Node, builder: tar::Builder<Vec<u8>>) -> PathBuf {
    let path = node.dir.path().join("archive.tar");
    fs::write(&path, builder.into_inner().unwrap()).unwrap();
    path
}

#[tokio::test]
async fn every_image_of_an_oci_layout_is_imported() {
    let node = node();
    let (one, two) = (image("one"), image("two"));
    let path = saved(
        &node,
        layout(&[("example.io/app:1", &one), ("example.io/app:2", &two)]),
    );
    let names = node.images.import(&path).await.unwrap();
    for (tag, content) in [("example.io/app:1", "one"), ("example.io/app:2", "two")] {
        assert!(names.iter().any(|name| name == tag), "{names:?}");
        let image = node.images.resolve(tag).unwrap();
        assert_eq!(
            fs::read_to_string(image.layers[1].join("content")).unwrap(),
            content
        );
        assert_eq!(image.repo_digests.len(), 1);
    }
    assert_eq!(node.layers_on_disk(), 3, "the base is shared");
    assert_eq!(
        node.images.import(&path).await.unwrap(),
        names,
        "again is the same as once"
    );
}

#[tokio::test]
async fn a_docker_archive_is_imported_links_and_all() {
    let node = node();
    let image = image("saved");
    let mut builder = tar::Builder::new(Vec::new());
    let config = image.config();
    add(&mut builder, "config.json", &config);
    add(&mut builder, "a/layer.tar", &image.layers[0].archive);
    add(&mut builder, "b/layer.tar", &image.layers[1].archive);
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    builder
        .append_link(&mut link, "c/layer.tar", "../b/layer.tar")
        .unwrap();
    let manifest = json!([{"Config": "config.json", "RepoTags": ["app:saved", "app:also"],
        "Layers": ["a/layer.tar", "c/layer.tar"]}]);
    add(
        &mut builder,
        "manifest.json",
        manifest.to_string().as_bytes(),
    );
    let names = node.images.import(&saved(&node, builder)).await.unwrap();
    assert_eq!(
        names,
        ["docker.io/library/app:saved", "docker.io/library/app:also"]
    );
    let found = node.images.resolve("app:also").unwrap();
    assert_eq!(found.id.to_string(), Digest::of(&config).to_string());
    assert_eq!(
        fs::read_to_string(found.layers[1].join("content")).unwrap(),
        "saved"
    );
}

#[tokio::test]
async fn an_image_without_a_name_is_known_by_its_id() {
    let node = node();
    let path = saved(&node, layout(&[("latest", &image("nameless"))]));
    let names = node.images.import(&path).await.unwrap();
    assert_eq!(names, [node.images.list()[0].id.to_string()]);
}

#[tokio::test]
async fn a_layer_that_is_not_what_the_archive_says_is_refused() {
    let node = node();
    let image = Image::new().layer(&[("content", "honest")], Compression::None);
    let mut bytes = layout(&[("example.io/app:1", &image)])
        .into_inner()
        .unwrap();
    let at = bytes
        .windows(6)
        .position(|window| window == b"honest")
        .unwrap();
    bytes[at..at + 6].copy_from_slice(b"lying!");
    let path = node.dir.path().join("archive.tar");
    fs::write(&path, bytes).unwrap();
    let error = node.images.import(&path).await.unwrap_err();
    assert!(
        chain(&error).contains("expected sha256:"),
        "{}",
        chain(&error)
    );
    node.assert_empty();
}

#[tokio::test]
async fn what_is_no_archive_of_images_says_so() {
    let node = node();
    let missing = node.dir.path().join("missing.tar");
    assert!(matches!(
        node.images.import(&missing).await,
        Err(ImportError::Read { .. })
    ));
    let text = node.dir.path().join("text.tar");
    fs::write(&text, "x".repeat(4096)).unwrap();
    assert!(matches!(
        node.images.import(&text).await,
        Err(ImportError::Archive { .. })
    ));
    let mut other = tar::Builder::new(Vec::new());
    add(&mut other, "readme", b"hello");
    let path = saved(&node, other);
    assert!(matches!(
        node.images.import(&path).await,
        Err(ImportError::NoImages)
    ));
    let mut torn = tar::Builder::new(Vec::new());
    let manifest = json!([{"Config": "../../../etc/passwd", "Layers": []}]);
    add(&mut torn, "manifest.json", manifest.to_string().as_bytes());
    let path = saved(&node, torn);
    assert!(matches!(
        node.images.import(&path).await,
        Err(ImportError::Missing(_))
    ));
}
