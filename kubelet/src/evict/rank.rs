//! Which pod goes first.
#![deny(clippy::disallowed_methods)]

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::{Resource, Signal};
use crate::model::PodUid;

/// A pod that may have to go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub uid: Option<PodUid>,
    /// The higher, the longer it stays.
    pub priority: i32,
    /// Bytes of memory that it asks for.
    pub asks_memory: u64,
    /// Bytes on disks that it asks for.
    pub asks_storage: u64,
    /// What it uses, when that is known.
    pub usage: Option<Usage>,
}

/// What a pod uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of memory that cannot easily be taken back.
    pub memory: u64,
    /// Processes.
    pub processes: u64,
    /// Each container, by name.
    pub containers: BTreeMap<String, ContainerUsage>,
    /// Volumes that go with the pod, by name.
    pub volumes: BTreeMap<String, Space>,
}

/// What a container uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContainerUsage {
    /// Bytes of memory, when they are known.
    pub memory: Option<u64>,
    /// What it has written into its root.
    pub root: Space,
    /// Its logs.
    pub logs: Space,
}

/// Room on a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Bytes.
    pub bytes: u64,
    /// Inodes.
    pub inodes: u64,
}

/// Which disks are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Disks {
    /// All is on one.
    #[default]
    One,
    /// Images and containers are on one of their own.
    ImagesApart,
    /// Images are on one of their own, and containers on the kubelet's.
    ImagesAlone,
}

/// What of a pod is on the disk that is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parts {
    All,
    Roots,
    LogsAndVolumes,
    Nothing,
}

impl Usage {
    fn of(&self, parts: Parts, resource: Resource) -> u64 {
        let amount = |space: &Space| match resource {
            Resource::Inodes => space.inodes,
            _ => space.bytes,
        };
        let containers = self.containers.values();
        let roots = containers.clone().map(|one| amount(&one.root));
        let logs = containers.map(|one| amount(&one.logs));
        let volumes = self.volumes.values().map(amount);
        match parts {
            Parts::All => roots.chain(logs).chain(volumes).sum(),
            Parts::Roots => roots.sum(),
            Parts::LogsAndVolumes => logs.chain(volumes).sum(),
            Parts::Nothing => 0,
        }
    }

    /// All that limits of ephemeral storage are held against.
    pub(super) fn ephemeral(&self) -> u64 {
        self.of(Parts::All, Resource::EphemeralStorage)
    }
}

fn parts(signal: Signal, disks: Disks) -> Parts {
    use Signal::{ImagefsAvailable, ImagefsInodesFree, NodefsAvailable, NodefsInodesFree};
    match (disks, signal) {
        (Disks::ImagesApart, NodefsAvailable | NodefsInodesFree) => Parts::LogsAndVolumes,
        (Disks::ImagesApart, _) => Parts::Roots,
        (Disks::ImagesAlone, ImagefsAvailable | ImagefsInodesFree) => Parts::Nothing,
        (Disks::One | Disks::ImagesAlone, _) => Parts::All,
    }
}

/// Sorts the pods by who goes first: of whom nothing is known, who uses more than he asked for, who
/// matters less, who uses the most beyond it.
pub(super) fn rank(pods: &mut [Candidate], signal: Signal, disks: Disks) {
    let resource = signal.resource();
    let parts = parts(signal, disks);
    let used = |pod: &Candidate| {
        pod.usage.as_ref().map(|usage| match resource {
            Resource::Memory => usage.memory,
            Resource::Pids => usage.processes,
            Resource::EphemeralStorage | Resource::Inodes => usage.of(parts, resource),
        })
    };
    let asked = |pod: &Candidate| match resource {
        Resource::Memory => pod.asks_memory,
        Resource::EphemeralStorage => pod.asks_storage,
        Resource::Inodes | Resource::Pids => 0,
    };
    let beyond = |pod: &Candidate| used(pod).map(|used| i128::from(used) - i128::from(asked(pod)));
    let exceeds = |pod: &Candidate| {
        // Nobody asks for processes.
        resource != Resource::Pids && beyond(pod).is_none_or(|beyond| beyond > 0)
    };
    pods.sort_by(|a, b| {
        by_absence(a, b, resource)
            .then_with(|| exceeds(b).cmp(&exceeds(a)))
            .then_with(|| a.priority.cmp(&b.priority))
            .then_with(|| b.usage.is_none().cmp(&a.usage.is_none()))
            .then_with(|| beyond(b).cmp(&beyond(a)))
    });
}

/// Who has no figures goes first, but for processes, where priority comes before that.
fn by_absence(a: &Candidate, b: &Candidate, resource: Resource) -> Ordering {
    if resource == Resource::Pids {
        return Ordering::Equal;
    }
    b.usage.is_none().cmp(&a.usage.is_none())
}
