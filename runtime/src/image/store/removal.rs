//! Removing images, and deleting what nothing needs any more.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::unclaimed::Unclaimed;
use super::{InUse, State, Store, StoreError, gc};
use crate::failpoint;
use crate::image::id::{ChainId, ImageId};
use crate::image::reference::Query;
use crate::sys::remove::remove_tree;

/// How long layers of a pull that was cut short wait for the next try. A removal of any image does
/// not wait: whoever removes wants room.
const UNCLAIMED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

impl Store {
    /// Removes the image a client means, with all its names, and whatever no image needs any more.
    /// Nothing of that name is no error. Blocks.
    pub(in crate::image) fn remove(
        &self,
        query: &Query,
        in_use: InUse,
    ) -> Result<Option<ImageId>, StoreError> {
        let writing = self.writer();
        let removed = self.take_out(query, in_use)?;
        if removed.is_some() {
            failpoint::reach("images.remove.unrecorded");
            let names = self.state().index.names.clone();
            // Names without a record mean nothing, so a disk too full to write them does no harm.
            if let Err(error) = self.disk.write_names(&names) {
                tracing::warn!(%error, "names of a removed image stay on disk");
            }
            failpoint::reach("images.remove.unnamed");
        }
        let doomed = self.detach_unneeded(in_use, |state| state.held.all())?;
        failpoint::reach("images.remove.detached");
        drop(writing);
        clear(doomed)?;
        Ok(removed)
    }

    /// Takes an image out of the index; its record is deleted, or set aside while it is used.
    fn take_out(&self, query: &Query, in_use: InUse) -> Result<Option<ImageId>, StoreError> {
        let mut state = self.state();
        let Some(id) = state.index.resolve(query).map(|image| image.id.clone()) else {
            return Ok(None);
        };
        let used = state.in_use(in_use);
        if used.contains(&id) {
            self.disk.retire(&id)?;
        } else {
            self.disk.delete_record(&id)?;
        }
        state.index.remove(&id, &used);
        Ok(Some(id))
    }

    /// Deletes what no image needs any more, but not what a pull that was cut short left lately.
    /// Blocks.
    pub(in crate::image) fn collect(&self, in_use: InUse) -> Result<(), StoreError> {
        let now = SystemTime::now();
        let writing = self.writer();
        let doomed = self.detach_unneeded(in_use, |state| {
            let mut kept = state.held.all();
            // What is from the future was made before the clock was set back: it is kept.
            let is_fresh = |unclaimed: &Unclaimed| {
                let age = now.duration_since(unclaimed.since);
                age.is_ok_and(|age| age < UNCLAIMED_FOR) || unclaimed.since > now
            };
            let fresh = state.unclaimed.iter().filter(|(_, u)| is_fresh(u));
            kept.extend(fresh.map(|(id, _)| id.clone()));
            kept
        })?;
        drop(writing);
        clear(doomed)
    }

    /// Deletes the layers that are meant, of those which no image has and no pull counts on. Blocks.
    pub(in crate::image) fn drop_unclaimed(
        &self,
        is_meant: impl Fn(&ChainId) -> bool,
    ) -> Result<(), StoreError> {
        let writing = self.writer();
        let mut state = self.state();
        let held = state.held.all();
        let unclaimed = state.unclaimed.keys();
        let doomed = unclaimed.filter(|id| !held.contains(*id) && is_meant(id));
        let doomed: Vec<ChainId> = doomed.cloned().collect();
        let doomed = self.detach(&mut state, &doomed)?;
        drop(state);
        drop(writing);
        clear(doomed)
    }

    /// Takes what nobody needs out of the store. Under the state's lock, so that no pull can begin
    /// to count on a layer that is going.
    fn detach_unneeded(
        &self,
        in_use: InUse,
        kept: impl FnOnce(&State) -> BTreeSet<ChainId>,
    ) -> Result<Vec<PathBuf>, StoreError> {
        let mut state = self.state();
        let (used, kept) = (state.in_use(in_use), kept(&state));
        let plan = gc::plan(&state.index, state.layers.keys(), &used, &kept);
        for id in &plan.images {
            self.disk.delete_retired(id)?;
            state.index.retired.remove(id);
        }
        self.detach(&mut state, &plan.layers)
    }

    fn detach(&self, state: &mut State, layers: &[ChainId]) -> Result<Vec<PathBuf>, StoreError> {
        let mut doomed = Vec::new();
        for layer in layers {
            doomed.push(self.disk.detach_layer(layer)?);
            state.layers.remove(layer);
            if state.unclaimed.remove(layer).is_some() {
                self.disk.notes().delete(layer)?;
            }
        }
        Ok(doomed)
    }
}

/// Deletes directories that are out of the store already.
pub(super) fn clear(doomed: impl IntoIterator<Item = PathBuf>) -> Result<(), StoreError> {
    let mut result = Ok(());
    for path in doomed {
        let removed = remove_tree(&path).map_err(StoreError::at("remove", &path));
        result = result.and(removed);
    }
    result
}
