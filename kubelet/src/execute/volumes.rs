//! Makes a pod's volumes: what they are made from is looked up, put together, and written.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use super::environment::Facts;
use super::executor::PodExecutor;
use super::payload::{Objects, payload};
use super::report::Reporter;
use super::sandbox::fail;
use crate::causes::chain;
use crate::model::{
    BEYOND_VOLUME_LIMIT, Object, ObjectKey, ObjectKind, PersistentSource, PersistentVolume, Pod,
    PodFailure, VolumeSource,
};
use crate::resource::pod_limits;
use crate::volume::{Mounted, SetUp, VolumeError};

const FAILED_MOUNT: &str = "FailedMount";
const FAILED_ATTACH: &str = "FailedAttachVolume";

impl PodExecutor {
    /// What containers and files may show of the pod and its node.
    pub(super) fn facts<'a>(&'a self, pod: &'a Pod, pod_ips: &'a [IpAddr]) -> Facts<'a> {
        Facts {
            pod,
            pod_ips,
            node_name: &self.node.name,
            host_ips: &self.node.ips,
            allocatable: self.node.allocatable,
        }
    }

    /// Every volume of the pod, made if it must be.
    pub(super) async fn set_up_volumes(
        &self,
        pod: &Pod,
        report: &Reporter<'_>,
    ) -> Result<BTreeMap<String, Mounted>, PodFailure> {
        let volumes = self.volumes.clone();
        let wanted = self.volumes_of(pod).await;
        let claims = wanted.claims.clone();
        // A worker that gives up also gives up what has not begun yet.
        let making = tokio::task::spawn_blocking(move || volumes.set_up(&wanted));
        let ready = AbortOnDropHandle::new(making)
            .await
            .map_err(|panicked| fail(report, FAILED_MOUNT, panicked.to_string()))?
            .map_err(|error| fail(report, FAILED_MOUNT, chain(&error)))?;
        tell(report, &ready.stale);
        let of_drivers = self.set_up_csi(pod, &claims).await;
        let of_drivers = of_drivers.map_err(|error| not_mounted(report, &error))?;
        let mut volumes = ready.volumes;
        volumes.extend(of_drivers);
        Ok(volumes)
    }

    /// Writes what has changed of the files that the pod's containers see, and has volumes become as large
    /// as they shall be; when that shall be done again, if it did not work.
    pub(super) async fn refresh_volumes(&self, pod: &Pod) -> Option<Duration> {
        let can_change = |source: &VolumeSource| match source {
            VolumeSource::Files(_)
            | VolumeSource::Csi(_)
            | VolumeSource::InTree { .. }
            | VolumeSource::Claim { .. } => true,
            VolumeSource::EmptyDir { .. }
            | VolumeSource::HostPath { .. }
            | VolumeSource::Image { .. }
            | VolumeSource::NotHandled { .. } => false,
        };
        if !pod.spec.volumes.iter().any(|one| can_change(&one.source)) {
            return None;
        }
        let report = self.report(&pod.name, &pod.uid);
        let volumes = self.volumes.clone();
        let wanted = self.volumes_of(pod).await;
        let claims = wanted.claims.clone();
        let writing = tokio::task::spawn_blocking(move || volumes.refresh(&wanted));
        match AbortOnDropHandle::new(writing).await {
            Ok(Ok(failed)) => tell(&report, &failed),
            Ok(Err(error)) => tell(&report, &[error]),
            Err(panicked) => report.warning(FAILED_MOUNT, panicked.to_string()),
        }
        tell(&report, &self.republish(pod, &claims).await);
        self.grow_all(pod, &claims).await
    }

    /// The volume that a claim is bound to.
    async fn persistent(
        &self,
        pod: &Pod,
        (claim, is_own): (&str, bool),
        objects: &Objects,
    ) -> Result<Arc<PersistentVolume>, String> {
        let key = ObjectKey::new(
            ObjectKind::PersistentVolumeClaim,
            &pod.name.namespace,
            claim,
        );
        let failed =
            |why: String| format!("error processing PVC {}/{}: {why}", key.namespace, key.name);
        let claim = match objects.get(&key) {
            Some(Ok(Object::PersistentVolumeClaim(claim))) => claim,
            Some(Err(error)) => {
                let why = format!("failed to fetch PVC from API server: {error}");
                return Err(failed(why));
            }
            Some(Ok(_)) | None => return Err(failed("it was not looked up".to_owned())),
        };
        if is_own && claim.owner.as_deref() != Some(pod.uid.as_str()) {
            let (namespace, name) = (&key.namespace, &key.name);
            return Err(format!(
                "PVC {namespace}/{name} was not created for pod {} (pod is not owner)",
                pod.name
            ));
        }
        let Some(volume) = claim.volume.as_deref().filter(|_| claim.is_bound) else {
            return Err(failed("PVC is not bound".to_owned()));
        };
        let key_of_volume = ObjectKey::new(ObjectKind::PersistentVolume, "", volume);
        match self.objects.get(&pod.uid, &key_of_volume).await {
            Ok(Object::PersistentVolume(volume)) => Ok(volume),
            Ok(_) => Err(failed(format!("{key_of_volume} is something else"))),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    async fn volumes_of(&self, pod: &Pod) -> SetUp {
        let objects = self.look_up_objects(pod, pod.volume_references()).await;
        let facts = self.facts(pod, &[]);
        let volumes = pod.spec.volumes.iter();
        let payloads = volumes.filter_map(|volume| match &volume.source {
            VolumeSource::Files(files) => {
                Some((volume.name.clone(), payload(files, facts, &objects)))
            }
            VolumeSource::EmptyDir { .. }
            | VolumeSource::HostPath { .. }
            | VolumeSource::Claim { .. }
            | VolumeSource::Image { .. }
            | VolumeSource::Csi(_)
            | VolumeSource::InTree { .. }
            | VolumeSource::NotHandled { .. } => None,
        });
        let payloads = payloads.collect();
        let mut claims = BTreeMap::new();
        for volume in &pod.spec.volumes {
            let persistent = match &volume.source {
                VolumeSource::Claim { name, is_own, .. } => {
                    self.persistent(pod, (name, *is_own), &objects).await
                }
                VolumeSource::InTree { volume, .. } => Ok(Arc::clone(volume)),
                _ => continue,
            };
            claims.insert(volume.name.clone(), persistent.and_then(translated));
        }
        let node = self.node.allocatable.memory_bytes;
        let limit = pod_limits(&pod.spec).memory.filter(|limit| *limit > 0);
        SetUp {
            uid: pod.uid.clone(),
            spec: pod.spec.clone(),
            payloads,
            claims,
            node_labels: self.labels(),
            memory: limit.map_or(node, |limit| limit.min(node)),
        }
    }
}

/// The volume, unless it is one of a plugin of old that no driver has.
fn translated(volume: Arc<PersistentVolume>) -> Result<Arc<PersistentVolume>, String> {
    match &volume.source {
        PersistentSource::NotTranslated { problem } => {
            Err(format!("failed to translate in-tree pv to CSI: {problem}"))
        }
        _ => Ok(volume),
    }
}

/// Says why a volume of a driver is not there; of a pod that is rejected for it others say so.
fn not_mounted(report: &Reporter<'_>, error: &VolumeError) -> PodFailure {
    let message = chain(error);
    match error {
        VolumeError::BeyondLimit { .. } => PodFailure {
            reason: BEYOND_VOLUME_LIMIT,
            message,
        },
        VolumeError::NotAttachable { .. } => fail(report, FAILED_ATTACH, message),
        _ => fail(report, FAILED_MOUNT, message),
    }
}

fn tell(report: &Reporter<'_>, failed: &[VolumeError]) {
    for error in failed {
        report.warning(FAILED_MOUNT, chain(error));
    }
}
