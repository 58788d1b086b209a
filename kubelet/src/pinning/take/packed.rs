//! As few nodes, sockets and cores as can be: pure.

#![deny(clippy::disallowed_methods)]

use super::{Caches, Order, TakeError};
use crate::pinning::CpuSet;
use crate::pinning::machine::{Level, Machine};

/// Takes so many of these CPUs.
pub(super) fn take(
    machine: &Machine,
    free: &CpuSet,
    count: usize,
    (order, caches): (Order, Caches),
) -> Result<CpuSet, TakeError> {
    let mut gatherer = Gatherer::new(machine, free, count)?;
    for level in gatherer.outer() {
        gatherer.take_whole(level);
    }
    if caches == Caches::Whole {
        gatherer.take_caches();
    }
    if order == Order::Packed {
        gatherer.take_whole(Level::Core);
    }
    gatherer.take_single(order);
    Ok(gatherer.taken)
}

/// Gathers CPUs until it has enough.
pub(super) struct Gatherer<'a> {
    machine: &'a Machine,
    free: CpuSet,
    needed: usize,
    pub(super) taken: CpuSet,
}

impl<'a> Gatherer<'a> {
    pub(super) fn new(
        machine: &'a Machine,
        free: &CpuSet,
        needed: usize,
    ) -> Result<Self, TakeError> {
        let free = free.common(&machine.all());
        if needed > free.len() {
            return Err(TakeError::TooFew {
                requested: needed,
                available: free.len(),
            });
        }
        Ok(Self {
            machine,
            free,
            needed,
            taken: CpuSet::default(),
        })
    }

    /// Nodes and sockets, the larger ones first.
    fn outer(&self) -> [Level; 2] {
        if self.machine.count(Level::Socket) >= self.machine.count(Level::Node) {
            [Level::Node, Level::Socket]
        } else {
            [Level::Socket, Level::Node]
        }
    }

    /// What is looked through, from the outside, to come to a level.
    fn way_to(&self, level: Level) -> Vec<Level> {
        let [first, second] = self.outer();
        match level {
            Level::Core => vec![first, second, Level::Core],
            Level::Cache if second == Level::Node => vec![first, second, Level::Cache],
            Level::Cache => vec![first, Level::Cache],
            level if level == first => vec![first],
            _ => vec![first, second],
        }
    }

    /// All of a level that have free CPUs, the fullest first, with their free CPUs.
    pub(super) fn in_order(&self, level: Level) -> Vec<(u32, CpuSet)> {
        let mut found = vec![(0, self.free.clone())];
        for level in self.way_to(level) {
            let free = self.machine.parts(level, &self.free);
            let mut inner: Vec<(u32, CpuSet)> = Vec::new();
            for (_, around) in &found {
                let mut parts: Vec<_> = self.machine.parts(level, around).into_keys().collect();
                parts.sort_by_key(|id| free[id].len());
                parts.retain(|id| inner.iter().all(|(known, _)| known != id));
                inner.extend(parts.into_iter().map(|id| (id, free[&id].clone())));
            }
            found = inner;
        }
        found
    }

    pub(super) fn take(&mut self, cpus: &CpuSet) {
        self.taken = self.taken.with(cpus);
        self.free = self.free.without(cpus);
        self.needed -= cpus.len();
    }

    /// Takes what is free as a whole, as long as so much is needed.
    fn take_whole(&mut self, level: Level) {
        let all = self.machine.parts(level, &self.machine.all());
        for (id, free) in self.in_order(level) {
            if free.len() == all[&id].len() && self.needed >= free.len() {
                self.take(&free);
            }
        }
    }

    /// Takes whole caches, and of one the rest.
    fn take_caches(&mut self) {
        let size = self.machine.cpus.len() / self.machine.count(Level::Cache).max(1);
        for (cache, _) in self.in_order(Level::Cache) {
            if self.needed >= size {
                self.take_whole(Level::Cache);
            }
            if self.needed > 0 {
                self.take_of_cache(cache);
            }
        }
    }

    /// Takes all that is still needed of one cache, if it has so much.
    fn take_of_cache(&mut self, cache: u32) {
        let threads = self.machine.threads().max(1);
        let free = self.machine.parts(Level::Cache, &self.free);
        let Some(free) = free.get(&cache) else {
            return;
        };
        let cores = self.machine.parts(Level::Core, free).into_values();
        let chosen = cores.take(self.needed.div_ceil(threads));
        let mut cpus: Vec<u32> = chosen
            .flat_map(|core| Vec::from_iter(core.iter()))
            .collect();
        cpus.sort_unstable();
        let is_odd = !self.needed.is_multiple_of(2) && threads > 1;
        if is_odd && cpus.len() > self.needed {
            cpus.pop();
        }
        if cpus.len() == self.needed {
            self.take(&cpus.into_iter().collect());
        }
    }

    fn take_single(&mut self, order: Order) {
        let level = match order {
            Order::Packed => Level::Core,
            Order::Spread => Level::Socket,
        };
        let found = self.in_order(level).into_iter();
        let cpus: Vec<u32> = found
            .flat_map(|(_, free)| Vec::from_iter(free.iter()))
            .collect();
        let needed = self.needed;
        self.take(&cpus.into_iter().take(needed).collect());
    }
}
