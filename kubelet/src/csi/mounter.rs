//! Carries out what the plan says of drivers' volumes, each step recorded before it is done.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Notify;
use tracing::warn;

use super::drivers::Drivers;
use super::lanes::{Key, Lanes};
use super::place::{Name, Spot, attachment_name};
use super::plan::{Down, Outcome, Phase, Staging, Stands, Up, after, down, is_there, release, up};
use super::record::{self, Record};
use super::wire::{CallError, Capabilities, Driver};
use super::{NAME, Wanted};
use crate::layout::Layout;
use crate::model::{PodUid, VolumeLifecycle, VolumeMode};
use crate::volume::{Access, Ownership, VolumeError};

/// What was attempted, in upstream's words.
const STAGE: &str = "MountVolume.MountDevice";
const PUBLISH: &str = "MountVolume.SetUp";
const UNPUBLISH: &str = "UnmountVolume.TearDown";
const UNSTAGE: &str = "UnmountDevice";

/// Has drivers mount volumes and unmount them; a clone does the same.
#[derive(Clone)]
pub struct Mounter(Arc<Parts>);

struct Parts {
    layout: Layout,
    drivers: Drivers,
    node: String,
    /// What tells this boot of the machine from others.
    boot: String,
    lanes: Lanes,
    /// Something was left that upkeep has to do again.
    left: Notify,
}

impl Mounter {
    /// Volumes of these drivers on the node with this name.
    pub fn new(layout: Layout, drivers: Drivers, node: &str) -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self(Arc::new(Parts {
            layout,
            drivers,
            node: node.to_owned(),
            boot: boot.trim().to_owned(),
            lanes: Lanes::default(),
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

    /// Makes a volume be there for a pod; says where. It goes on when nobody waits for it any more.
    pub(crate) async fn set_up(&self, wanted: Wanted) -> Result<PathBuf, VolumeError> {
        let (parts, key) = (Arc::clone(&self.0), key(&wanted.name()));
        let work = async move { parts.mount(&wanted).await };
        self.0.lanes.run(key, work).await
    }

    /// Takes every volume of drivers away from a pod; again does no harm.
    pub(crate) async fn tear_down(&self, uid: &PodUid) -> Result<(), VolumeError> {
        let (layout, of) = (self.0.layout.clone(), uid.clone());
        let path = layout.pod(uid);
        let records = blocking(move || record::of_pod(&layout, &of)).await;
        let records = records.map_err(|source| VolumeError::Remove { path, source })?;
        let taken = records.into_iter().map(|record| {
            let (parts, uid, key) = (Arc::clone(&self.0), uid.clone(), key(&record.name()));
            let work = async move { parts.unmount(&uid, &record.volume, &record.name()).await };
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

impl Parts {
    async fn mount(&self, wanted: &Wanted) -> Result<PathBuf, VolumeError> {
        let name = wanted.name();
        let failed = |problem: String| error(PUBLISH, &name.volume, problem);
        let spot = self
            .layout
            .published(&wanted.uid, &wanted.volume, wanted.mode);
        let staged_at = self.layout.staged(&name);
        let stands = Stands {
            staged: self.phase(&staged_at).await.map_err(io_failed(&failed))?,
            published: self.phase(&spot).await.map_err(io_failed(&failed))?,
        };
        if is_there(stands, wanted.again) {
            return Ok(spot.target);
        }
        if wanted.is_exclusive && self.is_of_another(&name, &wanted.uid).await {
            return Err(VolumeError::InUse {
                volume: name.volume,
            });
        }
        let (mut driver, can) = self.meet(wanted, stands).await?;
        let mut record = self.record(wanted);
        if stands.published.is_none() {
            self.write(&spot, &record)
                .await
                .map_err(io_failed(&failed))?;
        }
        let staging = match (wanted.lifecycle, can.stages) {
            (VolumeLifecycle::Persistent, true) => Staging::First,
            _ => Staging::Never,
        };
        for step in up(stands, staging, wanted.again) {
            match step {
                Up::Stage => {
                    self.stage((&mut driver, can), wanted, (&staged_at, stands.staged))
                        .await?;
                }
                Up::Publish => {
                    let from = (staging == Staging::First).then_some(staged_at.target.as_path());
                    record.phase = stands.published.unwrap_or(Phase::Wanted);
                    self.publish((&mut driver, can), wanted, (from, &spot), record.clone())
                        .await?;
                }
            }
        }
        Ok(spot.target)
    }

    /// The driver, and what it can.
    async fn meet(
        &self,
        wanted: &Wanted,
        stands: Stands,
    ) -> Result<(Driver, Capabilities), VolumeError> {
        // Upstream stages in another part, which has other words.
        let is_staged = stands.staged == Some(Phase::Done);
        let (operation, words) = match (wanted.lifecycle, is_staged) {
            (VolumeLifecycle::Persistent, false) => (
                STAGE,
                "attacher.MountDevice failed to create newCsiDriverClient",
            ),
            _ => (PUBLISH, "mounter.SetUpAt failed to get CSI client"),
        };
        let driver = self.drivers.find(&wanted.driver).await;
        let mut driver = driver.map_err(|no_driver| {
            error(
                operation,
                &wanted.volume,
                format!("{NAME}: {words}: {no_driver}"),
            )
        })?;
        let can = driver.capabilities().await;
        let can = can.map_err(|failed| error(operation, &wanted.volume, failed.to_string()))?;
        Ok((driver, can))
    }

    async fn stage(
        &self,
        (driver, can): (&mut Driver, Capabilities),
        wanted: &Wanted,
        (spot, before): (&Spot, Option<Phase>),
    ) -> Result<(), VolumeError> {
        let failed = |problem: String| error(STAGE, &wanted.volume, problem);
        let mut record = Record::of(&wanted.name());
        record.phase = Phase::Called;
        self.write(spot, &record)
            .await
            .map_err(io_failed(&failed))?;
        let target = spot.target.clone();
        let made = blocking(move || record::make_directory(&target)).await;
        made.map_err(io_failed(&failed))?;
        let called = driver.stage(wanted, &spot.target, can).await;
        self.note(spot, record, (before, &called))
            .await
            .map_err(io_failed(&failed))?;
        called.map_err(|refused| failed(refused.to_string()))
    }

    async fn publish(
        &self,
        (driver, can): (&mut Driver, Capabilities),
        wanted: &Wanted,
        (from, spot): (Option<&Path>, &Spot),
        mut record: Record,
    ) -> Result<(), VolumeError> {
        let failed = |problem: String| error(PUBLISH, &wanted.volume, problem);
        let before = record.phase;
        // What is there stays there while it is published again.
        if before != Phase::Done {
            record.phase = Phase::Called;
            self.write(spot, &record)
                .await
                .map_err(io_failed(&failed))?;
        }
        if let Some(parent) = spot.target.parent().map(Path::to_owned) {
            let made = blocking(move || record::make_directory(&parent)).await;
            made.map_err(io_failed(&failed))?;
        }
        let called = driver.publish(wanted, (from, &spot.target), can).await;
        if let Err(refused) = &called {
            self.note(spot, record, (Some(before), &called))
                .await
                .map_err(io_failed(&failed))?;
            return Err(failed(refused.to_string()));
        }
        if !can.gives_to_groups {
            self.give(wanted, spot).await?;
        }
        self.link(wanted, spot).await.map_err(io_failed(&failed))?;
        self.note(spot, record, (Some(before), &called))
            .await
            .map_err(io_failed(&failed))
    }

    /// Gives the files to the pod's group.
    async fn give(&self, wanted: &Wanted, spot: &Spot) -> Result<(), VolumeError> {
        let Some(group) = wanted.group.filter(|group| group.is_given) else {
            return Ok(());
        };
        let ownership = Ownership {
            group: group.id,
            access: Access::ReadAndWrite,
        };
        let target = spot.target.clone();
        let given = blocking(move || ownership.apply_by(&target, group.change)).await;
        given.map_err(|why| {
            let handle = &wanted.handle;
            let problem = format!("applyFSGroup failed for vol {handle}: {why}");
            error(PUBLISH, &wanted.volume, problem)
        })
    }

    /// Where upstream looks for a device.
    async fn link(&self, wanted: &Wanted, spot: &Spot) -> io::Result<()> {
        if wanted.mode == VolumeMode::Filesystem {
            return Ok(());
        }
        let link = self.layout.device_link(&wanted.uid, &wanted.volume);
        let target = spot.target.clone();
        blocking(move || {
            if let Some(parent) = link.parent() {
                record::make_directory(parent)?;
            }
            match std::os::unix::fs::symlink(target, link) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
                _ => Ok(()),
            }
        })
        .await
    }

    async fn unmount(&self, uid: &PodUid, volume: &str, name: &Name) -> Result<(), VolumeError> {
        let spot = self.layout.published(uid, volume, name.mode);
        let failed = |problem: String| error(UNPUBLISH, volume, problem);
        let phase = self.phase(&spot).await.map_err(io_failed(&failed))?;
        for step in down(phase) {
            match step {
                Down::Undo => {
                    let driver = self.drivers.find(&name.driver).await;
                    let words = "Unmounter.TearDownAt failed";
                    let mut driver = driver.map_err(|no_driver| {
                        failed(format!("{NAME}: {words} to get CSI client: {no_driver}"))
                    })?;
                    let undone = driver.unpublish(&name.handle, &spot.target).await;
                    undone.map_err(|why| failed(format!("{NAME}: {words}: {why}")))?;
                }
                Down::Forget => self.forget(&spot).await.map_err(io_failed(&failed))?,
            }
        }
        if let Err(error) = self.release(name).await {
            warn!(%error, "a volume stays staged for now");
            self.left.notify_one();
        }
        Ok(())
    }

    /// Unstages a volume that no pod has.
    async fn release(&self, name: &Name) -> Result<(), VolumeError> {
        let spot = self.layout.staged(name);
        let failed = |problem: String| error(UNSTAGE, &name.volume, problem);
        let phase = self.phase(&spot).await.map_err(io_failed(&failed))?;
        let (layout, of) = (self.layout.clone(), name.clone());
        let users = blocking(move || record::users(&layout, &of)).await;
        let users = users.map_err(io_failed(&failed))?.len();
        for step in release(phase, users) {
            match step {
                Down::Undo => self.unstage(name, &spot).await?,
                Down::Forget => self.forget(&spot).await.map_err(io_failed(&failed))?,
            }
        }
        Ok(())
    }

    async fn unstage(&self, name: &Name, spot: &Spot) -> Result<(), VolumeError> {
        let failed = |problem: String| {
            let problem = format!("{NAME}: attacher.UnmountDevice failed{problem}");
            error(UNSTAGE, &name.volume, problem)
        };
        let driver = self.drivers.find(&name.driver).await;
        let mut driver = driver
            .map_err(|no_driver| failed(format!(" to create newCsiDriverClient: {no_driver}")))?;
        let can = driver
            .capabilities()
            .await
            .map_err(|why| failed(format!(" to check whether STAGE_UNSTAGE_VOLUME set: {why}")))?;
        if can.stages {
            let undone = driver.unstage(&name.handle, &spot.target).await;
            undone.map_err(|why| failed(format!(": {why}")))?;
        }
        Ok(())
    }

    fn record(&self, wanted: &Wanted) -> Record {
        let is_attached = if wanted.is_attached { "true" } else { "" };
        Record {
            node: self.node.clone(),
            attachment: attachment_name(&wanted.driver, &wanted.handle, &self.node),
            lifecycle: wanted.lifecycle.as_str().to_owned(),
            attached: is_attached.to_owned(),
            ..Record::of(&wanted.name())
        }
    }

    /// What holds for this boot.
    async fn phase(&self, spot: &Spot) -> io::Result<Option<Phase>> {
        let (directory, boot) = (spot.directory.clone(), self.boot.clone());
        let record = blocking(move || record::read(&directory)).await?;
        Ok(record.map(|record| record.phase_now(&boot)))
    }

    async fn write(&self, spot: &Spot, record: &Record) -> io::Result<()> {
        let (directory, mut record) = (spot.directory.clone(), record.clone());
        record.boot.clone_from(&self.boot);
        blocking(move || record::write(&directory, &record)).await
    }

    /// Records how a call ended.
    async fn note(
        &self,
        spot: &Spot,
        mut record: Record,
        (before, called): (Option<Phase>, &Result<(), CallError>),
    ) -> io::Result<()> {
        let outcome = match called {
            Ok(()) => Outcome::Done,
            Err(error) => error.outcome(),
        };
        match after(before, outcome) {
            Some(phase) => {
                record.phase = phase;
                self.write(spot, &record).await
            }
            None => self.forget(spot).await,
        }
    }

    async fn forget(&self, spot: &Spot) -> io::Result<()> {
        let spot = spot.clone();
        blocking(move || record::forget(&spot)).await
    }

    async fn is_of_another(&self, name: &Name, uid: &PodUid) -> bool {
        let (layout, name) = (self.layout.clone(), name.clone());
        let users = blocking(move || record::users(&layout, &name)).await;
        // Who may have it has it.
        let users: BTreeSet<_> = users.unwrap_or_default().into_iter().collect();
        users.iter().any(|user| user != uid)
    }
}

fn key(name: &Name) -> Key {
    (name.driver.clone(), name.handle.clone())
}

fn error(operation: &'static str, volume: &str, problem: String) -> VolumeError {
    VolumeError::Csi {
        operation,
        volume: volume.to_owned(),
        problem,
    }
}

fn io_failed(failed: &impl Fn(String) -> VolumeError) -> impl Fn(io::Error) -> VolumeError {
    move |error| failed(format!("{NAME}: cannot keep its record: {error}"))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other)?
}
