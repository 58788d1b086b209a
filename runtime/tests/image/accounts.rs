//! Reading files of an image without mounting it, and layers that leave directories out.

use std::fs;
use std::os::unix::fs::MetadataExt;

use podling_runtime::image::ImageRecord;
use serde_json::json;
use tar::EntryType;

use crate::archive::{Compression, Image, add};
use crate::chain;
use crate::node::{Node, node};

/// An archive of these entries: type, name, link target or content, mode.
fn archive(entries: &[(EntryType, &str, &str, u32)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (kind, name, text, mode) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(*mode);
        header.set_size(0);
        match kind {
            EntryType::Regular => {
                header.set_size(text.len() as u64);
                builder
                    .append_data(&mut header, name, text.as_bytes())
                    .unwrap();
            }
            EntryType::Symlink => builder.append_link(&mut header, name, text).unwrap(),
            _ => builder.append_data(&mut header, name, &b""[..]).unwrap(),
        }
    }
    builder.into_inner().unwrap()
}

/// Imports an image of these layers, bottom first.
async fn image(node: &Node, layers: &[Vec<u8>]) -> ImageRecord {
    let mut image = Image::new();
    for layer in layers {
        image = image.raw_layer(layer.clone(), Compression::None);
    }
    let mut builder = tar::Builder::new(Vec::new());
    add(&mut builder, "config.json", &image.config());
    let names: Vec<String> = (0..layers.len())
        .map(|number| format!("{number}.tar"))
        .collect();
    for (name, layer) in names.iter().zip(layers) {
        add(&mut builder, name, layer);
    }
    let manifest = json!([{"Config": "config.json", "RepoTags": ["app:v1"], "Layers": names}]);
    add(
        &mut builder,
        "manifest.json",
        manifest.to_string().as_bytes(),
    );
    let path = node.dir.path().join("archive.tar");
    fs::write(&path, builder.into_inner().unwrap()).unwrap();
    node.images.import(&path).await.unwrap();
    node.images.resolve("app:v1").unwrap()
}

fn file<'a>(name: &'a str, content: &'a str) -> (EntryType, &'a str, &'a str, u32) {
    (EntryType::Regular, name, content, 0o644)
}

fn link<'a>(name: &'a str, target: &'a str) -> (EntryType, &'a str, &'a str, u32) {
    (EntryType::Symlink, name, target, 0o777)
}

#[tokio::test]
async fn a_directory_that_a_layer_leaves_out_keeps_what_the_layer_below_gave_it() {
    let node = node();
    let base = archive(&[
        (EntryType::Directory, "./", "", 0o711),
        (EntryType::Directory, "tmp/", "", 0o1777),
    ]);
    let image = image(
        &node,
        &[
            base,
            archive(&[file("tmp/new", "")]),
            archive(&[file("top", "")]),
        ],
    )
    .await;
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(&image.layers[1].join("tmp")), 0o1777);
    assert_eq!(
        image
            .layers
            .iter()
            .map(|layer| mode(layer))
            .collect::<Vec<_>>(),
        [0o711; 3]
    );
}

#[tokio::test]
async fn the_topmost_layer_wins_and_a_whiteout_hides() {
    let node = node();
    let base = archive(&[file("etc/passwd", "base"), file("etc/group", "base")]);
    let top = archive(&[file("etc/passwd", "top"), file("etc/.wh.group", "")]);
    let image = image(&node, &[base, top]).await;
    let accounts = node.images.accounts(&image).await.unwrap();
    assert_eq!(
        (accounts.passwd.as_str(), accounts.group.as_str()),
        ("top", "")
    );
}

#[tokio::test]
async fn an_opaque_directory_hides_the_files_below() {
    let node = node();
    let base = archive(&[file("etc/passwd", "base")]);
    let top = archive(&[file("etc/.wh..wh..opq", ""), file("etc/other", "")]);
    let image = image(&node, &[base, top]).await;
    assert_eq!(node.images.accounts(&image).await.unwrap().passwd, "");
}

#[tokio::test]
async fn links_are_followed_inside_of_the_image_only() {
    let node = node();
    let base = archive(&[file("usr/etc/passwd", "inside")]);
    let top = archive(&[
        link("etc", "../../../usr/etc"),
        link("usr/etc/group", "/etc/hostname"),
    ]);
    let image = image(&node, &[base, top]).await;
    let accounts = node.images.accounts(&image).await.unwrap();
    assert_eq!(
        (accounts.passwd.as_str(), accounts.group.as_str()),
        ("inside", "")
    );
}

#[tokio::test]
async fn what_is_no_small_regular_file_is_refused() {
    let giant = "x".repeat((1 << 20) + 1);
    for (entry, reason) in [
        (
            (EntryType::Fifo, "etc/passwd", "", 0o644),
            "not a regular file",
        ),
        (link("etc/passwd", "passwd"), "symbolic links"),
        (file("etc/passwd", &giant), "more than 1048576 bytes"),
    ] {
        let node = node();
        let image = image(&node, &[archive(&[entry])]).await;
        let error = chain(&node.images.accounts(&image).await.unwrap_err());
        assert!(error.contains(reason), "{error}");
    }
}
