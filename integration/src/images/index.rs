//! An image index: one name for the images of several platforms.

use serde::Serialize;

use super::content::{Blob, Content, Descriptor, media_type};
use super::image::BuiltImage;

/// An index to be: an image for each platform, in the order given.
#[derive(Clone, Debug, Default)]
pub struct Index {
    images: Vec<BuiltImage>,
}

impl Index {
    /// An index of these images.
    pub fn of(images: impl IntoIterator<Item = BuiltImage>) -> Self {
        Self {
            images: images.into_iter().collect(),
        }
    }

    /// The index with everything that it refers to.
    pub fn build(&self) -> Content {
        let manifests = self.images.iter().map(|image| Descriptor {
            platform: Some(image.platform.clone()),
            ..image.manifest.descriptor()
        });
        let document = Document {
            schema_version: 2,
            media_type: media_type::INDEX,
            manifests: manifests.collect(),
        };
        Content {
            root: Blob::json(media_type::INDEX, &document),
            manifests: self
                .images
                .iter()
                .map(|image| image.manifest.clone())
                .collect(),
            blobs: self
                .images
                .iter()
                .flat_map(|image| image.content().blobs)
                .collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<Descriptor>,
}
