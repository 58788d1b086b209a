//! From manifest and configuration to what must be unpacked, with every cross-check.

use std::sync::Arc;

use super::config::{self, ConfigDocument};
use super::digest::Digest;
use super::id::ChainId;
use super::manifest::{Descriptor, Manifest, ManifestError};
use super::platform::Platform;
use super::store::StoreError;
use super::unpack::{Expected, UnpackError};

/// What is wrong with an image, or with the place it is put.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ContentError {
    /// Its manifest or index.
    #[error(transparent)]
    Manifest(Arc<ManifestError>),
    /// Its configuration.
    #[error("the image's configuration cannot be read")]
    Config(#[source] Arc<serde_json::Error>),
    /// It does not run here.
    #[error("the image does not run on {wanted}: it is for {offered}")]
    UnsupportedPlatform {
        /// This machine's platform.
        wanted: Platform,
        /// What there is instead.
        offered: String,
    },
    /// Manifest and configuration disagree.
    #[error("the manifest has {layers} layers, the configuration {diff_ids}")]
    LayerCount {
        /// Layers of the manifest.
        layers: usize,
        /// Diff ids of the configuration.
        diff_ids: usize,
    },
    /// A layer is not the one that was named, or cannot be unpacked.
    #[error("layer {digest}")]
    Layer {
        /// Which one.
        digest: Digest,
        /// Why.
        #[source]
        source: Arc<UnpackError>,
    },
    /// There is no room left.
    #[error("the disk with the images is full")]
    DiskFull,
    /// It cannot be stored.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for ContentError {
    fn from(error: StoreError) -> Self {
        if error.is_disk_full() {
            Self::DiskFull
        } else {
            Self::Store(error)
        }
    }
}

impl From<ManifestError> for ContentError {
    fn from(error: ManifestError) -> Self {
        Self::Manifest(Arc::new(error))
    }
}

impl ContentError {
    pub(super) fn layer(digest: &Digest, error: UnpackError) -> Self {
        if error.is_disk_full() {
            Self::DiskFull
        } else {
            Self::Layer {
                digest: digest.clone(),
                source: Arc::new(error),
            }
        }
    }

    pub(super) fn platform(wanted: &Platform, offered: &[Descriptor]) -> Self {
        let mut platforms: Vec<String> = offered
            .iter()
            .map(|entry| entry.platform.to_string())
            .collect();
        platforms.sort();
        platforms.dedup();
        Self::UnsupportedPlatform {
            wanted: wanted.clone(),
            offered: platforms.join(", "),
        }
    }
}

/// Reads a configuration that belongs to `manifest`, and refuses what does not run here.
pub(super) fn read_config(
    document: &[u8],
    layers: usize,
    host: &Platform,
) -> Result<ConfigDocument, ContentError> {
    let document = config::parse(document).map_err(|e| ContentError::Config(Arc::new(e)))?;
    if host.rank(&document.platform).is_none() {
        let offered = document.platform.to_string();
        return Err(ContentError::UnsupportedPlatform {
            wanted: host.clone(),
            offered,
        });
    }
    if document.diff_ids.len() != layers {
        let diff_ids = document.diff_ids.len();
        return Err(ContentError::LayerCount { layers, diff_ids });
    }
    Ok(document)
}

/// What each layer of an image must turn out to be, bottom first.
pub(super) fn expected_layers(manifest: &Manifest, config: &ConfigDocument) -> Vec<Expected> {
    let layers = manifest.layers.iter().zip(&config.diff_ids);
    let expected = layers.map(|(layer, diff_id)| Expected {
        blob: Some((layer.digest.clone(), layer.size)),
        diff_id: diff_id.clone(),
    });
    expected.collect()
}

/// Chain ids of an image's layers, bottom first.
pub(super) fn chain_of(config: &ConfigDocument) -> Vec<ChainId> {
    ChainId::of_stack(&config.diff_ids)
}
