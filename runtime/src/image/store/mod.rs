//! The images on disk: records, names, unpacked layers.
//!
//! A layer gets its place only after its digests are checked, and an image its record only after its
//! layers have their places and are synced; so whatever a crash leaves is either complete or in
//! `tmp/`. What is known is also held in memory: questions never touch the disk.

mod counted;
mod disk;
mod error;
mod gc;
mod held;
mod index;
mod inherit;
mod removal;
mod unclaimed;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

pub use error::StoreError;
pub use held::Lease;
pub(super) use held::{Held, Staged};

use self::counted::Counted;
use self::disk::{Contents, Disk};
use self::index::Index;
use self::unclaimed::Unclaimed;
use super::id::{ChainId, ImageId};
use super::record::{ImageRecord, NewImage, StoredImage, StoredLayer};
use super::reference::Query;
use super::unpack::{Finished, Footprint};
use crate::failpoint;

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
    /// Those of them that no image has yet.
    unclaimed: BTreeMap<ChainId, Unclaimed>,
    /// Layers that pulls count on.
    held: Counted<ChainId>,
    /// Images that containers are being made of.
    leased: Counted<ImageId>,
}

/// Asks which images containers use. Called while the store's state stands still, so that a lease
/// cannot end between the answer and the decision.
pub(super) type InUse<'a> = &'a dyn Fn() -> BTreeSet<ImageId>;

impl State {
    fn in_use(&self, in_use: InUse) -> BTreeSet<ImageId> {
        let mut used = self.leased.all();
        used.extend(in_use());
        used
    }
}

impl Store {
    /// Opens the store and throws away what a crash left. Blocks.
    pub(super) fn open(dir: &Path, boot_id: &str) -> Result<Self, StoreError> {
        let disk = Disk::open(dir, boot_id)?;
        let Contents {
            index,
            unclaimed,
            stray,
        } = disk.load()?;
        for layer in &stray {
            removal::clear([disk.detach_layer(layer)?])?;
        }
        let mut layers = index.layers();
        layers.extend(unclaimed.iter().map(|(id, u)| (id.clone(), u.footprint)));
        Ok(Self {
            disk,
            writer: Mutex::new(()),
            state: Mutex::new(State {
                index,
                layers,
                unclaimed,
                ..State::default()
            }),
        })
    }

    pub(super) fn dir(&self) -> &Path {
        self.disk.dir()
    }

    /// The image a client means.
    pub(super) fn resolve(&self, query: &Query) -> Option<ImageRecord> {
        let state = self.state();
        let image = state.index.resolve(query)?;
        Some(self.record(&state.index, image))
    }

    /// The image a client means, kept as long as the answer lives.
    pub(super) fn lease(self: &Arc<Self>, query: &Query) -> Option<Lease> {
        let mut state = self.state();
        let image = self.record(&state.index, state.index.resolve(query)?);
        state.leased.add(&image.id);
        Some(Lease {
            store: Arc::clone(self),
            image,
        })
    }

    /// All images.
    pub(super) fn list(&self) -> Vec<ImageRecord> {
        let state = self.state();
        let images = state.index.images.values();
        images
            .map(|image| self.record(&state.index, image))
            .collect()
    }

    /// The configuration of an image as its registry gave it. Blocks.
    pub(super) fn document(&self, id: &ImageId) -> Result<Option<String>, StoreError> {
        self.disk.document(id)
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
        chain.iter().for_each(|layer| state.held.add(layer));
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

    /// Gives an unpacked layer its place on top of others, for whichever image comes to need it.
    fn place(
        &self,
        id: &ChainId,
        below: &[ChainId],
        staged: Staged,
        finished: &Finished,
    ) -> Result<(), StoreError> {
        failpoint::reach("images.pull.unpacked");
        let below: Vec<PathBuf> = below.iter().rev().map(|id| self.disk.layer(id)).collect();
        inherit::inherit(&staged.0, &finished.implicit, &below)
            .map_err(StoreError::at("finish", &staged.0))?;
        let _writing = self.writer();
        if self.state().layers.contains_key(id) {
            // Another pull was faster: its layer is the same.
            return Ok(());
        }
        let footprint = finished.footprint;
        self.disk.notes().write(id, footprint)?;
        failpoint::reach("images.pull.noted");
        self.disk.place_layer(&staged.0, id)?;
        let mut state = self.state();
        let since = SystemTime::now();
        state
            .unclaimed
            .insert(id.clone(), Unclaimed { footprint, since });
        state.layers.insert(id.clone(), footprint);
        failpoint::reach("images.pull.placed");
        Ok(())
    }

    /// Adds an image whose layers are in their places, and gives it names. Blocks.
    pub(super) fn add(
        &self,
        image: NewImage,
        held: &Held,
        names: &[String],
    ) -> Result<ImageRecord, StoreError> {
        if self.is_any_unclaimed(&held.chain) {
            self.disk.sync_content()?;
            failpoint::reach("images.pull.synced");
        }
        let _writing = self.writer();
        let stored = self.stored(image, &held.chain);
        self.disk.write_record(&stored)?;
        failpoint::reach("images.pull.recorded");
        let stored = stored.without_document();
        let mut index = self.state().index.clone();
        let is_new = !index.images.contains_key(&stored.id);
        index.add(stored.clone(), names);
        if let Err(error) = self.disk.write_names(&index.names) {
            if is_new {
                self.disk.delete_record(&stored.id)?;
            }
            return Err(error);
        }
        failpoint::reach("images.pull.named");
        let record = self.record(&index, &stored);
        let mut state = self.state();
        state.index = index;
        for id in &held.chain {
            if state.unclaimed.remove(id).is_some() {
                self.disk.notes().delete(id)?;
            }
        }
        Ok(record)
    }

    fn is_any_unclaimed(&self, chain: &[ChainId]) -> bool {
        let state = self.state();
        chain.iter().any(|id| state.unclaimed.contains_key(id))
    }

    fn stored(&self, image: NewImage, chain: &[ChainId]) -> StoredImage {
        let state = self.state();
        let layers = chain.iter().map(|id| StoredLayer {
            chain_id: id.clone(),
            footprint: *state
                .layers
                .get(id)
                .expect("a held layer that has its place is not deleted"),
        });
        StoredImage {
            version: StoredImage::VERSION,
            id: image.id,
            config: image.config,
            layers: layers.collect(),
            annotations: image.annotations,
            document: Some(image.document),
        }
    }

    fn record(&self, index: &Index, image: &StoredImage) -> ImageRecord {
        let (repo_tags, repo_digests) = index.names_of(&image.id);
        let layers = image.layers.iter();
        ImageRecord {
            id: image.id.clone(),
            repo_tags,
            repo_digests,
            size: image.size(),
            config: image.config.clone(),
            annotations: image.annotations.clone(),
            layers: layers
                .map(|layer| self.disk.layer(&layer.chain_id))
                .collect(),
            pinned: false,
        }
    }

    fn writer(&self) -> MutexGuard<'_, ()> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment or one insertion: a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
