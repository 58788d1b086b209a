//! The task that looks after what the node has left, and gives pods up.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1 as core;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::give_up::Eviction;
use super::message::message;
use super::policy::{Policy, StorageLimits};
use super::read::{self, Places};
use super::standing::Standing;
use super::threshold::{Threshold, with_containerfs};
use super::watch::{Observation, Observations, Reclaim, Watch, is_met, most_urgent};
use super::{Disks, Pressure, Resource, Signal, candidates, local};
use crate::admit::NodeFacts;
use crate::collect::{DeadContainers, Images};
use crate::cri::{PodStats, Runtime};
use crate::layout::Layout;
use crate::metrics::UpkeepMetrics;
use crate::model::{Event, EventKind, PodUid};
use crate::sync::{Clock, EventRecorder, Input};

/// From one look to the next.
const PERIOD: Duration = Duration::from_secs(10);

/// Every pod of the node with its status.
pub type Roll = Arc<dyn Fn() -> Vec<Arc<core::Pod>> + Send + Sync>;

/// What an evictor needs.
pub struct Parts {
    /// Says what pods use, and where images are.
    pub runtime: Arc<dyn Runtime>,
    /// Takes down what happened.
    pub events: Arc<dyn EventRecorder>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Removes dead containers.
    pub dead: DeadContainers,
    /// Removes images.
    pub images: Images,
    /// Every pod of the node.
    pub roll: Roll,
    /// Where pods are given up.
    pub inbox: mpsc::Sender<Input>,
    /// Who wants to know of pressures.
    pub standing: watch::Sender<Standing>,
    /// The node, as pods are let in to it.
    pub node: watch::Sender<Arc<NodeFacts>>,
    /// Where pods' files are.
    pub layout: Layout,
    /// Where the kubelet's files are.
    pub root: PathBuf,
    /// The node.
    pub node_name: String,
    /// Bytes of memory for all pods together.
    pub pods_memory: u64,
    /// What is configured.
    pub policy: Policy,
    /// Where evictions are counted.
    pub metrics: UpkeepMetrics,
}

/// Looks after what the node has left.
pub struct Evictor {
    pub(super) parts: Parts,
    watch: Watch,
    disks: Option<Surroundings>,
}

/// The disks, once the runtime has said where its own are.
#[derive(Clone, Debug)]
struct Surroundings {
    images: Option<PathBuf>,
    containers: Option<PathBuf>,
    disks: Disks,
    thresholds: Vec<Threshold>,
}

/// What the runtime has told of pods.
#[derive(Clone, Copy)]
enum Told<'a> {
    /// It was not asked: they use no more than the machine.
    Nothing,
    /// It did not answer.
    NothingForNow,
    /// What each uses.
    Stats(&'a [PodStats]),
}

impl<'a> Told<'a> {
    fn of(stats: Option<&'a [PodStats]>) -> Self {
        stats.map_or(Self::NothingForNow, Self::Stats)
    }
}

impl Evictor {
    /// An evictor that has not looked yet.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            watch: Watch::default(),
            disks: None,
        }
    }

    /// Works until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        loop {
            let work = async {
                let evicted = self.look().await;
                if evicted.is_empty() {
                    sleep(PERIOD).await;
                } else {
                    self.wait_for(&evicted).await;
                }
            };
            // What is not told before the end is found again by the next kubelet.
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = work => {}
            }
        }
    }

    /// One look at the node. The pods that had to go.
    pub(super) async fn look(&mut self) -> Vec<PodUid> {
        let Some(around) = self.surroundings().await else {
            return Vec::new();
        };
        let began = self.parts.clock.now();
        let mut seen = self.observe(&around).await;
        let pods = self.active_pods();
        let limited = self.limited(&pods);
        let mut stats = None;
        // Pods never use more than the machine: mostly that says enough.
        self.see_pods_memory(&mut seen, Told::Nothing);
        let is_close = is_any_met(
            &around.thresholds,
            &seen,
            Signal::AllocatableMemoryAvailable,
        );
        if is_close || !limited.is_empty() {
            stats = self.stats().await;
            self.see_pods_memory(&mut seen, Told::of(stats.as_deref()));
        }
        let now = self.parts.clock.now();
        let transition = self.parts.policy.transition;
        let verdict = self.watch.judge(&around.thresholds, &seen, transition, now);
        self.tell_pressures(verdict.pressures);

        let beyond = self
            .beyond_limits(&limited, stats.as_deref(), around.disks)
            .await;
        if !beyond.is_empty() {
            return self.evict_all(beyond).await;
        }
        let Some(urgent) = most_urgent(&around.thresholds, &verdict.due) else {
            return Vec::new();
        };
        let due: Vec<_> = verdict
            .due
            .iter()
            .map(|place| &around.thresholds[*place])
            .collect();
        let urgent = &around.thresholds[urgent];
        let resource = urgent.signal.resource();
        self.warn(
            "EvictionThresholdMet",
            format!("Attempting to reclaim {}", resource.name()),
        );
        if self.reclaim(urgent.signal, &around).await {
            return Vec::new();
        }
        if stats.is_none() {
            stats = self.stats().await;
        }
        let first = self
            .first_to_go(pods, stats.as_deref(), urgent.signal, around.disks)
            .await;
        let Some((pod, usage)) = first else {
            info!(resource = resource.name(), "no pod can be evicted");
            return Vec::new();
        };
        let age = self.parts.clock.now().duration_since(began).unsigned_abs();
        for threshold in &due {
            let signal = threshold.signal.name();
            self.parts.metrics.stats_age(signal, age);
        }
        let message = message(resource, (&due, &seen), (&pod, usage.as_ref()));
        let grace = self.grace(urgent, &pod);
        let eviction = Eviction {
            disruption: Some(message.clone()),
            signal: urgent.signal.name(),
            pod,
            message,
            grace,
        };
        self.evict_all(vec![eviction]).await
    }

    /// Where images and containers are does not change; it is asked until it is known.
    async fn surroundings(&mut self) -> Option<Surroundings> {
        if let Some(known) = &self.disks {
            return Some(known.clone());
        }
        let filesystems = match self.parts.runtime.image_filesystems().await {
            Ok(filesystems) => filesystems,
            Err(error) => {
                warn!(error = &error as &dyn Error, "cannot see where images are");
                return None;
            }
        };
        let path = |list: &[crate::cri::FilesystemUsage]| {
            list.first().map(|one| PathBuf::from(&one.mount_point))
        };
        let (images, containers) = (path(&filesystems.images), path(&filesystems.containers));
        let disks = read::disks(Places {
            node: &self.parts.root,
            images: images.as_deref(),
            containers: containers.as_deref(),
        });
        let known = Surroundings {
            images,
            containers,
            disks,
            thresholds: with_containerfs(&self.parts.policy.thresholds, disks),
        };
        self.disks = Some(known.clone());
        Some(known)
    }

    async fn observe(&self, around: &Surroundings) -> Observations {
        let (node, around) = (self.parts.root.clone(), around.clone());
        let work = tokio::task::spawn_blocking(move || {
            read::observations(Places {
                node: &node,
                images: around.images.as_deref(),
                containers: around.containers.as_deref(),
            })
        });
        work.await.expect("reading does not panic")
    }

    /// What pods may use together, less what they use; what is not known does not count.
    fn see_pods_memory(&self, seen: &mut Observations, told: Told<'_>) {
        let capacity = i128::from(self.parts.pods_memory);
        let used = match told {
            Told::Stats(stats) => {
                let all = stats.iter().map(candidates::usage);
                Some(all.map(|usage| i128::from(usage.memory)).sum())
            }
            Told::Nothing => seen
                .get(&Signal::MemoryAvailable)
                .map(|node| node.capacity - node.available),
            Told::NothingForNow => None,
        };
        seen.remove(&Signal::AllocatableMemoryAvailable);
        let left = used.map(|used: i128| Observation {
            available: capacity - used,
            capacity,
        });
        seen.extend(left.map(|left| (Signal::AllocatableMemoryAvailable, left)));
    }

    fn active_pods(&self) -> Vec<Arc<core::Pod>> {
        let all = (self.parts.roll)().into_iter();
        all.filter(|pod| candidates::is_active(pod)).collect()
    }

    /// The pods that have limits of local storage.
    fn limited(&self, pods: &[Arc<core::Pod>]) -> Vec<Arc<core::Pod>> {
        match self.parts.policy.limits {
            StorageLimits::Ignored => Vec::new(),
            StorageLimits::Held => {
                let limited = pods.iter().filter(|pod| local::has_limits(pod));
                limited.cloned().collect()
            }
        }
    }

    /// Makes room without giving a pod up; whether that was enough.
    async fn reclaim(&self, signal: Signal, around: &Surroundings) -> bool {
        let (dead, images) = (
            frees_containers(signal, around.disks),
            frees_images(signal, around.disks),
        );
        if dead && let Err(error) = self.parts.dead.remove_unused().await {
            let error = &error as &dyn Error;
            warn!(error, "cannot remove all containers that nobody needs");
        }
        if images && let Err(error) = self.parts.images.remove_unused().await {
            let error = &error as &dyn Error;
            warn!(error, "cannot remove all images that nobody uses");
        }
        if !dead && !images {
            return false;
        }
        let mut seen = self.observe(around).await;
        let stats = self.stats().await;
        self.see_pods_memory(&mut seen, Told::of(stats.as_deref()));
        let mut thresholds = around.thresholds.iter();
        !thresholds.any(|one| is_met(one, &seen, Reclaim::Counts))
    }

    fn tell_pressures(&self, pressures: BTreeSet<Pressure>) {
        let now = self.parts.clock.now();
        self.parts.node.send_if_modified(|node| {
            let is_new = node.pressures != pressures;
            if is_new {
                Arc::make_mut(node).pressures.clone_from(&pressures);
            }
            is_new
        });
        let mut changed = Vec::new();
        self.parts.standing.send_if_modified(|standing| {
            changed = standing.update(pressures, now);
            !changed.is_empty()
        });
        for pressure in changed {
            let reason = reason(pressure, &self.parts.standing.borrow());
            let node = &self.parts.node_name;
            let message = format!("Node {node} status is now: {reason}");
            let event = Event::of_node(node, EventKind::Normal, reason, message);
            self.parts.events.record(event);
        }
    }

    fn warn(&self, reason: &'static str, message: String) {
        let node = &self.parts.node_name;
        let event = Event::of_node(node, EventKind::Warning, reason, message);
        self.parts.events.record(event);
    }
}

fn is_any_met(thresholds: &[Threshold], seen: &Observations, signal: Signal) -> bool {
    let mut of_signal = thresholds.iter().filter(|one| one.signal == signal);
    of_signal.any(|one| is_met(one, seen, Reclaim::Counts))
}

/// Whether removing images helps against it.
fn frees_images(signal: Signal, disks: Disks) -> bool {
    match disks {
        Disks::One => is_of_disk(signal),
        Disks::ImagesApart => is_of_disk(signal) && !is_of_node(signal),
        Disks::ImagesAlone => is_of_images(signal),
    }
}

/// Whether removing dead containers helps against it.
fn frees_containers(signal: Signal, disks: Disks) -> bool {
    match disks {
        Disks::One => is_of_disk(signal),
        Disks::ImagesApart => is_of_disk(signal) && !is_of_node(signal),
        Disks::ImagesAlone => is_of_disk(signal) && !is_of_images(signal),
    }
}

fn is_of_disk(signal: Signal) -> bool {
    let resource = signal.resource();
    matches!(resource, Resource::EphemeralStorage | Resource::Inodes)
}

fn is_of_node(signal: Signal) -> bool {
    matches!(signal, Signal::NodefsAvailable | Signal::NodefsInodesFree)
}

fn is_of_images(signal: Signal) -> bool {
    matches!(signal, Signal::ImagefsAvailable | Signal::ImagefsInodesFree)
}

fn reason(pressure: Pressure, standing: &Standing) -> &'static str {
    match (pressure, standing.pressures().contains(&pressure)) {
        (Pressure::Memory, true) => "NodeHasInsufficientMemory",
        (Pressure::Memory, false) => "NodeHasSufficientMemory",
        (Pressure::Disk, true) => "NodeHasDiskPressure",
        (Pressure::Disk, false) => "NodeHasNoDiskPressure",
        (Pressure::Pid, true) => "NodeHasInsufficientPID",
        (Pressure::Pid, false) => "NodeHasSufficientPID",
    }
}
