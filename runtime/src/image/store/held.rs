//! What keeps layers from being deleted while somebody counts on them.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Store, StoreError};
use crate::image::id::ChainId;
use crate::image::record::ImageRecord;
use crate::image::unpack::Finished;
use crate::sys::remove::remove_tree;

/// A directory that goes away unless it is made a layer.
#[derive(Debug)]
pub(in crate::image) struct Staged(pub(super) PathBuf);

impl Staged {
    pub(in crate::image) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "unfinished layer stays until the next start");
        }
    }
}

/// Keeps layers from being deleted while an image that needs them is on its way.
#[derive(Debug)]
pub(in crate::image) struct Held {
    pub(super) store: Arc<Store>,
    /// Bottom first.
    pub(super) chain: Vec<ChainId>,
    pub(super) present: Vec<bool>,
}

impl Held {
    /// Whether each layer is in the store, bottom first.
    pub(in crate::image) fn present(&self) -> &[bool] {
        &self.present
    }

    /// Gives the layer of this number its place; those below it have theirs. Blocks.
    pub(in crate::image) fn place(
        &self,
        number: usize,
        staged: Staged,
        finished: &Finished,
    ) -> Result<(), StoreError> {
        let (below, id) = (&self.chain[..number], &self.chain[number]);
        self.store.place(id, below, staged, finished)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.store.state();
        for layer in &self.chain {
            state.held.remove(layer);
        }
    }
}

/// An image that somebody makes a container of. Removed meanwhile, it loses its names at once and
/// keeps its layers; whoever has the lease says that it uses the image before it lets go.
#[derive(Debug)]
pub struct Lease {
    pub(super) store: Arc<Store>,
    pub(super) image: ImageRecord,
}

impl Deref for Lease {
    type Target = ImageRecord;

    fn deref(&self) -> &ImageRecord {
        &self.image
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.store.state().leased.remove(&self.image.id);
    }
}
