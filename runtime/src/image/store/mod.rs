//! The images on disk: records, names, unpacked layers.
//!
//! A layer gets its place only after its files are synced and its digests checked, and an image its
//! record only after its layers have theirs; so whatever a crash leaves is either complete or in
//! `tmp/`. What is known is also held in memory: questions never touch the disk.

mod disk;
mod error;
mod gc;
mod index;
mod inherit;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use error::StoreError;

use self::disk::Disk;
use self::index::Index;
use super::config::ImageConfig;
use super::id::{ChainId, ImageId};
use super::record::{ImageRecord, StoredImage, StoredLayer};
use super::reference::Query;
use super::unpack::{Finished, Footprint};
use crate::sys::remove::remove_tree;

/// The image store. One process at a time: the runtime's lock on its root sees to that.
#[derive(Debug)]
pub(super) struct Store {
    disk: Disk,
    /// Held while files change, so that they change in one order.
    writer: Mutex<()>,
    /// Held for moments.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    index: Index,
    /// Layers that are in their place.
    layers: BTreeMap<ChainId, Footprint>,
    /// Layers that pulls count on, and how many do.
    held: BTreeMap<ChainId, usize>,
}

/// One layer of an image that is about to be added.
pub(super) enum Part {
    /// It is in the store, and the pull holds it.
    Present(ChainId),
    /// It was unpacked.
    Unpacked(ChainId, Staged, Finished),
}

/// A directory that goes away unless it is made a layer.
#[derive(Debug)]
pub(super) struct Staged(PathBuf);

impl Staged {
    pub(super) fn path(&self) -> &Path {
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
pub(super) struct Held {
    store: Arc<Store>,
    chain: Vec<ChainId>,
    present: Vec<bool>,
}

impl Held {
    /// Chain ids, bottom first, and whether each layer is in the store.
    pub(super) fn layers(&self) -> impl Iterator<Item = (&ChainId, bool)> {
        self.chain.iter().zip(self.present.iter().copied())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.store.state();
        for layer in &self.chain {
            if let Some(count) = state.held.get_mut(layer) {
                *count -= 1;
                if *count == 0 {
                    state.held.remove(layer);
                }
            }
        }
    }
}

impl Store {
    /// Opens the store and throws away what a crash left. Blocks.
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        let disk = Disk::open(dir)?;
        let (index, on_disk) = disk.load()?;
        let layers = index.layers();
        for layer in on_disk.iter().filter(|layer| !layers.contains_key(*layer)) {
            let doomed = disk.detach_layer(layer)?;
            remove_tree(&doomed).map_err(StoreError::at("remove", &doomed))?;
        }
        let state = Mutex::new(State {
            index,
            layers,
            held: BTreeMap::new(),
        });
        Ok(Self {
            disk,
            writer: Mutex::new(()),
            state,
        })
    }

    pub(super) fn dir(&self) -> &Path {
        self.disk.dir()
    }

    /// The image a client means.
    pub(super) fn resolve(&self, query: &Query) -> Option<ImageRecord> {
        let state = self.state();
        state
            .index
            .resolve(query)
            .map(|image| self.record(&state.index, image))
    }

    /// All images.
    pub(super) fn list(&self) -> Vec<ImageRecord> {
        let state = self.state();
        state
            .index
            .images
            .values()
            .map(|image| self.record(&state.index, image))
            .collect()
    }

    /// What all layers take together.
    pub(super) fn footprint(&self) -> Footprint {
        self.state()
            .layers
            .values()
            .fold(Footprint::default(), |sum, layer| Footprint {
                bytes: sum.bytes + layer.bytes,
                inodes: sum.inodes + layer.inodes,
            })
    }

    /// Keeps these layers, bottom first, as long as the answer lives.
    pub(super) fn hold(self: &Arc<Self>, chain: Vec<ChainId>) -> Held {
        let mut state = self.state();
        for layer in &chain {
            *state.held.entry(layer.clone()).or_default() += 1;
        }
        let present = chain
            .iter()
            .map(|layer| state.layers.contains_key(layer))
            .collect();
        drop(state);
        Held {
            store: Arc::clone(self),
            chain,
            present,
        }
    }

    /// An empty directory to unpack a layer into.
    pub(super) fn stage(&self) -> Result<Staged, StoreError> {
        use std::os::unix::fs::PermissionsExt;
        let staged = Staged(self.disk.temporary());
        std::fs::create_dir(&staged.0)
            .and_then(|()| {
                std::fs::set_permissions(&staged.0, std::fs::Permissions::from_mode(0o755))
            })
            .map_err(StoreError::at("create", &staged.0))?;
        Ok(staged)
    }

    /// Adds an image whose layers, bottom first, are there or unpacked, and gives it names. Blocks.
    pub(super) fn add(
        &self,
        id: ImageId,
        config: ImageConfig,
        parts: Vec<Part>,
        names: &[String],
    ) -> Result<ImageRecord, StoreError> {
        self.inherit_attributes(&parts)?;
        if parts.iter().any(|part| matches!(part, Part::Unpacked(..))) {
            self.disk.sync_content()?;
        }
        let writing = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let layers = self.place(parts)?;
        let image = StoredImage {
            version: StoredImage::VERSION,
            id,
            config,
            layers,
        };
        self.disk.write_record(&image)?;
        let mut index = self.state().index.clone();
        index.add(image.clone(), names);
        self.disk.write_names(&index.names)?;
        let record = self.record(&index, &image);
        self.state().index = index;
        drop(writing);
        Ok(record)
    }

    /// Removes the image a client means, with all its names, and whatever no image needs any more.
    /// Nothing of that name is no error. Blocks.
    pub(super) fn remove(
        &self,
        query: &Query,
        in_use: &BTreeSet<ImageId>,
    ) -> Result<Option<ImageId>, StoreError> {
        let writing = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let id = self
            .state()
            .index
            .resolve(query)
            .map(|image| image.id.clone());
        if let Some(id) = &id {
            if in_use.contains(id) {
                self.disk.retire(id)?;
            } else {
                self.disk.delete_record(id)?;
            }
            let names = {
                let mut state = self.state();
                state.index.remove(id, in_use);
                state.index.names.clone()
            };
            // Names without a record mean nothing, so a disk too full to write them does no harm.
            if let Err(error) = self.disk.write_names(&names) {
                tracing::warn!(%error, "names of a removed image stay on disk");
            }
        }
        let doomed = self.detach_unneeded(in_use)?;
        drop(writing);
        for path in doomed {
            remove_tree(&path).map_err(StoreError::at("remove", &path))?;
        }
        Ok(id)
    }

    /// Deletes what no image needs any more. Blocks.
    pub(super) fn collect(&self, in_use: &BTreeSet<ImageId>) -> Result<(), StoreError> {
        let writing = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let doomed = self.detach_unneeded(in_use)?;
        drop(writing);
        for path in doomed {
            remove_tree(&path).map_err(StoreError::at("remove", &path))?;
        }
        Ok(())
    }

    /// Takes what nobody needs out of the store. Under the state's lock, so that no pull can begin
    /// to count on a layer that is going.
    fn detach_unneeded(&self, in_use: &BTreeSet<ImageId>) -> Result<Vec<PathBuf>, StoreError> {
        let mut state = self.state();
        let held = state.held.keys().cloned().collect();
        let plan = gc::plan(&state.index, state.layers.keys(), in_use, &held);
        for id in &plan.images {
            self.disk.delete_retired(id)?;
            state.index.retired.remove(id);
        }
        let mut doomed = Vec::new();
        for layer in &plan.layers {
            doomed.push(self.disk.detach_layer(layer)?);
            state.layers.remove(layer);
        }
        Ok(doomed)
    }

    fn inherit_attributes(&self, parts: &[Part]) -> Result<(), StoreError> {
        let mut below: Vec<PathBuf> = Vec::new();
        for part in parts {
            let path = match part {
                Part::Present(id) => self.disk.layer(id),
                Part::Unpacked(_, staged, finished) => {
                    inherit::inherit(&staged.0, &finished.implicit, &below)
                        .map_err(StoreError::at("finish", &staged.0))?;
                    staged.0.clone()
                }
            };
            below.insert(0, path);
        }
        Ok(())
    }

    fn place(&self, parts: Vec<Part>) -> Result<Vec<StoredLayer>, StoreError> {
        let mut layers = Vec::with_capacity(parts.len());
        for part in parts {
            let (chain_id, footprint) = match part {
                Part::Present(id) => {
                    let footprint = self.state().layers.get(&id).copied();
                    (id, footprint.expect("a held layer is not deleted"))
                }
                Part::Unpacked(id, staged, finished) => {
                    // Another pull may have been faster: its layer is the same.
                    self.disk.place_layer(&staged.0, &id)?;
                    self.state().layers.insert(id.clone(), finished.footprint);
                    (id, finished.footprint)
                }
            };
            layers.push(StoredLayer {
                chain_id,
                footprint,
            });
        }
        self.disk.sync_directory("layers")?;
        Ok(layers)
    }

    fn record(&self, index: &Index, image: &StoredImage) -> ImageRecord {
        let (repo_tags, repo_digests) = index.names_of(&image.id);
        ImageRecord {
            id: image.id.clone(),
            repo_tags,
            repo_digests,
            size: image.size(),
            config: image.config.clone(),
            layers: image
                .layers
                .iter()
                .map(|layer| self.disk.layer(&layer.chain_id))
                .collect(),
            pinned: false,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment or one insertion: a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
