//! What pods use: counted by the kernel, read when somebody asks.
//!
//! ```text
//!            ┌─ read: cgroup files, net/dev ─► parse P ─┐
//!  targets ──┤                                          ├─► readings
//!            └─ layer: counted in the background ───────┘
//!                          rate P: cores, from the sample of an earlier question
//! ```
//!
//! Nothing is read that nobody asks about, and nothing on the threads that serve. A container that
//! ends while it is read is left out.

mod clock;
mod disks;
mod file_system;
mod layer;
mod parse;
mod processes;
mod rate;
mod read;
mod sum;
pub mod usage;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, stream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::disks::Disks;
pub use self::file_system::FileSystem;
use self::layer::Layers;
use self::rate::{Sample, Window};
use self::read::Reader;
use self::usage::{Interface, LayerUsage, ProcessCounts, Usage};
use crate::cgroup::{CgroupPath, Cgroups};
use crate::model::ContainerId;

/// Pods that one thread reads before the next batch is begun.
const BATCH: usize = 16;
/// Batches that are read at once: more would only crowd the machine that is measured.
const AT_ONCE: usize = 2;

/// A pod to be measured.
#[derive(Clone, Debug)]
pub struct PodTarget {
    /// Where what the pod uses as a whole is counted.
    pub whole: Whole,
    /// Pid of pause, when the pod has a network of its own.
    pub pause_pid: Option<i32>,
    /// Its containers.
    pub containers: Vec<ContainerTarget>,
}

/// Where what a pod uses as a whole is counted.
#[derive(Clone, Debug)]
pub enum Whole {
    /// Nobody asks.
    Unasked,
    /// In a cgroup that has the pod's processes and no others.
    Cgroup(CgroupPath),
    /// In those of its containers, and this one of pause.
    Parts(CgroupPath),
}

/// A container to be measured.
#[derive(Clone, Debug)]
pub struct ContainerTarget {
    /// Its id.
    pub id: ContainerId,
    /// Its cgroup while it runs.
    pub cgroup: Option<CgroupPath>,
    /// When it was started, in nanoseconds since the epoch.
    pub started_at: i64,
    /// Pid of its first process while it runs.
    pub pid: Option<i32>,
    /// The top of its writable layer.
    pub layer: PathBuf,
}

/// How closely containers are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// What the kernel counts for a cgroup.
    Cgroups,
    /// Each process as well.
    Processes,
}

/// What was read of a pod.
#[derive(Clone, Debug)]
pub struct PodReading {
    /// All of it.
    pub whole: Option<Reading>,
    /// Its interfaces, when it has a network of its own.
    pub network: Option<Network>,
    /// Its containers, as they were asked for; without those that ended meanwhile.
    pub containers: Vec<ContainerReading>,
}

/// What a cgroup uses.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What it has used.
    pub usage: Usage,
    /// The billionths of a core it uses, when somebody has asked before.
    pub nano_cores: Option<u64>,
}

/// What went through a pod's interfaces.
#[derive(Clone, Debug)]
pub struct Network {
    /// When it was read, in nanoseconds since the epoch.
    pub at: i64,
    /// Every interface but the loopback.
    pub interfaces: Vec<Interface>,
}

/// What was read of a container.
#[derive(Clone, Debug)]
pub struct ContainerReading {
    /// Which one.
    pub id: ContainerId,
    /// What it uses, when it runs.
    pub running: Option<Reading>,
    /// What it has written, once that is counted.
    pub layer: Option<LayerUsage>,
    /// Its processes, when they were asked for.
    pub processes: Option<ProcessCounts>,
}

/// Where containers write to.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    /// The file system that writable layers lie on.
    pub file_system: Option<FileSystem>,
    /// The machine's disks.
    pub disks: Disks,
}

/// Reads what pods use.
#[derive(Clone, Debug)]
pub struct Stats {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    reader: Reader,
    layers: Layers,
    windows: Mutex<HashMap<String, Window>>,
    state_dir: PathBuf,
}

impl Stats {
    /// Opens the statistics of a runtime that keeps writable layers below `state_dir`; what is
    /// counted in the background is among `tasks`, until `shutdown`.
    pub fn open(
        cgroups: Cgroups,
        state_dir: PathBuf,
        tasks: &TaskTracker,
        shutdown: CancellationToken,
    ) -> Self {
        let (layers, walks) = layer::open();
        tasks.spawn(walks.run(shutdown));
        Self {
            inner: Arc::new(Inner {
                reader: Reader::new(cgroups),
                layers,
                windows: Mutex::default(),
                state_dir,
            }),
        }
    }

    /// What these pods use, in their order.
    pub async fn read(&self, targets: Vec<PodTarget>, detail: Detail) -> Vec<PodReading> {
        let mut targets = targets.into_iter();
        let batches: Vec<Vec<PodTarget>> = std::iter::from_fn(|| {
            let batch: Vec<_> = targets.by_ref().take(BATCH).collect();
            (!batch.is_empty()).then_some(batch)
        })
        .collect();
        let read = stream::iter(batches).map(|batch| {
            let inner = Arc::clone(&self.inner);
            tokio::task::spawn_blocking(move || -> Vec<PodReading> {
                batch.iter().map(|pod| inner.read(pod, detail)).collect()
            })
        });
        let read: Vec<_> = read.buffered(AT_ONCE).collect().await;
        read.into_iter()
            .flat_map(|batch| batch.expect("reading statistics does not panic"))
            .collect()
    }

    /// The file system that writable layers lie on, and the machine's disks.
    pub async fn storage(&self) -> Storage {
        let inner = Arc::clone(&self.inner);
        let read = tokio::task::spawn_blocking(move || Storage {
            file_system: file_system::of(&inner.state_dir),
            disks: Disks::read(),
        });
        read.await.expect("reading statistics does not panic")
    }

    /// Forgets containers and cgroups that are not among these any more.
    pub fn retain(&self, containers: impl Fn(&ContainerId) -> bool, cgroup: impl Fn(&str) -> bool) {
        self.inner.layers.retain(containers);
        self.inner.windows().retain(|name, _| cgroup(name));
    }
}

impl Inner {
    fn read(&self, pod: &PodTarget, detail: Detail) -> PodReading {
        let containers: Vec<ContainerReading> = pod
            .containers
            .iter()
            .filter_map(|container| self.container(container, detail))
            .collect();
        let whole = match &pod.whole {
            Whole::Unasked => None,
            Whole::Cgroup(path) => self.cgroup(path, 0),
            Whole::Parts(pause) => self.cgroup(pause, 0).map(|pause| {
                let running = containers.iter().filter_map(|one| one.running.as_ref());
                sum::sum(pause, running)
            }),
        };
        PodReading {
            whole,
            network: pod.pause_pid.and_then(read::network),
            containers,
        }
    }

    /// `None` when it has ended meanwhile.
    fn container(&self, target: &ContainerTarget, detail: Detail) -> Option<ContainerReading> {
        let running = match &target.cgroup {
            Some(path) => Some(self.cgroup(path, target.started_at)?),
            None => None,
        };
        let processes = match (&target.cgroup, detail) {
            (Some(path), Detail::Processes) => self.reader.processes(path, target.pid),
            _ => None,
        };
        Some(ContainerReading {
            id: target.id.clone(),
            running,
            layer: self.layers.usage(&target.id, &target.layer),
            processes,
        })
    }

    fn cgroup(&self, path: &CgroupPath, started_at: i64) -> Option<Reading> {
        let usage = self.reader.cgroup(path)?;
        let nano_cores = usage.cpu.and_then(|cpu| {
            let sample = Sample {
                at: clock::steady(),
                used: cpu.total,
            };
            self.rate(path, sample, age(usage.at, started_at))
        });
        Some(Reading { usage, nano_cores })
    }

    fn rate(&self, path: &CgroupPath, sample: Sample, age: Option<u64>) -> Option<u64> {
        let mut windows = self.windows();
        if let Some(window) = windows.get_mut(path.as_str()) {
            return window.observe(sample);
        }
        let (window, rate) = Window::begin(sample, age);
        windows.insert(path.as_str().to_owned(), window);
        rate
    }

    fn windows(&self) -> std::sync::MutexGuard<'_, HashMap<String, Window>> {
        // Every change is one insertion or removal, whole even after a panic.
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn age(now: i64, started_at: i64) -> Option<u64> {
    let age = now.checked_sub(started_at).filter(|_| started_at > 0)?;
    u64::try_from(age).ok()
}

#[cfg(test)]
mod tests;
