//! Which CPUs are taken of those that are free: pure.
//!
//! What lies together is taken together: whole nodes and sockets, whole caches if that is wished, whole
//! cores, then single threads; of two equal ones the one that is fuller already, so that large ones stay
//! whole for others.

#![deny(clippy::disallowed_methods)]

mod packed;
mod spread;
#[cfg(test)]
mod tests;

use super::CpuSet;
use super::cpus::{CpuOption, CpuOptions};
use super::machine::Machine;

/// Why CPUs could not be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TakeError {
    /// There are too few.
    #[error(
        "not enough cpus available to satisfy request: requested={requested}, available={available}"
    )]
    TooFew {
        /// How many were wished for.
        requested: usize,
        /// How many are free.
        available: usize,
    },
}

/// In which order single CPUs are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Threads of one core after each other.
    Packed,
    /// By their numbers, so that they are on many cores.
    Spread,
}

/// Whether whole caches are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caches {
    Whole,
    AsTheyCome,
}

/// Takes so many of these CPUs.
pub(super) fn take(
    machine: &Machine,
    free: &CpuSet,
    count: usize,
    options: &CpuOptions,
) -> Result<CpuSet, TakeError> {
    let order = match options.has(CpuOption::AcrossCores) {
        true => Order::Spread,
        false => Order::Packed,
    };
    if options.has(CpuOption::AcrossNodes) {
        let group = match options.has(CpuOption::WholeCores) {
            true => machine.threads().max(1),
            false => 1,
        };
        return spread::take(machine, free, count, (group, order));
    }
    let caches = match options.has(CpuOption::ByCache) {
        true => Caches::Whole,
        false => Caches::AsTheyCome,
    };
    packed::take(machine, free, count, (order, caches))
}
