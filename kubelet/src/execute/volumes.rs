//! Makes a pod's volumes: what they are made from is looked up, put together, and written.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tokio_util::task::AbortOnDropHandle;

use super::environment::Facts;
use super::executor::PodExecutor;
use super::payload::payload;
use super::report::Reporter;
use super::sandbox::{chain, fail};
use crate::model::{Pod, PodFailure, VolumeSource};
use crate::resource::pod_limits;
use crate::volume::{Mounted, SetUp, VolumeError};

const FAILED_MOUNT: &str = "FailedMount";

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
        // A worker that gives up also gives up what has not begun yet.
        let making = tokio::task::spawn_blocking(move || volumes.set_up(&wanted));
        let ready = AbortOnDropHandle::new(making)
            .await
            .map_err(|panicked| fail(report, FAILED_MOUNT, panicked.to_string()))?
            .map_err(|error| fail(report, FAILED_MOUNT, chain(&error)))?;
        tell(report, &ready.stale);
        Ok(ready.volumes)
    }

    /// Writes what has changed of the files that the pod's containers see.
    pub(super) async fn refresh_volumes(&self, pod: &Pod) {
        let is_files = |source: &VolumeSource| matches!(source, VolumeSource::Files(_));
        if !pod.spec.volumes.iter().any(|one| is_files(&one.source)) {
            return;
        }
        let report = self.report(&pod.name, &pod.uid);
        let volumes = self.volumes.clone();
        let wanted = self.volumes_of(pod).await;
        let writing = tokio::task::spawn_blocking(move || volumes.refresh(&wanted));
        match AbortOnDropHandle::new(writing).await {
            Ok(Ok(failed)) => tell(&report, &failed),
            Ok(Err(error)) => tell(&report, &[error]),
            Err(panicked) => report.warning(FAILED_MOUNT, panicked.to_string()),
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
            | VolumeSource::Image { .. }
            | VolumeSource::NotHandled { .. } => None,
        });
        let node = self.node.allocatable.memory_bytes;
        let limit = pod_limits(&pod.spec).memory.filter(|limit| *limit > 0);
        SetUp {
            uid: pod.uid.clone(),
            spec: pod.spec.clone(),
            payloads: payloads.collect(),
            memory: limit.map_or(node, |limit| limit.min(node)),
        }
    }
}

fn tell(report: &Reporter<'_>, failed: &[VolumeError]) {
    for error in failed {
        report.warning(FAILED_MOUNT, chain(error));
    }
}
