//! What a cgroup, a pod's network or a writable layer uses, in our own types.
//!
//! Times are nanoseconds, sizes bytes. What this kernel does not tell is `None`, never zero.
#![deny(clippy::disallowed_methods)]

/// Everything that one cgroup counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// When it was read, in nanoseconds since the epoch.
    pub at: i64,
    /// CPU time.
    pub cpu: Option<Cpu>,
    /// Memory.
    pub memory: Option<Memory>,
    /// Swap, where the kernel counts it.
    pub swap: Option<Swap>,
    /// Tasks, threads included.
    pub tasks: Option<Tasks>,
    /// Block devices, in the kernel's order.
    pub devices: Vec<DeviceIo>,
    /// Huge pages, by size.
    pub huge_pages: Vec<HugePages>,
    /// How often the OOM killer ended a process in it.
    pub oom_kills: Option<u64>,
    /// Time lost to waiting, where the kernel keeps count for each cgroup.
    pub pressure: Pressures,
}

/// CPU time used, and withheld by the quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// All of it.
    pub total: u64,
    /// In user mode.
    pub user: u64,
    /// In the kernel.
    pub system: u64,
    /// Enforcement periods that have passed.
    pub periods: u64,
    /// Those in which the quota was used up.
    pub throttled_periods: u64,
    /// Time for which it was throttled.
    pub throttled: u64,
}

/// Memory in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// What is charged to the cgroup.
    pub usage: u64,
    /// The most that ever was, where the kernel remembers.
    pub peak: Option<u64>,
    /// What it may use; `None` is no limit of its own.
    pub limit: Option<u64>,
    /// How often it ran into the limit.
    pub limit_hits: u64,
    /// Anonymous memory.
    pub rss: u64,
    /// Page cache.
    pub cache: u64,
    /// Mapped files.
    pub mapped_file: u64,
    /// Memory of the kernel itself.
    pub kernel: u64,
    /// File pages that were used lately.
    pub active_file: u64,
    /// File pages that were not: the first to be given back.
    pub inactive_file: u64,
    /// Page faults.
    pub page_faults: u64,
    /// Those that had to wait for a disk.
    pub major_page_faults: u64,
}

impl Memory {
    /// What could not be given back at once: everything but the inactive file pages, as cAdvisor
    /// counts it.
    pub fn working_set(&self) -> u64 {
        self.usage.saturating_sub(self.inactive_file)
    }

    /// What is left below the limit; `None` without one.
    pub fn available(&self) -> Option<u64> {
        self.limit
            .map(|limit| limit.saturating_sub(self.working_set()))
    }
}

/// Swap in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swap {
    /// Swapped out.
    pub usage: u64,
    /// What may be; `None` is no limit of its own.
    pub limit: Option<u64>,
}

/// Tasks that exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tasks {
    /// Now.
    pub count: u64,
    /// At most; `None` is no limit of its own.
    pub limit: Option<u64>,
}

/// What went to and from one block device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceIo {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
}

/// Huge pages of one size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HugePages {
    /// As the kernel writes it: `2MB`.
    pub page_size: String,
    /// In use.
    pub usage: u64,
    /// The most that ever was, where the kernel remembers.
    pub peak: Option<u64>,
}

/// Pressure of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pressures {
    /// Waiting for a CPU.
    pub cpu: Option<Pressure>,
    /// Waiting for memory.
    pub memory: Option<Pressure>,
    /// Waiting for a device.
    pub io: Option<Pressure>,
}

/// Pressure stall information of one resource.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pressure {
    /// At least one task waited.
    pub some: Stall,
    /// All of them did.
    pub full: Stall,
}

/// How long tasks waited.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stall {
    /// Per cent of the last ten seconds.
    pub avg10: f64,
    /// Of the last minute.
    pub avg60: f64,
    /// Of the last five minutes.
    pub avg300: f64,
    /// Microseconds in all.
    pub total: u64,
}

/// One network interface of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its name in the pod.
    pub name: String,
    /// What came in.
    pub received: Traffic,
    /// What went out.
    pub sent: Traffic,
}

/// One direction of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets that were broken.
    pub errors: u64,
    /// Packets that were dropped.
    pub dropped: u64,
}

/// What a container has written to its root file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerUsage {
    /// When it was counted, in nanoseconds since the epoch.
    pub at: i64,
    /// Bytes on the disk.
    pub bytes: u64,
    /// Files and directories.
    pub inodes: u64,
}

/// What only a look at each process tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessCounts {
    /// Processes.
    pub processes: u64,
    /// Open descriptors of all of them.
    pub descriptors: u64,
    /// Those that are sockets.
    pub sockets: u64,
    /// How many descriptors the first process may have; `None` is no limit.
    pub descriptor_limit: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_working_set_is_usage_without_inactive_file_pages() {
        let memory = |usage, inactive_file, limit| Memory {
            usage,
            inactive_file,
            limit,
            ..Default::default()
        };
        assert_eq!(memory(100, 30, None).working_set(), 70);
        assert_eq!(memory(100, 130, None).working_set(), 0);
        assert_eq!(memory(100, 30, Some(200)).available(), Some(130));
        assert_eq!(memory(100, 0, Some(80)).available(), Some(0));
        assert_eq!(memory(100, 30, None).available(), None);
    }
}
