//! Makes volumes of drivers be where they are wanted, each step recorded before it is done.

use std::io;
use std::path::{Path, PathBuf};

use super::keep::{blocking, error, io_failed, is_attached};
use super::mounter::Parts;
use super::place::{Name, Spot};
use super::plan::{Phase, Staging, Stands, Up, is_there, up};
use super::record::{self, Record};
use super::wire::{Capabilities, Driver};
use super::{NAME, Wanted};
use crate::model::{PodUid, VolumeLifecycle, VolumeMode};
use crate::volume::{Access, Ownership, VolumeError};

/// What was attempted, in upstream's words.
const STAGE: &str = "MountVolume.MountDevice";
const PUBLISH: &str = "MountVolume.SetUp";

impl Parts {
    pub(super) async fn intend(&self, wanted: &Wanted) -> Result<(), VolumeError> {
        let failed = |problem: String| error(PUBLISH, &wanted.volume, problem);
        let spot = self
            .layout
            .published(&wanted.uid, &wanted.volume, wanted.mode);
        if self
            .phase(&spot)
            .await
            .map_err(io_failed(&failed))?
            .is_none()
        {
            let record = self.record(wanted);
            self.write(&spot, &record)
                .await
                .map_err(io_failed(&failed))?;
        }
        self.uses.begin(&wanted.name());
        Ok(())
    }

    pub(super) async fn mount(&self, wanted: &Wanted) -> Result<PathBuf, VolumeError> {
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
        let (driver, can) = self.meet(wanted, stands).await?;
        let mut record = self.record(wanted);
        if stands.published == Some(Phase::Done) {
            let before = self.read(&spot).await.map_err(io_failed(&failed))?;
            record.size = before.unwrap_or_default().size;
        }
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
                    self.stage((&driver, can), wanted, (&staged_at, stands.staged))
                        .await?;
                }
                Up::Publish => {
                    let from = (staging == Staging::First).then_some(staged_at.target.as_path());
                    record.phase = stands.published.unwrap_or(Phase::Wanted);
                    self.publish((&driver, can), wanted, (from, &spot), record.clone())
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
        let driver = driver.map_err(|no_driver| {
            error(
                operation,
                &wanted.volume,
                format!("{NAME}: {words}: {no_driver}"),
            )
        })?;
        let driver = driver.asked_for(wanted.migrated);
        let can = driver.capabilities().await;
        let can = can.map_err(|failed| error(operation, &wanted.volume, failed.to_string()))?;
        Ok((driver, can))
    }

    async fn stage(
        &self,
        (driver, can): (&Driver, Capabilities),
        wanted: &Wanted,
        (spot, before): (&Spot, Option<Phase>),
    ) -> Result<(), VolumeError> {
        let failed = |problem: String| error(STAGE, &wanted.volume, problem);
        let mut record = Record {
            attached: is_attached(wanted),
            ..Record::of(&wanted.name())
        };
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
        (driver, can): (&Driver, Capabilities),
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

    async fn is_of_another(&self, name: &Name, uid: &PodUid) -> bool {
        let (layout, name) = (self.layout.clone(), name.clone());
        let users = blocking(move || record::users(&layout, &name)).await;
        let mut users = users.unwrap_or_default().into_iter();
        // Who may have it has it; who only wants it does not.
        users.any(|(user, phase)| user != *uid && phase != Phase::Wanted)
    }
}
