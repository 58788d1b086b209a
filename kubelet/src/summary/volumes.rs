//! How full the volumes of pods are: measured when somebody asks, and not again for a while.

use std::future::ready;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;
use tokio::time::Instant;

use crate::csi::Mounter;
use crate::evict::space;
use crate::layout::Layout;
use crate::model::{
    Object, ObjectKey, ObjectKind, PersistentSource, PersistentVolume, PodUid, VolumeMode,
};
use crate::store::Objects;

/// How many volumes are measured at once.
const AT_ONCE: usize = 8;

/// The size of a volume, what is used of it, and what is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) capacity: u64,
    pub(crate) used: u64,
    pub(crate) available: u64,
    pub(crate) inodes: u64,
    pub(crate) inodes_used: u64,
    pub(crate) inodes_free: u64,
}

/// A volume of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VolumeUse {
    pub(super) uid: PodUid,
    /// The pod's name for it.
    pub(super) name: String,
    /// The claim's namespace and name, if it is one.
    pub(super) claim: Option<(String, String)>,
    pub(super) room: Room,
    pub(super) at: Timestamp,
}

/// Says which pods there are.
pub(crate) type Roll = Arc<dyn Fn() -> Vec<Arc<core::Pod>> + Send + Sync>;

/// Measures volumes.
pub(crate) struct VolumeGauge {
    /// Where volumes are.
    pub(crate) layout: Layout,
    /// Has the claims of pods.
    pub(crate) objects: Arc<dyn Objects>,
    /// Has the volumes of drivers.
    pub(crate) csi: Mounter,
    /// Says which pods there are.
    pub(crate) roll: Roll,
    /// How long a measure is good (`volumeStatsAggPeriod`).
    pub(crate) period: Duration,
    /// What was measured last, and when.
    pub(crate) last: Mutex<Option<Measured>>,
}

/// What was measured, and when.
#[derive(Clone)]
pub(crate) struct Measured {
    at: Instant,
    uses: Arc<Vec<VolumeUse>>,
}

impl VolumeGauge {
    /// How full volumes are, as of a while ago at most.
    pub(super) async fn uses(&self) -> Arc<Vec<VolumeUse>> {
        let known = self.last().clone();
        if let Some(known) = known.filter(|known| known.at.elapsed() < self.period) {
            return known.uses;
        }
        let at = Instant::now();
        let uses = Arc::new(self.measure().await);
        *self.last() = Some(Measured {
            at,
            uses: Arc::clone(&uses),
        });
        uses
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<Measured>> {
        self.last.lock().expect("no holder of this lock can panic")
    }

    async fn measure(&self) -> Vec<VolumeUse> {
        let pods = (self.roll)();
        let mut measures: Vec<BoxFuture<'_, Option<VolumeUse>>> = Vec::new();
        for pod in &pods {
            let spec = pod.spec.iter();
            for volume in spec.flat_map(|spec| spec.volumes.iter().flatten()) {
                measures.push(self.measure_one(pod, volume).boxed());
            }
        }
        let measured = stream::iter(measures).buffered(AT_ONCE);
        measured.filter_map(ready).collect().await
    }

    async fn measure_one(&self, pod: &core::Pod, volume: &core::Volume) -> Option<VolumeUse> {
        let uid = PodUid::from(pod.metadata.uid.clone().unwrap_or_default());
        let claim = claim_of(pod, volume);
        let room = match &claim {
            Some((namespace, name)) => self.of_claim(&uid, namespace, name).await,
            None => self.of_pod(&uid, volume).await,
        };
        Some(VolumeUse {
            uid,
            name: volume.name.clone(),
            claim,
            room: room?,
            at: Timestamp::now(),
        })
    }

    /// A path of the host is as large as the host, and belongs to nobody.
    async fn of_claim(&self, uid: &PodUid, namespace: &str, name: &str) -> Option<Room> {
        let key = ObjectKey::new(ObjectKind::PersistentVolumeClaim, namespace, name);
        let Ok(Object::PersistentVolumeClaim(claim)) = self.objects.get(uid, &key).await else {
            return None;
        };
        let volume = claim.volume.as_deref().filter(|_| claim.is_bound)?;
        let key = ObjectKey::new(ObjectKind::PersistentVolume, "", volume);
        let Ok(Object::PersistentVolume(volume)) = self.objects.get(uid, &key).await else {
            return None;
        };
        let PersistentVolume {
            name, mode, source, ..
        } = volume.as_ref();
        match (source, mode) {
            (PersistentSource::Local { path }, VolumeMode::Filesystem) => {
                filesystem(Path::new(path))
            }
            (PersistentSource::Csi(_), mode) => self.csi.room(uid, name, *mode).await,
            (PersistentSource::Local { .. }, VolumeMode::Block)
            | (
                PersistentSource::HostPath { .. }
                | PersistentSource::NotTranslated { .. }
                | PersistentSource::NotHandled { .. },
                _,
            ) => None,
        }
    }

    /// A volume that lives as long as the pod.
    async fn of_pod(&self, uid: &PodUid, volume: &core::Volume) -> Option<Room> {
        let kind = if volume.csi.is_some() {
            return self
                .csi
                .room(uid, &volume.name, VolumeMode::Filesystem)
                .await;
        } else if volume.empty_dir.is_some() {
            "kubernetes.io~empty-dir"
        } else if volume.config_map.is_some() {
            "kubernetes.io~configmap"
        } else if volume.secret.is_some() {
            "kubernetes.io~secret"
        } else if volume.downward_api.is_some() {
            "kubernetes.io~downward-api"
        } else if volume.projected.is_some() {
            "kubernetes.io~projected"
        } else {
            return None;
        };
        let path = self.layout.volumes(uid).join(kind).join(&volume.name);
        let measured = tokio::task::spawn_blocking(move || {
            let used = space(&path);
            let room = filesystem(&path)?;
            Some(Room {
                used: used.bytes,
                inodes_used: used.inodes,
                ..room
            })
        });
        measured.await.ok().flatten()
    }
}

/// The claim that a volume is, by its own name or by the one that it was made with for the pod.
fn claim_of(pod: &core::Pod, volume: &core::Volume) -> Option<(String, String)> {
    let namespace = pod.metadata.namespace.clone().unwrap_or_default();
    let own = volume.ephemeral.as_ref().map(|_| {
        let pod = pod.metadata.name.as_deref().unwrap_or_default();
        format!("{pod}-{}", volume.name)
    });
    let claim = volume.persistent_volume_claim.as_ref();
    let name = claim.map(|claim| claim.claim_name.clone()).or(own)?;
    Some((namespace, name))
}

fn filesystem(path: &Path) -> Option<Room> {
    let sizes = rustix::fs::statvfs(path).ok()?;
    let block = sizes.f_frsize;
    Some(Room {
        capacity: sizes.f_blocks * block,
        used: sizes.f_blocks.saturating_sub(sizes.f_bfree) * block,
        available: sizes.f_bavail * block,
        inodes: sizes.f_files,
        inodes_used: sizes.f_files.saturating_sub(sizes.f_ffree),
        inodes_free: sizes.f_ffree,
    })
}
