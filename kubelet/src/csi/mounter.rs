//! Who is asked for volumes of drivers: the work on each goes into its lane.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tracing::warn;

use super::drivers::Drivers;
use super::grow::{Growth, Troubles};
use super::keep::{MOUNT, UNMOUNT, blocking};
use super::lanes::{Key, Lanes};
use super::place::Name;
use super::plan::Phase;
use super::record;
use super::uses::Uses;
use super::{Claims, Larger, Wanted};
use crate::layout::Layout;
use crate::model::{PodUid, Quantity, VolumeMode};
use crate::summary::Room;
use crate::volume::VolumeError;

/// How long a driver may take to tell how full a volume is: somebody waits for all of them.
const TELL: Duration = Duration::from_secs(2);

/// Has drivers mount volumes and unmount them; a clone does the same.
#[derive(Clone)]
pub struct Mounter(Arc<Parts>);

/// What work on volumes needs.
pub(super) struct Parts {
    pub(super) layout: Layout,
    pub(super) drivers: Drivers,
    pub(super) node: String,
    /// What tells this boot of the machine from others.
    pub(super) boot: String,
    lanes: Lanes,
    pub(super) uses: Uses,
    /// What did not become larger.
    pub(super) troubles: Troubles,
    /// Something was left that upkeep has to do again.
    pub(super) left: Notify,
}

impl Mounter {
    /// Volumes of these drivers on the node with this name.
    pub fn new(layout: Layout, drivers: Drivers, node: &str) -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let attached = record::attached(&layout).unwrap_or_default();
        Self(Arc::new(Parts {
            uses: Uses::of(attached.iter()),
            layout,
            drivers,
            node: node.to_owned(),
            boot: boot.trim().to_owned(),
            lanes: Lanes::default(),
            troubles: Troubles::default(),
            left: Notify::new(),
        }))
    }

    /// The drivers that it asks.
    pub(crate) fn drivers(&self) -> &Drivers {
        &self.0.drivers
    }

    /// Where a pod has a volume already, if it does and nobody has to be asked.
    pub(crate) async fn standing(
        &self,
        uid: &PodUid,
        volume: &str,
        mode: VolumeMode,
    ) -> Option<PathBuf> {
        let spot = self.0.layout.published(uid, volume, mode);
        let boot = self.0.boot.clone();
        blocking(move || {
            let record = record::read(&spot.directory)?;
            let phase = record.map(|record| record.phase_now(&boot));
            Ok((phase == Some(Phase::Done)).then_some(spot.target))
        })
        .await
        .ok()
        .flatten()
    }

    /// The attached volumes that are in use, by what a Node's status calls them.
    pub(crate) fn in_use(&self) -> watch::Receiver<BTreeSet<String>> {
        self.0.uses.watch()
    }

    /// A pod will have a volume, as soon as that is attached: nobody may detach it from now on.
    pub(crate) async fn intend(&self, wanted: &Wanted) -> Result<(), VolumeError> {
        let (parts, key, wanted) = (Arc::clone(&self.0), key(&wanted.name()), wanted.clone());
        let work = async move { parts.intend(&wanted).await };
        self.0.lanes.run(key, work).await
    }

    /// Makes a volume be there for a pod; says where. It goes on when nobody waits for it any more.
    pub(crate) async fn set_up(&self, wanted: Wanted) -> Result<PathBuf, VolumeError> {
        let (parts, key) = (Arc::clone(&self.0), key(&wanted.name()));
        let work = async move {
            let began = Instant::now();
            let mounted = parts.mount(&wanted).await;
            parts.count(&wanted.name(), MOUNT, (began, &mounted));
            mounted
        };
        self.0.lanes.run(key, work).await
    }

    /// How much is known of a pod's volume; nothing as long as it was not looked at.
    pub(crate) async fn size(
        &self,
        uid: &PodUid,
        volume: &str,
        mode: VolumeMode,
    ) -> Option<Quantity> {
        let spot = self.0.layout.published(uid, volume, mode);
        self.0.read(&spot).await.ok()??.size()
    }

    /// How long a driver's volume that did not become larger is left alone.
    pub(crate) fn pause(&self, driver: &str, handle: &str) -> Option<Duration> {
        self.0.pause_of(&(driver.to_owned(), handle.to_owned()))
    }

    /// Makes a volume larger, if it has to be. It goes on when nobody waits for it any more.
    pub(crate) async fn grow(&self, larger: Larger, claims: Arc<dyn Claims>) -> Growth {
        let (parts, key) = (Arc::clone(&self.0), key(&larger.name()));
        let work = async move { parts.grow(&larger, claims.as_ref()).await };
        self.0.lanes.run(key, work).await
    }

    /// How full a pod's volume is, as its driver tells it; nothing when it is not there or cannot tell.
    pub(crate) async fn room(&self, uid: &PodUid, volume: &str, mode: VolumeMode) -> Option<Room> {
        let spot = self.0.layout.published(uid, volume, mode);
        let directory = spot.directory.clone();
        let record = blocking(move || record::read(&directory)).await.ok()??;
        let driver = self.0.drivers.now(&record.driver)?;
        let told = async {
            match driver.capabilities().await.ok()?.measures {
                true => driver.room(&record.handle, &spot.target).await.ok(),
                false => None,
            }
        };
        tokio::time::timeout(TELL, told).await.ok()?
    }

    /// Takes every volume of drivers away from a pod; again does no harm.
    pub(crate) async fn tear_down(&self, uid: &PodUid) -> Result<(), VolumeError> {
        let (layout, of) = (self.0.layout.clone(), uid.clone());
        let path = layout.pod(uid);
        let records = blocking(move || record::of_pod(&layout, &of)).await;
        let records = records.map_err(|source| VolumeError::Remove { path, source })?;
        let taken = records.into_iter().map(|record| {
            let (parts, uid, key) = (Arc::clone(&self.0), uid.clone(), key(&record.name()));
            let work = async move {
                let (began, name) = (Instant::now(), record.name());
                let taken = parts.unmount(&uid, &record.volume, &name).await;
                parts.count(&name, UNMOUNT, (began, &taken));
                taken
            };
            self.0.lanes.run(key, work)
        });
        futures::future::join_all(taken).await.into_iter().collect()
    }

    /// Takes away what is staged and no pod has; whether nothing of the kind is left.
    pub(super) async fn release_all(&self) -> bool {
        let layout = self.0.layout.clone();
        let staged = match blocking(move || record::of_node(&layout)).await {
            Ok(staged) => staged,
            Err(error) => {
                warn!(%error, "it cannot be seen which volumes are staged");
                return false;
            }
        };
        let released = staged.into_iter().map(|record| {
            let (parts, name) = (Arc::clone(&self.0), record.name());
            let work = async move { parts.release(&name).await };
            self.0.lanes.run(key(&record.name()), work)
        });
        let released = futures::future::join_all(released).await;
        for error in released.iter().filter_map(|one| one.as_ref().err()) {
            warn!(%error, "a volume stays staged");
        }
        released.iter().all(Result::is_ok)
    }

    /// Returns when something was left to be released. May be cancelled.
    pub(super) async fn left(&self) {
        self.0.left.notified().await;
    }

    /// Gives up what is done.
    pub(super) async fn end(&self) {
        self.0.lanes.end().await;
    }
}

fn key(name: &Name) -> Key {
    (name.driver.clone(), name.handle.clone())
}
