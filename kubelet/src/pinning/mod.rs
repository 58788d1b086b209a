//! CPUs and memory that a container has for itself, and near to each other.
//!
//! ```text
//! /sys ─► discover ─► Machine ─┐
//! configuration ─► Settings ───┴─► rules (pure) ─┐
//! pods ───────────────────────────────────────────┴─► desk: books (pure), cpu_manager_state
//!                                                      ├─► admission: before anything is made of a pod
//!                                                      ├─► pinned: what a container is made with
//!                                                      └─► keeper: what containers that run may use
//! ```
//!
//! As with devices, the books are on disk before a container is made. Whoever has no CPUs for himself
//! runs on those that nobody has: containers that run are moved when these become fewer or more.

mod admission;
mod checksum;
mod cpus;
mod desk;
mod discover;
mod keeper;
mod machine;
mod memory;
mod set;
mod settings;
mod take;
#[cfg(test)]
mod tests;
mod topology;

pub use cpus::{CpuOption, CpuOptions};
pub use desk::{Desk, DeskError, MemoryBlock, Parts, Pinned};
pub use discover::discover;
pub use keeper::Keeper;
pub use machine::{Cpu, Machine, MemoryNode};
pub use memory::Reservation;
pub use set::{CpuSet, InvalidCpuSet};
pub use settings::{CpuPolicy, MemoryPolicy, Quota, Settings};
pub(crate) use topology::prefer;
pub use topology::{Hint, Hints, NodeMask, Scope, TopologyPolicy, TopologyRules};

use crate::model::{Container, Pod, PodUid};

/// Which container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Holder {
    pub(crate) pod: PodUid,
    pub(crate) container: String,
}

impl Holder {
    pub(crate) fn of(pod: &Pod, container: &Container) -> Self {
        Self {
            pod: pod.uid.clone(),
            container: container.name.to_string(),
        }
    }
}
