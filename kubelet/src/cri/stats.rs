//! What pods and containers use, as the runtime counts it.

use jiff::Timestamp;

use super::{Call, ContainerMetadata, SandboxMetadata};
use crate::model::{ContainerId, SandboxId};

/// What one pod uses.
#[derive(Clone, Debug, PartialEq)]
pub struct PodStats {
    /// Its sandbox.
    pub id: SandboxId,
    /// Which pod it is.
    pub metadata: SandboxMetadata,
    /// All of it together.
    pub usage: Usage,
    /// Its network; none for a pod on the host's.
    pub network: Option<NetworkUsage>,
    /// Its processes.
    pub processes: Option<u64>,
    /// Each container.
    pub containers: Vec<ContainerStats>,
}

/// What one container uses.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerStats {
    /// Its id.
    pub id: ContainerId,
    /// Which container it is.
    pub metadata: ContainerMetadata,
    /// Processor, memory and pressure.
    pub usage: Usage,
    /// What it has written into its root.
    pub writable_layer: Option<FilesystemUsage>,
}

/// Processor, memory and pressure; what is not counted is left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Processor.
    pub cpu: Option<CpuUsage>,
    /// Memory.
    pub memory: Option<MemoryUsage>,
    /// Swap.
    pub swap: Option<SwapUsage>,
    /// Pressure on disks.
    pub io: Option<(Timestamp, Pressure)>,
}

/// Processor time.
#[derive(Clone, Debug, PartialEq)]
pub struct CpuUsage {
    /// When it was counted.
    pub at: Timestamp,
    /// In all, in nanoseconds of one core.
    pub core_nanoseconds: Option<u64>,
    /// Now, in billionths of a core.
    pub nano_cores: Option<u64>,
    /// Waiting for it.
    pub pressure: Option<Pressure>,
}

/// Memory, in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryUsage {
    /// When it was counted.
    pub at: Timestamp,
    /// What is left below the limit.
    pub available: Option<u64>,
    /// All, with what the kernel could take back.
    pub usage: Option<u64>,
    /// What the kernel cannot easily take back.
    pub working_set: Option<u64>,
    /// Anonymous memory.
    pub rss: Option<u64>,
    /// Page faults.
    pub page_faults: Option<u64>,
    /// Those that read from a disk.
    pub major_page_faults: Option<u64>,
    /// Waiting for it.
    pub pressure: Option<Pressure>,
}

/// Swap, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwapUsage {
    /// When it was counted.
    pub at: Timestamp,
    /// What is left.
    pub available: Option<u64>,
    /// What is used.
    pub usage: Option<u64>,
}

/// How much of a time was spent waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pressure {
    /// By everybody.
    pub full: Waiting,
    /// By somebody.
    pub some: Waiting,
}

/// Time spent waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Waiting {
    /// In all, in microseconds.
    pub total: u64,
    /// Percent of the last 10 seconds.
    pub avg10: f64,
    /// Percent of the last minute.
    pub avg60: f64,
    /// Percent of the last 5 minutes.
    pub avg300: f64,
}

/// A file system, or what somebody uses of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesystemUsage {
    /// When it was counted.
    pub at: Timestamp,
    /// A directory on it.
    pub mount_point: String,
    /// Bytes.
    pub used_bytes: Option<u64>,
    /// Inodes.
    pub inodes_used: Option<u64>,
}

/// A pod's network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkUsage {
    /// When it was counted.
    pub at: Timestamp,
    /// The interface that leads out.
    pub default_interface: Option<InterfaceUsage>,
    /// All.
    pub interfaces: Vec<InterfaceUsage>,
}

/// One interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceUsage {
    /// Its name in the pod.
    pub name: String,
    /// Bytes that came.
    pub rx_bytes: Option<u64>,
    /// Errors of receiving.
    pub rx_errors: Option<u64>,
    /// Bytes that went.
    pub tx_bytes: Option<u64>,
    /// Errors of sending.
    pub tx_errors: Option<u64>,
}

/// File systems of a runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFilesystems {
    /// Where images are.
    pub images: Vec<FilesystemUsage>,
    /// Where containers are.
    pub containers: Vec<FilesystemUsage>,
}

/// One metric, with the values of its labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// When it was counted; none for just now.
    pub at: Option<Timestamp>,
    /// Whether it can only grow.
    pub is_counter: bool,
    /// In the order of its descriptor's keys.
    pub labels: Vec<String>,
    /// The number.
    pub value: u64,
}

/// What a metric is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricDescriptor {
    /// Its name.
    pub name: String,
    /// A sentence.
    pub help: String,
    /// The names of its labels.
    pub labels: Vec<String>,
}

/// What is used.
pub trait Statistics: Send + Sync {
    /// Every pod that is ready.
    fn pod_stats(&self) -> Call<'_, Vec<PodStats>>;
    /// One pod.
    fn pod_stats_of(&self, id: SandboxId) -> Call<'_, PodStats>;
    /// The file systems of images and containers.
    fn image_filesystems(&self) -> Call<'_, ImageFilesystems>;
    /// What the metrics of pods are.
    fn metric_descriptors(&self) -> Call<'_, Vec<MetricDescriptor>>;
    /// The metrics of all pods and containers.
    fn pod_metrics(&self) -> Call<'_, Vec<Metric>>;
}
