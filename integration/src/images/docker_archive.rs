//! The archive that `docker save` writes and `docker load` reads.

use serde::Serialize;

use super::entry::Entry;
use super::image::BuiltImage;
use super::layer::Layer;

/// The archive of one image under one name; `time` is that of its entries, in Unix seconds.
pub fn docker_archive(name: &str, image: &BuiltImage, time: u64) -> Vec<u8> {
    let config = format!("{}.json", hex(&image.config.digest()));
    let layers: Vec<String> = image
        .layers
        .iter()
        .map(|layer| format!("{}/layer.tar", hex(&layer.blob.digest())))
        .collect();
    let manifest = [ManifestItem {
        config: &config,
        repo_tags: [name],
        layers: &layers,
    }];
    let manifest = serde_json::to_vec(&manifest).expect("keys are strings");

    let mut entries = vec![
        Entry::file(config.as_str(), image.config.bytes.clone()),
        Entry::file("manifest.json", manifest),
    ];
    for (path, layer) in layers.iter().zip(&image.layers) {
        entries.push(Entry::file(path.as_str(), layer.tar.clone()));
    }
    Layer::of(entries).tar(time)
}

fn hex(digest: &str) -> &str {
    digest.strip_prefix("sha256:").unwrap_or(digest)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ManifestItem<'archive> {
    config: &'archive str,
    repo_tags: [&'archive str; 1],
    layers: &'archive [String],
}
