//! Content by digest: what layouts, archives and registries hold.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::image::Platform;

/// The media types that are written here.
pub mod media_type {
    /// An image manifest.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// An image index: one image for several platforms.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// An image's configuration.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// A layer as it is.
    pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    /// A layer under gzip.
    pub const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// A layer under Zstandard.
    pub const LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
}

/// The annotation that carries an image's name in a layout.
pub const NAME_ANNOTATION: &str = "org.opencontainers.image.ref.name";
/// The same for containerd, which takes the one above for a tag.
pub const CONTAINERD_NAME_ANNOTATION: &str = "io.containerd.image.name";

/// `sha256:` and the hash of `bytes`.
pub fn digest(bytes: &[u8]) -> String {
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").expect("memory takes every byte");
    }
    text
}

/// Bytes and what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Media type.
    pub media_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Blob {
    /// A blob of these bytes.
    pub fn new(media_type: &str, bytes: Vec<u8>) -> Self {
        Self {
            media_type: media_type.to_owned(),
            bytes,
        }
    }

    /// A document written as JSON.
    pub fn json(media_type: &str, document: &impl Serialize) -> Self {
        let bytes = serde_json::to_vec(document).expect("keys are strings");
        Self::new(media_type, bytes)
    }

    /// The digest of the bytes.
    pub fn digest(&self) -> String {
        digest(&self.bytes)
    }

    /// What other documents say about this blob.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor {
            media_type: self.media_type.clone(),
            digest: self.digest(),
            size: self.bytes.len() as u64,
            platform: None,
            annotations: BTreeMap::new(),
        }
    }
}

/// A reference to a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type.
    pub media_type: String,
    /// Digest.
    pub digest: String,
    /// Length in bytes.
    pub size: u64,
    /// What an image runs on; in an index only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Notes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// An image or an index with everything that it refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The manifest or index.
    pub root: Blob,
    /// The manifests of an index.
    pub manifests: Vec<Blob>,
    /// Configurations and layers.
    pub blobs: Vec<Blob>,
}

impl Content {
    /// Everything, what is referred to before what refers to it.
    pub fn in_order(&self) -> impl Iterator<Item = &Blob> {
        self.blobs.iter().chain(&self.manifests).chain([&self.root])
    }
}
