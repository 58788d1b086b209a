//! What the node and its pods use: `/stats/summary`, `/metrics/resource` and `/metrics/cadvisor`.
//!
//! ```text
//! CRI statistics ─┐
//! /proc, statvfs ─┼─► Figures ─► build, machine (pure) ─► shape (JSON), exposition (Prometheus)
//! logs' sizes ────┘
//! ```
//!
//! Nothing is kept but the processor time of the last look, for a rate, and for a while how full volumes are.

mod build;
mod cadvisor;
mod exposition;
mod kubelet;
mod machine;
mod resource;
mod shape;
#[cfg(test)]
mod tests;
mod volumes;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures::future::join_all;
use jiff::Timestamp;

pub(crate) use build::Extent;
use build::{Filesystem, Surroundings};
pub(crate) use exposition::CONTENT_TYPE;
use machine::{Around, Files};
pub(crate) use shape::Summary;
use shape::{ClaimReference, FsStats, VolumeStats};
use volumes::VolumeUse;
pub(crate) use volumes::{Room, VolumeGauge};

use crate::cri::{FilesystemUsage, PodStats, Runtime, RuntimeError, Sandbox, Scope};
use crate::layout::Layout;
use crate::model::{ContainerName, PodName, SandboxState};

/// Counts what is used, when somebody asks.
pub struct Figures {
    runtime: Arc<dyn Runtime>,
    layout: Layout,
    root: PathBuf,
    node_name: String,
    /// Measures volumes.
    volumes: Option<VolumeGauge>,
    last_cpu: Mutex<Option<(Timestamp, u64)>>,
}

impl Figures {
    /// Figures of this node.
    pub fn new(runtime: Arc<dyn Runtime>, layout: Layout, root: &Path, node_name: &str) -> Self {
        let figures = Self {
            runtime,
            layout,
            root: root.to_owned(),
            node_name: node_name.to_owned(),
            volumes: None,
            last_cpu: Mutex::default(),
        };
        // So that the first who asks gets a rate.
        figures.nano_cores(&files().stat, Timestamp::now());
        figures
    }

    /// The same, with volumes.
    #[must_use]
    pub(crate) fn with_volumes(self, volumes: Option<VolumeGauge>) -> Self {
        Self { volumes, ..self }
    }

    async fn volume_uses(&self) -> Arc<Vec<VolumeUse>> {
        match &self.volumes {
            Some(gauge) => gauge.uses().await,
            None => Arc::default(),
        }
    }

    /// What `/metrics` says beside what is counted.
    pub(crate) async fn kubelet_metrics(&self) -> String {
        let summary = self.summary(Extent::Whole).await.ok();
        let uses = self.volume_uses().await;
        kubelet::text(summary.as_ref(), &kubelet::claims(&uses))
    }

    /// Everything, or only processor and memory.
    pub(crate) async fn summary(&self, extent: Extent) -> Result<Summary, RuntimeError> {
        let now = Timestamp::now();
        let stats = self.pod_stats().await?;
        let around = self.surroundings(&stats, extent).await?;
        let mut pods: Vec<_> = stats
            .iter()
            .map(|pod| build::pod(pod, &around, extent, now))
            .collect();
        if extent == Extent::Whole {
            let uses = self.volume_uses().await;
            for pod in &mut pods {
                let of_pod = uses
                    .iter()
                    .filter(|one| one.uid.as_str() == pod.pod_ref.uid);
                pod.volume = of_pod.map(volume).collect();
            }
        }
        let files = files();
        let mut node = Around {
            name: self.node_name.clone(),
            nano_cores: self.nano_cores(&files.stat, now),
            ..Around::default()
        };
        if extent == Extent::Whole {
            let filesystems = self.runtime.image_filesystems().await?;
            let of = |list: &[FilesystemUsage]| {
                let first = list.first()?;
                let size = size_of(Path::new(&first.mount_point));
                Some((size, first.used_bytes, first.inodes_used))
            };
            node.root_fs = size_of(&self.root);
            node.image_fs = of(&filesystems.images);
            node.container_fs = of(&filesystems.containers).or(node.image_fs);
        }
        let mut node = machine::node(&files, &node, now);
        if extent == Extent::OnlyCpuAndMemory {
            (node.io, node.network, node.fs) = (None, None, None);
            (node.runtime, node.rlimit) = (None, None);
        }
        Ok(Summary { node, pods })
    }

    /// What pods use. A runtime may refuse the whole list because of one sandbox that has ended: then
    /// the others are asked for one by one.
    async fn pod_stats(&self) -> Result<Vec<PodStats>, RuntimeError> {
        let error = match self.runtime.pod_stats().await {
            Ok(stats) => return Ok(stats),
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => error,
        };
        let sandboxes = self.runtime.list_sandboxes(Scope::All).await?;
        let is_ready = |one: &Sandbox| one.state == SandboxState::Ready;
        let (ready, ended): (Vec<_>, Vec<_>) = sandboxes.into_iter().partition(is_ready);
        if ended.is_empty() {
            return Err(error);
        }
        let stats = ready
            .into_iter()
            .map(|one| self.runtime.pod_stats_of(one.id));
        // One that has ended meanwhile uses nothing.
        Ok(join_all(stats).await.into_iter().flatten().collect())
    }

    /// `/metrics/resource`
    pub(crate) async fn resource_metrics(&self) -> String {
        resource::text(self.summary(Extent::OnlyCpuAndMemory).await.ok().as_ref())
    }

    /// `/metrics/cadvisor`
    pub(crate) async fn cadvisor_metrics(&self) -> Result<String, RuntimeError> {
        let (descriptors, metrics) = tokio::try_join!(
            self.runtime.metric_descriptors(),
            self.runtime.pod_metrics()
        )?;
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let machine = cadvisor::Machine {
            cpuinfo: read("/proc/cpuinfo"),
            meminfo: read("/proc/meminfo"),
            machine_id: read("/etc/machine-id").trim().to_owned(),
            system_uuid: read("/sys/class/dmi/id/product_uuid").trim().to_owned(),
            boot_id: read("/proc/sys/kernel/random/boot_id").trim().to_owned(),
        };
        Ok(cadvisor::text(&machine, &descriptors, &metrics))
    }

    /// Billionths of a core since the last look.
    fn nano_cores(&self, stat: &str, now: Timestamp) -> Option<u64> {
        let worked = machine::core_nanoseconds(stat)?;
        let mut last = self
            .last_cpu
            .lock()
            .expect("no holder of this lock can panic");
        let rate = last.and_then(|(then, before)| {
            let elapsed = u128::try_from(now.as_nanosecond() - then.as_nanosecond()).ok()?;
            let more = u128::from(worked.checked_sub(before)?);
            u64::try_from((more * 1_000_000_000).checked_div(elapsed)?).ok()
        });
        // Two looks within a tick would tell nothing: the older one stays.
        if rate.is_none_or(|_| last.is_none_or(|(then, _)| now.as_second() > then.as_second())) {
            *last = Some((now, worked));
        }
        rate
    }

    async fn surroundings(
        &self,
        stats: &[PodStats],
        extent: Extent,
    ) -> Result<Surroundings, RuntimeError> {
        let (sandboxes, containers) = tokio::try_join!(
            self.runtime.list_sandboxes(Scope::All),
            self.runtime.list_containers(Scope::All),
        )?;
        let sandboxes = sandboxes.into_iter().map(|one| (one.id, one.created_at));
        let containers = containers.into_iter().map(|one| (one.id, one.created_at));
        let mut around = Surroundings {
            sandboxes: sandboxes.collect(),
            containers: containers.collect(),
            container_fs: size_of(&self.root),
            log_fs: size_of(self.layout.pod_logs()),
            ..Surroundings::default()
        };
        if extent == Extent::Whole {
            for pod in stats {
                let metadata = &pod.metadata;
                let name = PodName::new(&metadata.namespace, &metadata.name);
                for container in &pod.containers {
                    let of = ContainerName::from(container.metadata.name.as_str());
                    let directory =
                        self.layout
                            .container_log(&name, &metadata.uid.as_str().into(), &of);
                    around
                        .logs
                        .insert(container.id.clone(), size_of_files(&directory));
                }
            }
        }
        Ok(around)
    }
}

fn volume(of: &VolumeUse) -> VolumeStats {
    let Room {
        capacity,
        used,
        available,
        inodes,
        inodes_used,
        inodes_free,
    } = of.room;
    VolumeStats {
        fs: FsStats {
            time: of.at,
            available_bytes: Some(available),
            capacity_bytes: Some(capacity),
            used_bytes: Some(used),
            inodes_free: Some(inodes_free),
            inodes: Some(inodes),
            inodes_used: Some(inodes_used),
        },
        name: of.name.clone(),
        pvc_ref: of.claim.as_ref().map(|(namespace, name)| ClaimReference {
            name: name.clone(),
            namespace: namespace.clone(),
        }),
    }
}

/// Bytes and number of the files in a directory.
fn size_of_files(directory: &Path) -> (u64, u64) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries
        .filter_map(|entry| entry.metadata().ok())
        .map(|file| file.len());
    sizes.fold((0, 0), |(bytes, files), size| (bytes + size, files + 1))
}

fn size_of(path: &Path) -> Option<Filesystem> {
    let sizes = rustix::fs::statvfs(path).ok()?;
    Some(Filesystem {
        capacity: sizes.f_blocks * sizes.f_frsize,
        available: sizes.f_bavail * sizes.f_frsize,
        inodes: sizes.f_files,
        inodes_free: sizes.f_ffree,
    })
}

fn files() -> Files {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    Files {
        stat: read("/proc/stat"),
        meminfo: read("/proc/meminfo"),
        vmstat: read("/proc/vmstat"),
        net_dev: read("/proc/net/dev"),
        route: read("/proc/net/route"),
        loadavg: read("/proc/loadavg"),
        pid_max: read("/proc/sys/kernel/pid_max"),
        cpu_pressure: read("/proc/pressure/cpu"),
        memory_pressure: read("/proc/pressure/memory"),
        io_pressure: read("/proc/pressure/io"),
    }
}
