//! What a node has for pods: pure.
#![deny(clippy::disallowed_methods)]

use super::Reserve;
use super::facts::Facts;
use super::object::binary;
use crate::admit::Amounts;

/// What is left for pods of what the machine has. Huge pages are memory, too, and not for others.
pub(super) fn allocatable(reserve: &Reserve, facts: &Facts) -> Amounts {
    let huge: u64 = facts.huge_pages.iter().map(|(_, bytes)| bytes).sum();
    let pages = facts.huge_pages.iter();
    Amounts {
        cpu_millis: reserve.cpu_millis(facts.cpus),
        memory: reserve.memory(facts.memory).saturating_sub(huge),
        ephemeral_storage: reserve.disk(facts.disk),
        scalars: pages
            .map(|(size, bytes)| (format!("hugepages-{}", binary(*size)), *bytes))
            .collect(),
    }
}
