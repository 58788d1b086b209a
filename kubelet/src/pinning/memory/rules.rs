//! What holds for memory on this machine: how much of which node is kept from pods: pure.

#![deny(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};

use super::books::{NodeState, Table};
use super::{Amounts, MEMORY};
use crate::model::{Quantity, huge_page_size};
use crate::node::binary;
use crate::pinning::machine::Machine;

/// What is kept of one node's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Which node.
    pub node: u32,
    /// How much of each resource.
    pub amounts: BTreeMap<String, u64>,
}

/// What holds for memory on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::pinning) struct MemoryRules {
    /// The nodes as long as nobody has anything.
    pub(super) at_first: BTreeMap<u32, NodeState>,
}

impl MemoryRules {
    /// What is reserved of each node, and all that is kept from pods, on this machine.
    pub(in crate::pinning) fn new(
        machine: &Machine,
        reservations: &[Reservation],
        kept: u64,
    ) -> Result<Self, String> {
        let mut sums = Amounts::new();
        for Reservation { node, amounts } in reservations {
            if !machine.nodes.contains_key(node) {
                return Err(format!(
                    "the reserved memory configuration references a NUMA node {node} that does not \
                     exist on this machine"
                ));
            }
            for (name, bytes) in amounts {
                *sums.entry(name.clone()).or_default() += bytes;
            }
        }
        let of_sums = |name: &str| sums.get(name).copied().unwrap_or(0);
        let mut names: BTreeSet<&str> = sums.keys().map(String::as_str).collect();
        names.insert(MEMORY);
        for name in names {
            let (reserved, kept) = (of_sums(name), if name == MEMORY { kept } else { 0 });
            if reserved != kept {
                return Err(format!(
                    "the total amount {:?} of type {name:?} is not equal to the value {:?} \
                     determined by Node Allocatable feature",
                    binary(reserved),
                    binary(kept)
                ));
            }
        }
        if of_sums(MEMORY) == 0 {
            return Err("[memorymanager] you should specify the system reserved memory".to_owned());
        }
        let at_first = machine.nodes.iter().map(|(id, node)| {
            // Of several for one node the last counts.
            let own = reservations.iter().filter(|one| one.node == *id);
            let own: BTreeMap<_, _> = own.flat_map(|one| one.amounts.clone()).collect();
            let reserved = |name: &str| own.get(name).copied().unwrap_or(0);
            let (mut tables, mut in_pages) = (BTreeMap::new(), 0);
            for (size, count) in &node.huge_pages {
                let (name, total) = (page_resource(*size), size * count);
                let table = Table::new(total, reserved(&name), 0);
                tables.insert(name, table);
                in_pages += total;
            }
            let memory = Table::new(node.memory, reserved(MEMORY), in_pages);
            tables.insert(MEMORY.to_owned(), memory);
            let state = NodeState {
                number_of_assignments: 0,
                memory_map: tables,
                cells: vec![*id],
            };
            (*id, state)
        });
        Ok(Self {
            at_first: at_first.collect(),
        })
    }
}

/// `hugepages-2Mi` for 2097152.
fn page_resource(size: u64) -> String {
    format!("hugepages-{}", binary(size))
}

/// What is wrong with reservations as they are written, whatever the machine: upstream's words.
pub(in crate::pinning) fn problems<'a>(
    written: impl Iterator<Item = (i32, &'a BTreeMap<String, String>)>,
) -> Vec<String> {
    let (mut problems, mut known) = (Vec::new(), BTreeSet::new());
    for (node, limits) in written {
        for (name, amount) in limits {
            if name != MEMORY && huge_page_size(name).is_none() {
                problems.push(format!(
                    "the limit type {name:?} for NUMA node {node} is not supported, only [memory \
                     hugepages-<HugePageSize>] is accepted"
                ));
            }
            match Quantity::parse(amount) {
                Err(_) => problems.push(format!(
                    "the amount {amount:?} of {name:?} for NUMA node {node} is no quantity"
                )),
                Ok(amount) if amount.units() == 0 => problems.push(format!(
                    "reserved memory may not be zero for NUMA node {node} and resource {name:?}"
                )),
                Ok(_) => {}
            }
            if !known.insert((node, name)) {
                problems.push(format!(
                    "the reserved memory has a duplicate value for NUMA node {node} and resource \
                     {name:?}"
                ));
            }
        }
    }
    problems
}
