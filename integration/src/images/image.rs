//! An image for one platform: from layers and settings to manifest, configuration and blobs.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::content::{Blob, Content, Descriptor, digest, media_type};
use super::layer::{Compression, Layer, compress};
use super::settings::Settings;

/// What an image runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `amd64`, `arm64`, ...
    pub architecture: String,
    /// `linux`.
    pub os: String,
    /// `v8`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// Linux on `architecture`, as images name it.
    pub fn linux(architecture: &str) -> Self {
        Self {
            architecture: architecture.to_owned(),
            os: "linux".to_owned(),
            variant: None,
        }
    }

    /// The machine that this runs on.
    pub fn host() -> Self {
        Self::linux(match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        })
    }
}

/// An image to be.
#[derive(Clone, Debug)]
pub struct Image {
    /// What it runs on.
    pub platform: Platform,
    /// How it is run.
    pub settings: Settings,
    /// Its layers, the lowest first.
    pub layers: Vec<Layer>,
    /// When everything in it was made, in Unix seconds.
    pub time: u64,
}

/// A finished image.
#[derive(Clone, Debug)]
pub struct BuiltImage {
    /// What it runs on.
    pub platform: Platform,
    /// The manifest.
    pub manifest: Blob,
    /// The configuration.
    pub config: Blob,
    /// The layers, the lowest first.
    pub layers: Vec<BuiltLayer>,
}

/// A finished layer.
#[derive(Clone, Debug)]
pub struct BuiltLayer {
    /// As it is stored.
    pub blob: Blob,
    /// The plain archive.
    pub tar: Vec<u8>,
}

impl Image {
    /// An image for this machine, made at the epoch.
    pub fn new(settings: Settings, layers: impl IntoIterator<Item = Layer>) -> Self {
        let layers = layers.into_iter().collect();
        Self {
            platform: Platform::host(),
            settings,
            layers,
            time: 0,
        }
    }

    /// Sets the platform.
    #[must_use]
    pub fn platform(mut self, platform: Platform) -> Self {
        self.platform = platform;
        self
    }

    /// Sets when it was made.
    #[must_use]
    pub fn time(mut self, seconds: u64) -> Self {
        self.time = seconds;
        self
    }

    /// Makes the manifest, the configuration and the blobs.
    pub fn build(&self) -> BuiltImage {
        let layers: Vec<BuiltLayer> = self
            .layers
            .iter()
            .map(|layer| build_layer(layer, self.time))
            .collect();
        let config = Blob::json(media_type::CONFIG, &self.configuration(&layers));
        let manifest = Manifest {
            schema_version: 2,
            media_type: media_type::MANIFEST,
            config: config.descriptor(),
            layers: layers.iter().map(|layer| layer.blob.descriptor()).collect(),
        };
        BuiltImage {
            platform: self.platform.clone(),
            manifest: Blob::json(media_type::MANIFEST, &manifest),
            config,
            layers,
        }
    }

    fn configuration<'image>(&'image self, layers: &[BuiltLayer]) -> Configuration<'image> {
        let created = i64::try_from(self.time)
            .ok()
            .and_then(|time| Timestamp::from_second(time).ok());
        Configuration {
            created: created.unwrap_or(Timestamp::UNIX_EPOCH).to_string(),
            architecture: &self.platform.architecture,
            os: &self.platform.os,
            variant: self.platform.variant.as_deref(),
            config: &self.settings,
            rootfs: RootFs {
                kind: "layers",
                diff_ids: layers.iter().map(|layer| digest(&layer.tar)).collect(),
            },
        }
    }
}

impl BuiltImage {
    /// The image with everything that it refers to.
    pub fn content(&self) -> Content {
        let layers = self.layers.iter().map(|layer| layer.blob.clone());
        Content {
            root: self.manifest.clone(),
            manifests: Vec::new(),
            blobs: [self.config.clone()].into_iter().chain(layers).collect(),
        }
    }

    /// The digest of the manifest.
    pub fn digest(&self) -> String {
        self.manifest.digest()
    }
}

fn build_layer(layer: &Layer, time: u64) -> BuiltLayer {
    let tar = layer.tar(time);
    let media_type = match layer.compression() {
        Compression::None => media_type::LAYER,
        Compression::Gzip => media_type::LAYER_GZIP,
        Compression::Zstd => media_type::LAYER_ZSTD,
    };
    BuiltLayer {
        blob: Blob::new(media_type, compress(&tar, layer.compression())),
        tar,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: &'static str,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Serialize)]
struct Configuration<'image> {
    created: String,
    architecture: &'image str,
    os: &'image str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'image str>,
    config: &'image Settings,
    rootfs: RootFs,
}

#[derive(Serialize)]
struct RootFs {
    #[serde(rename = "type")]
    kind: &'static str,
    diff_ids: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::entry::Entry;

    fn image() -> Image {
        let settings = Settings::default()
            .entrypoint(["/bin/server"])
            .cmd(["--port", "80"])
            .env("HOME", "/")
            .label("b", "2")
            .label("a", "1")
            .port("80/tcp")
            .volume("/data")
            .user("1:2")
            .working_dir("/data")
            .stop_signal("SIGQUIT");
        let upper = Layer::of([Entry::file("b", "2")]).compressed(Compression::Zstd);
        Image::new(settings, [Layer::of([Entry::file("a", "1")]), upper])
            .platform(Platform::linux("amd64"))
    }

    #[test]
    fn the_configuration_says_everything_that_was_set() {
        let built = image().build();
        let config: serde_json::Value = serde_json::from_slice(&built.config.bytes).unwrap();
        assert_eq!(
            config,
            serde_json::json!({
                "created": "1970-01-01T00:00:00Z",
                "architecture": "amd64",
                "os": "linux",
                "config": {
                    "Entrypoint": ["/bin/server"],
                    "Cmd": ["--port", "80"],
                    "Env": ["HOME=/"],
                    "Labels": {"a": "1", "b": "2"},
                    "ExposedPorts": {"80/tcp": {}},
                    "Volumes": {"/data": {}},
                    "User": "1:2",
                    "WorkingDir": "/data",
                    "StopSignal": "SIGQUIT",
                },
                "rootfs": {
                    "type": "layers",
                    "diff_ids": built.layers.iter().map(|layer| digest(&layer.tar)).collect::<Vec<_>>(),
                },
            })
        );
    }

    #[test]
    fn the_same_input_gives_the_same_digest() {
        assert_eq!(image().build().content(), image().build().content());
        assert_ne!(image().build().digest(), image().time(1).build().digest());
    }

    #[test]
    fn each_layer_is_stored_in_its_own_format() {
        let built = image().build();
        let types: Vec<&str> = built
            .layers
            .iter()
            .map(|l| l.blob.media_type.as_str())
            .collect();
        assert_eq!(types, [media_type::LAYER_GZIP, media_type::LAYER_ZSTD]);
    }
}
