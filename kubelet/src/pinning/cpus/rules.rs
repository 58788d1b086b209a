//! What holds for CPUs on this machine: which are reserved, how others are chosen: pure.

#![deny(clippy::disallowed_methods)]

use std::sync::Arc;

use super::{CpuOption, CpuOptions};
use crate::pinning::machine::{Level, Machine};
use crate::pinning::take::{TakeError, take};
use crate::pinning::topology::{Hint, NodeMask, TopologyPolicy, prefer};
use crate::pinning::{CpuSet, Settings};

/// What holds for CPUs on this machine.
#[derive(Clone, Debug)]
pub(in crate::pinning) struct CpuRules {
    machine: Arc<Machine>,
    reserved: CpuSet,
    /// The cores that they are on.
    reserved_cores: CpuSet,
    pub(super) options: CpuOptions,
}

/// Why a container does not get its CPUs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::pinning) enum CpuError {
    /// It would share a core.
    #[error(
        "SMT Alignment Error: requested {requested} cpus not multiple cpus per core = {threads}"
    )]
    PartOfCore {
        /// How many it wishes for.
        requested: usize,
        /// How many a core has.
        threads: usize,
    },
    /// There are too few whole cores.
    #[error(
        "SMT Alignment Error: not enough free physical CPUs: available physical CPUs = {available}, \
         requested CPUs = {requested}, CPUs per core = {threads}"
    )]
    TooFewCores {
        /// CPUs of whole cores that are free.
        available: usize,
        /// How many it wishes for.
        requested: usize,
        /// How many a core has.
        threads: usize,
    },
    /// There are too few.
    #[error(transparent)]
    Take(#[from] TakeError),
}

/// What a container wishes for.
#[derive(Clone, Copy, Debug)]
pub(in crate::pinning) struct CpuWish<'a> {
    /// How many.
    pub(in crate::pinning) count: usize,
    /// The nodes that they shall be near to.
    pub(in crate::pinning) near: Option<NodeMask>,
    /// CPUs of init containers of the pod, which have ended when this one runs.
    pub(in crate::pinning) reusable: &'a CpuSet,
}

impl CpuRules {
    /// What is configured, on this machine.
    pub(in crate::pinning) fn new(
        machine: Arc<Machine>,
        settings: &Settings,
    ) -> Result<Self, String> {
        let (options, all) = (settings.cpu_options.clone(), machine.all());
        if options.has(CpuOption::BySocket) {
            if settings.nearness.0 == TopologyPolicy::SingleNumaNode {
                return Err(
                    "Topolgy manager single-numa-node policy is incompatible with \
                            CPUManager align-by-socket policy option"
                        .to_owned(),
                );
            }
            if machine.count(Level::Socket) > machine.count(Level::Node) {
                return Err(
                    "Align by socket is not compatible with hardware where number of \
                            sockets are more than number of NUMA"
                        .to_owned(),
                );
            }
        }
        let count = usize::try_from(settings.reserved_millis.div_ceil(1000)).unwrap_or(usize::MAX);
        let reserved = match settings.reserved.is_empty() {
            false => settings.reserved.clone(),
            true => take(&machine, &all, count, &options).unwrap_or_default(),
        };
        if reserved.len() != count {
            return Err(format!(
                "[cpumanager] unable to reserve the required amount of CPUs (size of {reserved} did \
                 not equal {count})"
            ));
        }
        if let Some(unknown) = reserved.without(&all).iter().next() {
            return Err(format!(
                "[cpumanager] unable to build the reserved physical CPUs from the reserved set: \
                 unknown CPU ID: {unknown}"
            ));
        }
        let reserved_cores = machine.around(Level::Core, &reserved);
        Ok(Self {
            machine,
            reserved,
            reserved_cores,
            options,
        })
    }

    /// The options that are on.
    pub(in crate::pinning) fn options(&self) -> &CpuOptions {
        &self.options
    }

    /// The CPUs that nobody has for himself.
    pub(in crate::pinning) fn reserved(&self) -> &CpuSet {
        &self.reserved
    }

    /// The CPUs that can be had.
    pub(in crate::pinning) fn allocatable(&self) -> CpuSet {
        self.machine.all().without(&self.reserved)
    }

    /// The CPUs that all share as long as nobody has any for himself.
    pub(super) fn shared_at_first(&self) -> CpuSet {
        match self.options.has(CpuOption::Strict) {
            true => self.allocatable(),
            false => self.machine.all(),
        }
    }

    /// How many of these are near to each node.
    pub(in crate::pinning) fn per_node(&self, cpus: &CpuSet) -> Vec<(u32, usize)> {
        let parts = self.machine.parts(Level::Node, cpus).into_iter();
        parts.map(|(node, cpus)| (node, cpus.len())).collect()
    }

    /// Whether all of these share a cache.
    pub(in crate::pinning) fn is_within_cache(&self, cpus: &CpuSet) -> bool {
        self.machine.parts(Level::Cache, cpus).len() <= 1
    }

    /// Whether what is wished for is whole cores, if it has to be.
    pub(super) fn check(&self, count: usize, shared: &CpuSet) -> Result<(), CpuError> {
        if !self.options.has(CpuOption::WholeCores) {
            return Ok(());
        }
        let threads = self.machine.threads().max(1);
        if !count.is_multiple_of(threads) {
            return Err(CpuError::PartOfCore {
                requested: count,
                threads,
            });
        }
        // Beside a reserved thread nobody has a core for himself.
        let available = shared.without(&self.reserved_cores).len();
        if count > available {
            return Err(CpuError::TooFewCores {
                available,
                requested: count,
                threads,
            });
        }
        Ok(())
    }

    /// Chooses CPUs of those that are shared, near ones first.
    pub(super) fn choose(&self, shared: &CpuSet, wish: CpuWish<'_>) -> Result<CpuSet, CpuError> {
        let free = shared.without(&self.reserved).with(wish.reusable);
        let mut chosen = CpuSet::default();
        if let Some(near) = wish.near {
            let near = free.common(&self.near(near));
            let count = near.len().min(wish.count);
            chosen = take(&self.machine, &near, count, &self.options)?;
        }
        let (rest, missing) = (free.without(&chosen), wish.count - chosen.len());
        let others = take(&self.machine, &rest, missing, &self.options)?;
        Ok(chosen.with(&others))
    }

    /// The CPUs that are near to these nodes.
    fn near(&self, nodes: NodeMask) -> CpuSet {
        let cpus = self.machine.cpus.iter();
        let near: CpuSet = cpus
            .filter(|(_, cpu)| nodes.has(cpu.node))
            .map(|(number, _)| *number)
            .collect();
        match self.options.has(CpuOption::BySocket) {
            true => self.machine.around(Level::Socket, &near),
            false => near,
        }
    }

    /// Nodes of which so many CPUs can be had, all that are reusable among them.
    pub(super) fn hints(&self, free: &CpuSet, reusable: &CpuSet, count: usize) -> Vec<Hint> {
        let all = self.machine.parts(Level::Node, &self.machine.all());
        let nodes: Vec<u32> = all.keys().copied().collect();
        let mut fewest = nodes.len();
        let mut possible = Vec::new();
        for mask in NodeMask::subsets(&nodes) {
            let has: usize = mask.iter().map(|node| all[&node].len()).sum();
            if has >= count {
                fewest = fewest.min(mask.count());
            }
            let is_near = |cpu: u32| self.machine.node_of(cpu).is_some_and(|one| mask.has(one));
            let own = free.iter().filter(|cpu| is_near(*cpu)).count() + reusable.len();
            if reusable.iter().all(is_near) && own >= count {
                possible.push(mask);
            }
        }
        let mut hints = prefer(possible, fewest);
        if self.options.has(CpuOption::BySocket) {
            for hint in &mut hints {
                hint.preferred |= hint
                    .nodes
                    .is_some_and(|nodes| self.is_by_socket(nodes, fewest));
            }
        }
        hints
    }

    /// Whether these nodes are of as few sockets as so many nodes can be of.
    fn is_by_socket(&self, nodes: NodeMask, fewest: usize) -> bool {
        let per_socket = self.machine.count(Level::Node) / self.machine.count(Level::Socket).max(1);
        if per_socket == 0 {
            return false;
        }
        let cpus = self
            .machine
            .cpus
            .iter()
            .filter(|(_, cpu)| nodes.has(cpu.node));
        let cpus: CpuSet = cpus.map(|(number, _)| *number).collect();
        self.machine.parts(Level::Socket, &cpus).len() == fewest.div_ceil(per_socket)
    }
}
