//! Which claims the pods of the node use, and how full their volumes are.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;

use super::kubelet::{ClaimUse, Room};
use crate::model::{Object, ObjectKey, ObjectKind, PersistentSource, PodUid};
use crate::store::Objects;

/// Those that are bound to volumes of which the size is known: a path of the host is as large as the
/// host, and belongs to nobody.
pub(super) async fn in_use(objects: &dyn Objects, pods: &[Arc<core::Pod>]) -> Vec<ClaimUse> {
    let mut uses = Vec::new();
    let mut seen = BTreeSet::new();
    for (uid, key) in pods.iter().flat_map(|pod| claims(pod)) {
        if seen.insert(key.clone())
            && let Some(room) = room(objects, &uid, &key).await
        {
            uses.push(ClaimUse {
                namespace: key.namespace,
                name: key.name,
                room,
            });
        }
    }
    uses
}

fn claims(pod: &core::Pod) -> Vec<(PodUid, ObjectKey)> {
    let metadata = &pod.metadata;
    let uid = PodUid::from(metadata.uid.clone().unwrap_or_default());
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    let volumes = pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    let claims = volumes.filter_map(|volume| volume.persistent_volume_claim.as_ref());
    let key = |claim: &core::PersistentVolumeClaimVolumeSource| {
        let kind = ObjectKind::PersistentVolumeClaim;
        (
            uid.clone(),
            ObjectKey::new(kind, namespace, &claim.claim_name),
        )
    };
    claims.map(key).collect()
}

async fn room(objects: &dyn Objects, uid: &PodUid, key: &ObjectKey) -> Option<Room> {
    let Ok(Object::PersistentVolumeClaim(claim)) = objects.get(uid, key).await else {
        return None;
    };
    let volume = claim.volume.as_deref().filter(|_| claim.is_bound)?;
    let key = ObjectKey::new(ObjectKind::PersistentVolume, "", volume);
    let Ok(Object::PersistentVolume(volume)) = objects.get(uid, &key).await else {
        return None;
    };
    match &volume.source {
        PersistentSource::Local { path } => measure(Path::new(path)),
        PersistentSource::HostPath { .. }
        | PersistentSource::Csi(_)
        | PersistentSource::NotHandled { .. } => None,
    }
}

fn measure(path: &Path) -> Option<Room> {
    let sizes = rustix::fs::statvfs(path).ok()?;
    Some(Room {
        capacity: sizes.f_blocks * sizes.f_frsize,
        free: sizes.f_bfree * sizes.f_frsize,
        available: sizes.f_bavail * sizes.f_frsize,
        inodes: sizes.f_files,
        inodes_free: sizes.f_ffree,
    })
}
