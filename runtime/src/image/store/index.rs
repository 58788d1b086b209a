//! Which images are here, and by what names.
#![deny(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};

use crate::image::id::{ChainId, ImageId};
use crate::image::record::StoredImage;
use crate::image::reference::Query;
use crate::image::unpack::Footprint;

/// Name to image; names are repo tags and repo digests.
pub(super) type Names = BTreeMap<String, ImageId>;

/// Everything the store knows, as plain data.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Index {
    /// Images that can be used.
    pub(super) images: BTreeMap<ImageId, StoredImage>,
    /// Images removed while a container used them: their layers stay.
    pub(super) retired: BTreeMap<ImageId, StoredImage>,
    /// Names of `images`.
    pub(super) names: Names,
}

impl Index {
    /// The image a client means.
    pub(super) fn resolve(&self, query: &Query) -> Option<&StoredImage> {
        let id = match query {
            Query::Id(digest) => Some(ImageId(digest.clone())),
            Query::ShortId(digits) => self.by_short_id(digits),
            Query::Name {
                reference,
                short_id,
            } => {
                let name = match reference.digest() {
                    Some(digest) => reference.repo_digest(digest),
                    None => reference.repo_tag()?,
                };
                let named = self.names.get(&name).cloned();
                named.or_else(|| self.by_short_id(short_id.as_deref()?))
            }
        };
        self.images.get(&id?)
    }

    /// The only image whose id begins so.
    fn by_short_id(&self, digits: &str) -> Option<ImageId> {
        let mut fitting = self
            .images
            .keys()
            .filter(|id| id.0.hex().starts_with(digits));
        match (fitting.next(), fitting.next()) {
            (Some(id), None) => Some(id.clone()),
            _ => None,
        }
    }

    /// Tags and digests of an image.
    pub(super) fn names_of(&self, id: &ImageId) -> (Vec<String>, Vec<String>) {
        let names = self.names.iter().filter(|(_, named)| *named == id);
        names
            .map(|(name, _)| name.clone())
            .partition(|name| !name.contains('@'))
    }

    /// Adds an image, or names to it; a tag that another image had moves.
    pub(super) fn add(&mut self, image: StoredImage, names: &[String]) {
        self.retired.remove(&image.id);
        for name in names {
            self.names.insert(name.clone(), image.id.clone());
        }
        self.images.insert(image.id.clone(), image);
    }

    /// Takes an image and all its names away; it goes on as retired while a container uses it.
    pub(super) fn remove(&mut self, id: &ImageId, in_use: &BTreeSet<ImageId>) {
        self.names.retain(|_, named| named != id);
        if let Some(image) = self.images.remove(id)
            && in_use.contains(id)
        {
            self.retired.insert(id.clone(), image);
        }
    }

    /// Every layer that an image needs, with what it takes on the disk.
    pub(super) fn layers(&self) -> BTreeMap<ChainId, Footprint> {
        let images = self.images.values().chain(self.retired.values());
        let layers = images.flat_map(|image| &image.layers);
        layers
            .map(|layer| (layer.chain_id.clone(), layer.footprint))
            .collect()
    }
}
