//! Where each controller of a cgroup lies: a directory a controller on v1, one for all on v2.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cgroups_rs::fs::{Cgroup, Subsystem};

use super::CgroupPath;

/// A controller that limits or counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Controller {
    /// Shares and bandwidth.
    Cpu,
    /// Time used; part of `Cpu` on v2.
    CpuAccounting,
    /// CPUs and memory nodes.
    CpuSet,
    /// Memory and swap.
    Memory,
    /// Processes.
    Pids,
    /// Block devices.
    BlockIo,
    /// Huge pages.
    HugePages,
}

/// The top directories of the hierarchies.
#[derive(Clone, Debug)]
pub(super) enum Places {
    /// By controller; one that is not mounted is missing.
    V1(BTreeMap<Controller, PathBuf>),
    /// The only one.
    V2(PathBuf),
}

impl Places {
    /// Those of v1, asked of the hierarchy's root.
    pub(super) fn of_v1(root: &Cgroup) -> Self {
        let place = |subsystem: &Subsystem| {
            let controller = match subsystem {
                Subsystem::Cpu(_) => Controller::Cpu,
                Subsystem::CpuAcct(_) => Controller::CpuAccounting,
                Subsystem::CpuSet(_) => Controller::CpuSet,
                Subsystem::Mem(_) => Controller::Memory,
                Subsystem::Pid(_) => Controller::Pids,
                Subsystem::BlkIo(_) => Controller::BlockIo,
                Subsystem::HugeTlb(_) => Controller::HugePages,
                _ => return None,
            };
            Some((controller, subsystem.to_controller().path().to_owned()))
        };
        Self::V1(root.subsystems().iter().filter_map(place).collect())
    }

    /// The directory of a cgroup for this controller; `None` when it is not mounted.
    pub(super) fn directory(&self, controller: Controller, path: &CgroupPath) -> Option<PathBuf> {
        let top = match self {
            Self::V1(tops) => tops.get(&controller)?,
            Self::V2(top) => top,
        };
        Some(top.join(path.relative()))
    }
}
