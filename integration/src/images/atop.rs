//! Images on top of others that are finished already.

use serde_json::{Value, json};

use super::content::{Blob, Content, digest, media_type};
use super::layer::{Layer, compress};

/// An image in parts: how it is run, and its layers.
#[derive(Clone, Debug)]
pub struct Parts {
    configuration: Value,
    /// Each with the digest of its plain archive, the lowest first.
    layers: Vec<(Blob, String)>,
}

impl Parts {
    /// The parts of an image for one platform.
    ///
    /// # Panics
    ///
    /// When it is no such image, whole.
    pub fn of(content: &Content) -> Self {
        let parse = |blob: &Blob| -> Value {
            serde_json::from_slice(&blob.bytes).expect("a document of an image is JSON")
        };
        let manifest = parse(&content.root);
        let find = |descriptor: &Value| -> Blob {
            let digest = descriptor["digest"].as_str().unwrap_or_default();
            let found = content.blobs.iter().find(|blob| blob.digest() == digest);
            let mut blob = found.expect("an image has what it refers to").clone();
            let kind = descriptor["mediaType"].as_str().unwrap_or_default();
            kind.clone_into(&mut blob.media_type);
            blob
        };
        let configuration = parse(&find(&manifest["config"]));
        let plain = configuration["rootfs"]["diff_ids"].as_array();
        let plain = plain.expect("a configuration has its layers").clone();
        let layers = manifest["layers"].as_array().into_iter().flatten();
        let layers = layers
            .zip(plain)
            .map(|(layer, plain)| (find(layer), plain.as_str().unwrap_or_default().to_owned()))
            .collect();
        Self {
            configuration,
            layers,
        }
    }

    /// With the layers of another image on top.
    #[must_use]
    pub fn below(mut self, other: &Self) -> Self {
        self.layers.extend(other.layers.iter().cloned());
        self
    }

    /// With one more layer on top.
    #[must_use]
    pub fn with(mut self, layer: &Layer) -> Self {
        let tar = layer.tar(0);
        let blob = Blob::new(
            media_type::LAYER_GZIP,
            compress(&tar, super::layer::Compression::Gzip),
        );
        self.layers.push((blob, digest(&tar)));
        self
    }

    /// With this program and these first arguments, and none after them.
    #[must_use]
    pub fn entrypoint(mut self, words: &[&str]) -> Self {
        self.configuration["config"]["Entrypoint"] = json!(words);
        self.configuration["config"]["Cmd"] = Value::Null;
        self
    }

    /// The image.
    pub fn content(mut self) -> Content {
        let plain: Vec<_> = self.layers.iter().map(|(_, plain)| plain).collect();
        self.configuration["rootfs"]["diff_ids"] = json!(plain);
        let configuration = Blob::json(media_type::CONFIG, &self.configuration);
        let layers: Vec<_> = self.layers.into_iter().map(|(blob, _)| blob).collect();
        let descriptors: Vec<_> = layers.iter().map(Blob::descriptor).collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type::MANIFEST,
            "config": configuration.descriptor(),
            "layers": descriptors,
        });
        Content {
            root: Blob::json(media_type::MANIFEST, &manifest),
            manifests: Vec::new(),
            blobs: [configuration].into_iter().chain(layers).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::entry::Entry;
    use crate::images::{Image, Settings};

    #[test]
    fn an_image_atop_of_others_has_their_layers_and_its_own() {
        let layer = |name: &str| Layer::of([Entry::file(name, name)]);
        let below = Image::new(Settings::default().cmd(["a"]), [layer("one")]).build();
        let other = Image::new(Settings::default(), [layer("two")]).build();
        let other = Parts::of(&other.content());
        let parts = Parts::of(&below.content()).below(&other);
        let parts = parts.with(&layer("three")).entrypoint(&["/b"]);
        let again = Parts::of(&parts.content());
        let plain: Vec<_> = again
            .layers
            .iter()
            .map(|(_, plain)| plain.clone())
            .collect();
        let expected = ["one", "two", "three"].map(|name| digest(&layer(name).tar(0)));
        assert_eq!(plain, expected);
        assert_eq!(again.configuration["config"]["Entrypoint"], json!(["/b"]));
    }
}
