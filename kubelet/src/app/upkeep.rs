//! What keeps the node in order beside its pods: logs, images, and what is left of memory and disks.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::start::{cgroup_driver, meet};
use super::{AppError, Kubelet};
use crate::admit::GroupPolicies;
use crate::collect::{
    ContainerCollector, DeadContainers, DeadParts, ImageCollector, Images, Remembers,
};
use crate::evict::{self, Evictor};
use crate::host;
use crate::model::CgroupDriver;
use crate::oom::OomWatcher;
use crate::pinning::Keeper;
use crate::resource::{PodCgroups, PodRules, Upkeep, UpkeepParts};
use crate::rotate::Rotator;
use crate::sync::{Input, SystemClock};

impl Kubelet {
    /// The runtime's name, and who makes the upper cgroups.
    pub(super) async fn meet(
        &self,
        shutdown: &CancellationToken,
    ) -> Option<(String, CgroupDriver)> {
        let runtime = self.runtime.as_ref();
        let name = meet(runtime, shutdown).await?;
        let driver = cgroup_driver(runtime, self.settings.cgroup_driver, shutdown).await?;
        self.learn_groups().await;
        Some((name, driver))
    }

    /// Which policies of supplemental groups the runtime has. When it does not say, pods wait for it later.
    async fn learn_groups(&self) {
        let features = self.runtime.features().await;
        if features.is_ok_and(|features| !features.supplemental_groups_policy) {
            self.node
                .send_modify(|node| Arc::make_mut(node).groups = GroupPolicies::MergeAlone);
        }
    }

    /// Limits what is above the pods before there are any.
    pub(super) async fn keep_cgroups(
        &self,
        parts: &mut JoinSet<&'static str>,
        stop: &CancellationToken,
    ) -> Result<(), AppError> {
        let needed = self.upkeep_of_cgroups();
        let begun = tokio::task::spawn_blocking(move || Upkeep::begin(needed)).await;
        let upkeep = begun.map_err(|_| AppError::PartEnded("upkeep of cgroups"))?;
        let stop = stop.clone();
        parts.spawn(async move {
            upkeep.keep(stop).await;
            "upkeep of cgroups"
        });
        Ok(())
    }

    /// Starts all of it.
    pub(super) fn start_upkeep(
        &self,
        parts: &mut JoinSet<&'static str>,
        inbox: &mpsc::Sender<Input>,
        stop: &CancellationToken,
    ) {
        let (images, to_collector) = ImageCollector::new(
            Arc::clone(&self.runtime),
            Arc::clone(&self.events) as _,
            Arc::new(SystemClock),
            (&self.settings.node_name, self.settings.image_collection),
            self.metrics.upkeep().clone(),
        );
        let to_images = stop.clone();
        parts.spawn(async move {
            images.run(to_images).await;
            "image collector"
        });
        let (dead, to_dead) = ContainerCollector::new(DeadParts {
            runtime: Arc::clone(&self.runtime),
            events: Arc::clone(&self.events) as _,
            clock: Arc::new(SystemClock),
            layout: self.layout.clone(),
            node_name: self.settings.node_name.clone(),
            limit: self.settings.dead_limit,
            tenants: self.tenants.subscribe(),
            remembers: self.remembers(),
        });
        let until = stop.clone();
        parts.spawn(async move {
            dead.run(until).await;
            "collector of dead containers"
        });
        let evictor = self.evictor((to_dead, to_collector), inbox.clone());
        let to_evictor = stop.clone();
        parts.spawn(async move {
            evictor.run(to_evictor).await;
            "evictor"
        });
        self.start_shutdown(parts, inbox, stop);
        let oom = OomWatcher::new(Arc::clone(&self.events) as _, &self.settings.node_name);
        let to_oom = stop.clone();
        parts.spawn(async move {
            oom.run(to_oom).await;
            "OOM watcher"
        });
        if self.pinning.has_exclusive() {
            let (desk, runtime) = (Arc::clone(&self.pinning), Arc::clone(&self.runtime));
            let (tenants, period) = (self.tenants.subscribe(), self.settings.pinning.period);
            let (keeper, stop) = (Keeper::new(desk, runtime, tenants, period), stop.clone());
            parts.spawn(async move {
                keeper.run(stop).await;
                "keeper of CPUs"
            });
        }
        if let Some(policy) = self.settings.log_rotation {
            let rotator = Rotator::new(Arc::clone(&self.runtime), Arc::new(SystemClock), policy);
            let stop = stop.clone();
            parts.spawn(async move {
                rotator.run(stop).await;
                "log rotator"
            });
        }
    }

    /// Whether the API server, if there is one, knows that a pod has ended.
    fn remembers(&self) -> Remembers {
        let pods = self
            .cluster
            .as_ref()
            .map(|cluster| Arc::clone(&cluster.pods));
        Arc::new(move |uid| {
            let pod = pods.as_ref().and_then(|pods| pods.with_uid(uid));
            let status = pod.as_ref().and_then(|pod| pod.status.as_ref());
            let phase = status.and_then(|status| status.phase.as_deref());
            matches!(phase, Some("Succeeded" | "Failed"))
        })
    }

    /// What the upkeep of cgroups needs.
    pub(super) fn upkeep_of_cgroups(&self) -> UpkeepParts {
        UpkeepParts {
            cgroups: self.cgroups(),
            settings: self.settings.groups.clone(),
            capacity: host::capacity(),
            tenants: self.tenants.subscribe(),
            node: self.node.subscribe(),
            events: Arc::clone(&self.events) as _,
        }
    }

    /// Who makes the pods' cgroups.
    pub(super) fn cgroups(&self) -> PodCgroups {
        let settings = &self.settings;
        PodCgroups::new(settings.cgroup_driver, &settings.cgroup_root).with(PodRules {
            tree: settings.cgroup_tree,
            pids: settings.groups.pod_pids,
            bandwidth: settings.pods.shape.bandwidth,
            page_sizes: settings.pods.shape.machine.page_sizes.clone(),
        })
    }

    fn evictor(
        &self,
        (dead, images): (DeadContainers, Images),
        inbox: mpsc::Sender<Input>,
    ) -> Evictor {
        let (settings, pods) = (&self.settings, Arc::clone(&self.pods));
        let memory = host::memory_capacity();
        Evictor::new(evict::Parts {
            runtime: Arc::clone(&self.runtime),
            events: Arc::clone(&self.events) as _,
            clock: Arc::new(SystemClock),
            dead,
            images,
            roll: Arc::new(move || pods.all()),
            inbox,
            standing: self.standing.clone(),
            node: self.node.clone(),
            layout: self.layout.clone(),
            root: settings.root.clone(),
            node_name: settings.node_name.clone(),
            pods_memory: memory.saturating_sub(settings.eviction.reserved_memory),
            policy: settings.eviction.clone(),
            metrics: self.metrics.upkeep().clone(),
        })
    }
}
