//! The same number of each node, if one node is not enough: pure.
//!
//! Of all sets of as few nodes as will do, the one is taken after which the nodes have left as equally
//! much as can be.

#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use super::packed::{self, Gatherer};
use super::{Caches, Order, TakeError};
use crate::pinning::CpuSet;
use crate::pinning::machine::{Level, Machine};

/// How many CPUs are free on each node.
type Left = BTreeMap<u32, usize>;

/// Which nodes are taken from.
struct Choice {
    /// Each gives as many as the others.
    nodes: Vec<u32>,
    /// These give what cannot be shared equally.
    rest: Vec<u32>,
    /// How unequal what is left is, in thousandths.
    imbalance: u64,
}

/// Takes so many of these CPUs, in groups of one size.
pub(super) fn take(
    machine: &Machine,
    free: &CpuSet,
    count: usize,
    (group, order): (usize, Order),
) -> Result<CpuSet, TakeError> {
    let by_packing = || packed::take(machine, free, count, (order, Caches::AsTheyCome));
    if count == 0 || !count.is_multiple_of(group) {
        return by_packing();
    }
    let gatherer = Gatherer::new(machine, free, count)?;
    let nodes = gatherer.in_order(Level::Node);
    let left: Left = nodes.iter().map(|(id, free)| (*id, free.len())).collect();
    let order_of_nodes: Vec<u32> = nodes.iter().map(|(id, _)| *id).collect();
    let groups = machine.cpus.len().div_ceil(group);
    let of_a_node = groups.div_ceil(machine.count(Level::Node).max(1)).max(1);
    let needed = count / group;
    for size in needed.div_ceil(of_a_node)..=needed.min(order_of_nodes.len()) {
        if let Some(choice) = best(&order_of_nodes, size, &left, (count, group)) {
            return carry_out(&choice, gatherer, machine, (count, group, order));
        }
    }
    by_packing()
}

/// The best set of so many nodes, if there is a good one.
fn best(nodes: &[u32], size: usize, left: &Left, (count, group): (usize, usize)) -> Option<Choice> {
    let mut best: Option<Choice> = None;
    for chosen in combinations(nodes, size) {
        if best.as_ref().is_some_and(|best| best.imbalance == 0) {
            break;
        }
        let Some(choice) = judge(chosen, left, (count, group)) else {
            continue;
        };
        if best
            .as_ref()
            .is_none_or(|best| choice.imbalance < best.imbalance)
        {
            best = Some(choice);
        }
    }
    best
}

/// What is left when these nodes give; nothing when they cannot.
fn judge(nodes: Vec<u32>, left: &Left, (count, group): (usize, usize)) -> Option<Choice> {
    let groups: usize = nodes.iter().map(|node| left[node] / group).sum();
    let each = count / nodes.len() / group * group;
    if groups * group < count || nodes.iter().any(|node| left[node] < each) {
        return None;
    }
    let mut after = left.clone();
    for node in &nodes {
        *after.get_mut(node).expect("every node is known") -= each;
    }
    let remainder = count - each * nodes.len();
    if remainder == 0 {
        let imbalance = imbalance(&after);
        return Some(Choice {
            nodes,
            rest: Vec::new(),
            imbalance,
        });
    }
    let can: Vec<u32> = nodes
        .iter()
        .copied()
        .filter(|node| after[node] >= group)
        .collect();
    let mut best: Option<Choice> = None;
    for size in (1..=can.len()).rev() {
        for rest in combinations(&can, size) {
            let Some(after) = give_rest(&rest, after.clone(), (remainder, group)) else {
                continue;
            };
            let imbalance = imbalance(&after);
            if best.as_ref().is_none_or(|best| imbalance < best.imbalance) {
                best = Some(Choice {
                    nodes: nodes.clone(),
                    rest,
                    imbalance,
                });
            }
        }
    }
    best
}

/// What is left when these give the rest, a group after the other.
fn give_rest(nodes: &[u32], mut left: Left, (mut rest, group): (usize, usize)) -> Option<Left> {
    while rest > 0 {
        let before = rest;
        for node in nodes {
            let own = left.get_mut(node).expect("every node is known");
            if rest > 0 && *own >= group {
                *own -= group;
                rest -= group;
            }
        }
        if rest == before {
            return None;
        }
    }
    Some(left)
}

fn carry_out(
    choice: &Choice,
    mut gatherer: Gatherer<'_>,
    machine: &Machine,
    (count, group, order): (usize, usize, Order),
) -> Result<CpuSet, TakeError> {
    let each = count / choice.nodes.len() / group * group;
    let mut rest = count - each * choice.nodes.len();
    for node in &choice.nodes {
        take_of(&mut gatherer, machine, *node, (each, order))?;
    }
    while rest > 0 {
        for node in &choice.rest {
            let has = free_of(&gatherer, *node).len();
            if rest > 0 && has >= group {
                take_of(&mut gatherer, machine, *node, (group, order))?;
                rest -= group;
            }
        }
    }
    Ok(gatherer.taken)
}

fn take_of(
    gatherer: &mut Gatherer<'_>,
    machine: &Machine,
    node: u32,
    (count, order): (usize, Order),
) -> Result<(), TakeError> {
    let free = free_of(gatherer, node);
    let taken = packed::take(machine, &free, count, (order, Caches::AsTheyCome))?;
    gatherer.take(&taken);
    Ok(())
}

fn free_of(gatherer: &Gatherer<'_>, node: u32) -> CpuSet {
    let nodes = gatherer.in_order(Level::Node).into_iter();
    let mut found = nodes.filter(|(id, _)| *id == node);
    found.next().map(|(_, free)| free).unwrap_or_default()
}

/// The standard deviation of what is left, in thousandths.
fn imbalance(left: &Left) -> u64 {
    let numbers: Vec<f64> = left
        .values()
        .map(|number| f64::from(u32::try_from(*number).unwrap_or(u32::MAX)))
        .collect();
    let count = f64::from(u32::try_from(numbers.len()).unwrap_or(u32::MAX)).max(1.0);
    let mean = (numbers.iter().sum::<f64>() / count * 1000.0).round() / 1000.0;
    let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
    // Of at most 65536 CPUs: it is small, and not negative.
    ((squares / count).sqrt() * 1000.0).round() as u64
}

/// Every set of so many of these, in their order.
fn combinations(of: &[u32], size: usize) -> Vec<Vec<u32>> {
    if size == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (index, first) in of.iter().enumerate() {
        for mut rest in combinations(&of[index + 1..], size - 1) {
            rest.insert(0, *first);
            all.push(rest);
        }
    }
    all
}
