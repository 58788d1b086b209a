//! The machine's CPUs and memory, and how they lie to each other: pure.

#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use super::CpuSet;

/// Where one CPU is: a logical one, a thread of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// The node of memory that it is near to.
    pub node: u32,
    /// The socket that its core is on.
    pub socket: u32,
    /// The last cache that it shares with less than its node.
    pub cache: u32,
    /// Its core, by the lowest of the core's threads.
    pub core: u32,
}

/// One node of memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryNode {
    /// Bytes of memory, huge pages among them.
    pub memory: u64,
    /// How many huge pages there are, by their size in bytes.
    pub huge_pages: BTreeMap<u64, u64>,
    /// How far it is to each node.
    pub distances: Vec<u64>,
}

/// The CPUs that are online, and all nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// CPUs by their numbers.
    pub cpus: BTreeMap<u32, Cpu>,
    /// Nodes by their numbers; some may have no CPU.
    pub nodes: BTreeMap<u32, MemoryNode>,
}

/// What CPUs lie together in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Node,
    Socket,
    Cache,
    Core,
}

impl Cpu {
    fn at(&self, level: Level) -> u32 {
        match level {
            Level::Node => self.node,
            Level::Socket => self.socket,
            Level::Cache => self.cache,
            Level::Core => self.core,
        }
    }
}

impl Machine {
    /// Every CPU.
    pub(super) fn all(&self) -> CpuSet {
        self.cpus.keys().copied().collect()
    }

    /// These CPUs, by what they lie in.
    pub(super) fn parts(&self, level: Level, of: &CpuSet) -> BTreeMap<u32, CpuSet> {
        let mut parts: BTreeMap<u32, CpuSet> = BTreeMap::new();
        for (number, cpu) in self.cpus.iter().filter(|(number, _)| of.has(**number)) {
            parts.entry(cpu.at(level)).or_default().insert(*number);
        }
        parts
    }

    /// How many of these have CPUs.
    pub(super) fn count(&self, level: Level) -> usize {
        self.parts(level, &self.all()).len()
    }

    /// All CPUs that lie in the same as these.
    pub(super) fn around(&self, level: Level, of: &CpuSet) -> CpuSet {
        let known = self.parts(level, of);
        let near = self.cpus.iter();
        near.filter(|(_, cpu)| known.contains_key(&cpu.at(level)))
            .map(|(number, _)| *number)
            .collect()
    }

    /// How many CPUs a core has.
    pub(super) fn threads(&self) -> usize {
        self.cpus.len() / self.count(Level::Core).max(1)
    }

    /// The node that a CPU is near to.
    pub(super) fn node_of(&self, cpu: u32) -> Option<u32> {
        self.cpus.get(&cpu).map(|cpu| cpu.node)
    }
}

/// Machines for tests.
#[cfg(test)]
pub(super) mod made {
    use super::*;

    /// So many sockets, nodes in each, caches in each, cores in each and threads in each. Threads are
    /// numbered as most machines have them: all first ones, then all second ones.
    pub(in crate::pinning) fn machine(
        [sockets, nodes, caches, cores, threads]: [u32; 5],
    ) -> Machine {
        let all_cores = sockets * nodes * caches * cores;
        let mut machine = Machine::default();
        for thread in 0..threads {
            for core in 0..all_cores {
                let cache = core / cores;
                let node = cache / caches;
                let cpu = Cpu {
                    node,
                    socket: node / nodes,
                    cache,
                    core,
                };
                machine.cpus.insert(thread * all_cores + core, cpu);
            }
        }
        let all_nodes = sockets * nodes;
        for node in 0..all_nodes {
            let distances = (0..all_nodes).map(|other| match other == node {
                true => 10,
                false => 10 + 10 * u64::from(other.abs_diff(node)),
            });
            let node_of_memory = MemoryNode {
                memory: 1 << 30,
                huge_pages: BTreeMap::new(),
                distances: distances.collect(),
            };
            machine.nodes.insert(node, node_of_memory);
        }
        machine
    }

    pub(in crate::pinning) fn cpus(text: &str) -> CpuSet {
        CpuSet::parse(text).expect("tests write lists of CPUs as the kernel does")
    }
}
