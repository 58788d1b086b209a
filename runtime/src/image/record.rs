//! What is known about an image that is here.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::config::{ConfigDocument, ImageConfig};
use super::id::{ChainId, ImageId};
use super::unpack::Footprint;

/// An image, as the rest of the runtime sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageRecord {
    /// Its id.
    pub id: ImageId,
    /// Its tags in full, `docker.io/library/nginx:latest`.
    pub repo_tags: Vec<String>,
    /// The digests it was pulled by, `docker.io/library/nginx@sha256:…`.
    pub repo_digests: Vec<String>,
    /// Bytes its unpacked layers take, those shared with other images included.
    pub size: u64,
    /// What it says about its process.
    pub config: ImageConfig,
    /// What its manifest says about it.
    pub annotations: BTreeMap<String, String>,
    /// Directories of its unpacked layers, bottom first.
    pub layers: Vec<PathBuf>,
    /// Whether it is to be kept whatever garbage collection wants.
    pub pinned: bool,
}

/// An image as its record on disk has it; a field may be added with a default but never renamed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredImage {
    /// Format of the record.
    pub(super) version: u32,
    pub(super) id: ImageId,
    pub(super) config: ImageConfig,
    /// Bottom first.
    pub(super) layers: Vec<StoredLayer>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
    /// The configuration as the registry gave it. Only on disk: few ask for it, and it is long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) document: Option<String>,
}

/// What is known of an image before it is in the store.
#[derive(Clone, Debug)]
pub(super) struct NewImage {
    pub(super) id: ImageId,
    pub(super) config: ImageConfig,
    /// The text that `config` was read from.
    pub(super) document: String,
    pub(super) annotations: BTreeMap<String, String>,
}

impl NewImage {
    /// An image with this configuration, which was read from `document`.
    pub(super) fn new(
        id: ImageId,
        config: ConfigDocument,
        document: &[u8],
        annotations: BTreeMap<String, String>,
    ) -> Self {
        Self {
            id,
            config: config.config,
            document: String::from_utf8_lossy(document).into_owned(),
            annotations,
        }
    }
}

/// A layer of an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredLayer {
    pub(super) chain_id: ChainId,
    pub(super) footprint: Footprint,
}

impl StoredImage {
    /// The format that this program writes, and the newest it reads.
    pub(super) const VERSION: u32 = 1;

    pub(super) fn without_document(self) -> Self {
        Self {
            document: None,
            ..self
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.footprint.bytes).sum()
    }
}
