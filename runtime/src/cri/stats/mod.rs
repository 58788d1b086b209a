//! The statistics calls: who is asked about, one reading, encode.

mod encode;

use std::collections::HashSet;
use std::sync::Arc;

use podling_proto::runtime::v1 as cri;
use tonic::Status;

use super::filter::{wants_container_stats, wants_sandbox_stats};
use crate::lifecycle::{Lifecycle, PodSnapshot, Scope};
use crate::model::{ContainerId, ContainerRecord, ContainerState};
use crate::stats::{ContainerReading, Detail, PodReading, Stats, Storage};

/// Statistics of the pods that there are.
#[derive(Clone, Debug)]
pub(super) struct Statistics {
    pub(super) lifecycle: Lifecycle,
    pub(super) stats: Stats,
}

impl Statistics {
    /// What every pod looks like now. What was kept of others is forgotten.
    pub(super) fn every_pod(&self) -> Vec<Arc<PodSnapshot>> {
        let pods = self.lifecycle.pods();
        self.forget_others(&pods);
        pods
    }

    /// ContainerStats. Of a container that does not run there is only what it has written.
    pub(super) async fn container(&self, id: &str) -> Result<cri::ContainerStats, Status> {
        let (pod, id) = self.lifecycle.container(id)?;
        let pods = [pod];
        let stats = self.containers(&pods, |container| container.id == id).await;
        let [pod] = pods;
        let ended = || encode::container(&pod.containers[&id], None, &self.mountpoint());
        Ok(stats.into_iter().next().unwrap_or_else(ended))
    }

    /// ListContainerStats.
    pub(super) async fn list_containers(
        &self,
        filter: Option<cri::ContainerStatsFilter>,
    ) -> Vec<cri::ContainerStats> {
        let pods = self.every_pod();
        let is_wanted = |one: &ContainerRecord| wants_container_stats(filter.as_ref(), one);
        self.containers(&pods, is_wanted).await
    }

    /// PodSandboxStats.
    pub(super) async fn pod(&self, id: &str) -> Result<cri::PodSandboxStats, Status> {
        let pod = self.lifecycle.sandbox(id)?;
        let not_ready = || {
            let id = &pod.sandbox.id;
            Status::failed_precondition(format!("sandbox {id} is not ready: it uses nothing"))
        };
        let stats = self.pods(std::slice::from_ref(&pod)).await;
        stats.into_iter().next().ok_or_else(not_ready)
    }

    /// ListPodSandboxStats.
    pub(super) async fn list_pods(
        &self,
        filter: Option<cri::PodSandboxStatsFilter>,
    ) -> Vec<cri::PodSandboxStats> {
        let mut pods = self.every_pod();
        pods.retain(|pod| wants_sandbox_stats(filter.as_ref(), &pod.sandbox));
        self.pods(&pods).await
    }

    /// Of the containers of these pods that are wanted; one that ends meanwhile is left out.
    pub(super) async fn containers(
        &self,
        pods: &[Arc<PodSnapshot>],
        is_wanted: impl Fn(&ContainerRecord) -> bool,
    ) -> Vec<cri::ContainerStats> {
        let is_whole = |one: &ContainerRecord| one.state != ContainerState::Reserved;
        let targets = self.lifecycle.targets(pods, Scope::Containers, |one| {
            is_whole(one) && is_wanted(one)
        });
        let read = self.stats.read(targets, Detail::Cgroups).await;
        let mountpoint = self.mountpoint();
        let encoded = pods.iter().zip(&read).flat_map(|(pod, read)| {
            let of = |one: &ContainerReading| {
                encode::container(&pod.containers[&one.id], Some(one), &mountpoint)
            };
            read.containers.iter().map(of).collect::<Vec<_>>()
        });
        encoded.collect()
    }

    /// Of these pods, without those that are not ready.
    pub(super) async fn pods(&self, pods: &[Arc<PodSnapshot>]) -> Vec<cri::PodSandboxStats> {
        let mountpoint = self.mountpoint();
        let (pods, read) = self.read(pods, Detail::Cgroups).await;
        let encode =
            |(pod, read): (&Arc<PodSnapshot>, &PodReading)| encode::pod(pod, read, &mountpoint);
        pods.iter().zip(&read).map(encode).collect()
    }

    /// Reads the pods of these that are ready.
    pub(super) async fn read(
        &self,
        pods: &[Arc<PodSnapshot>],
        detail: Detail,
    ) -> (Vec<Arc<PodSnapshot>>, Vec<PodReading>) {
        let is_ready = |pod: &&Arc<PodSnapshot>| pod.sandbox.is_ready();
        let ready: Vec<_> = pods.iter().filter(is_ready).cloned().collect();
        let runs = |one: &ContainerRecord| one.running_pid().is_some();
        let targets = self.lifecycle.targets(&ready, Scope::Pods, runs);
        let read = self.stats.read(targets, detail).await;
        (ready, read)
    }

    /// Where containers write to.
    pub(super) async fn storage(&self) -> Storage {
        self.stats.storage().await
    }

    /// What ImageFsInfo names the file system of writable layers by.
    fn mountpoint(&self) -> String {
        self.lifecycle.parts().layout.images().display().to_string()
    }

    /// Drops what was kept of containers that are gone.
    fn forget_others(&self, pods: &[Arc<PodSnapshot>]) {
        let containers: HashSet<&ContainerId> =
            pods.iter().flat_map(|pod| pod.containers.keys()).collect();
        let mut cgroups: HashSet<&str> = containers
            .iter()
            .map(|container| container.as_str())
            .collect();
        for pod in pods {
            cgroups.insert(pod.sandbox.id.as_str());
            cgroups.insert(pod.sandbox.config.cgroup_parent.as_str());
        }
        let is_known = |path: &str| {
            let name = path.rsplit('/').next().unwrap_or_default();
            cgroups.contains(path) || cgroups.contains(name)
        };
        self.stats
            .retain(|container| containers.contains(container), is_known);
    }
}
