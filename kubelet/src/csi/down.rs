//! Takes volumes of drivers away, from wherever they have come to.

use tokio::time::Instant;
use tracing::warn;

use super::NAME;
use super::keep::{UNMOUNT_DEVICE, blocking, error, io_failed};
use super::mounter::Parts;
use super::place::{Name, Spot};
use super::plan::{Down, down, release};
use super::record;
use crate::model::{PodUid, VolumeMode};
use crate::volume::VolumeError;

/// What was attempted, in upstream's words.
const UNPUBLISH: &str = "UnmountVolume.TearDown";
const UNSTAGE: &str = "UnmountDevice";

impl Parts {
    pub(super) async fn unmount(
        &self,
        uid: &PodUid,
        volume: &str,
        name: &Name,
    ) -> Result<(), VolumeError> {
        let spot = self.layout.published(uid, volume, name.mode);
        let failed = |problem: String| error(UNPUBLISH, volume, problem);
        let phase = self.phase(&spot).await.map_err(io_failed(&failed))?;
        for step in down(phase) {
            match step {
                Down::Undo => {
                    let driver = self.drivers.find(&name.driver).await;
                    let words = "Unmounter.TearDownAt failed";
                    let driver = driver.map_err(|no_driver| {
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
    pub(super) async fn release(&self, name: &Name) -> Result<(), VolumeError> {
        let spot = self.layout.staged(name);
        let failed = |problem: String| error(UNSTAGE, &name.volume, problem);
        let phase = self.phase(&spot).await.map_err(io_failed(&failed))?;
        let (layout, of) = (self.layout.clone(), name.clone());
        let users = blocking(move || record::users(&layout, &of)).await;
        let users = users.map_err(io_failed(&failed))?.len();
        for step in release(phase, users) {
            match step {
                Down::Undo => {
                    let began = Instant::now();
                    let undone = self.unstage(name, &spot).await;
                    self.count(name, UNMOUNT_DEVICE, (began, &undone));
                    undone?;
                }
                Down::Forget => self.forget(&spot).await.map_err(io_failed(&failed))?,
            }
        }
        if users == 0 {
            self.uses.end(name);
            self.troubles
                .over(&(name.driver.clone(), name.handle.clone()));
            if name.mode == VolumeMode::Block {
                let (layout, of) = (self.layout.clone(), name.clone());
                let gone = blocking(move || record::forget_device(&layout, &of)).await;
                gone.map_err(io_failed(&failed))?;
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
        let driver = driver
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
}
