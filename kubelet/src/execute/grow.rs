//! Volumes of drivers whose claims have grown in the cluster: as they are mounted, and while they are used.

use std::sync::Arc;
use std::time::Duration;

use super::csi::{Claims, of_drivers};
use super::described::Described;
use super::executor::PodExecutor;
use crate::causes::chain;
use crate::csi::{Larger, Moment, Secrets};
use crate::model::{EventKind, Pod, PodOrigin, Quantity, StringMap};
use crate::volume::VolumeError;

/// What is told of a volume that is used and did not become larger.
const FAILED: &str = "VolumeResizeFailed";

impl PodExecutor {
    /// Has a volume that was just mounted become as large as it shall be; a pod does not begin before.
    pub(super) async fn grow_as_mounted(
        &self,
        pod: &Pod,
        described: &Described<'_>,
    ) -> Result<(), VolumeError> {
        if self.size(pod, described).await.is_some() {
            return Ok(());
        }
        self.grow(pod, described, Moment::Mount).await
    }

    /// Has the volumes that a pod uses become as large as they shall be; when that is to be tried again.
    pub(super) async fn grow_all(&self, pod: &Pod, claims: &Claims) -> Option<Duration> {
        let mut again: Option<Duration> = None;
        for (_, described) in of_drivers(pod, claims) {
            let Some(capacity) = described.persistent.map(|volume| volume.capacity) else {
                continue;
            };
            let known = self.size(pod, &described).await;
            if described.read_only || known.is_some_and(|known| capacity <= known) {
                continue;
            }
            let pause = || self.csi.pause(&described.driver, &described.handle);
            if pause().is_none()
                && let Err(error) = self.grow(pod, &described, Moment::Use).await
            {
                let report = self.report(&pod.name, &pod.uid);
                report.warning(FAILED, chain(&error));
            }
            again = [again, pause()].into_iter().flatten().min();
        }
        again
    }

    async fn size(&self, pod: &Pod, described: &Described<'_>) -> Option<Quantity> {
        let (volume, mode) = (described.volume, described.mode);
        self.csi.size(&pod.uid, volume, mode).await
    }

    async fn grow(
        &self,
        pod: &Pod,
        described: &Described<'_>,
        moment: Moment,
    ) -> Result<(), VolumeError> {
        let (Some(claims), PodOrigin::Api) = (&self.claims, &pod.origin) else {
            return Ok(());
        };
        let Some((volume, claim)) = described
            .persistent
            .and_then(|volume| Some((volume, volume.claim.clone()?)))
        else {
            return Ok(());
        };
        let larger = Larger {
            uid: pod.uid.clone(),
            driver: described.driver.clone(),
            handle: described.handle.clone(),
            volume: described.volume.to_owned(),
            mode: described.mode,
            access: described.access,
            read_only: described.read_only,
            migrated: described.migrated,
            fs_type: described.fs_type.clone(),
            mount_options: described.mount_options.clone(),
            claim,
            capacity: volume.capacity,
            secrets: self.expand_secrets(pod, described).await,
            moment,
        };
        let growth = self.csi.grow(larger, Arc::clone(claims)).await;
        if let Some(news) = growth.news {
            let report = self.report(&pod.name, &pod.uid);
            let (kind, reason, words) = news.said(described.volume, &self.node.name);
            match kind {
                EventKind::Normal => report.normal(reason, words),
                EventKind::Warning => report.warning(reason, words),
            }
        }
        growth.done
    }

    async fn expand_secrets(
        &self,
        pod: &Pod,
        described: &Described<'_>,
    ) -> Result<Secrets, String> {
        let Some(secret) = &described.expand_secret else {
            return Ok(Secrets(StringMap::new()));
        };
        let found = self.find_secret(pod, secret).await;
        found.map(Secrets).map_err(|why| {
            format!("expander.NodeExpand failed to get NodeExpandSecretRef {secret}: {why}")
        })
    }
}
