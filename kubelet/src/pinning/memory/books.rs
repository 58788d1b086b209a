//! How much of which node is whose: pure.
//!
//! A node gives either to containers that have all their memory of it, or to containers that have theirs of
//! one and the same group of nodes: else what one needs of its node could be taken by another's group.

#![deny(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Amounts;
use super::rules::MemoryRules;
use crate::model::{Pod, PodUid};
use crate::pinning::Holder;
use crate::pinning::topology::{Hint, NodeMask, prefer};

/// What there is of one resource on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Table {
    pub(super) total: u64,
    pub(super) system_reserved: u64,
    pub(super) allocatable: u64,
    pub(super) reserved: u64,
    pub(super) free: u64,
}

impl Table {
    pub(super) fn new(total: u64, system_reserved: u64, other: u64) -> Self {
        let allocatable = total.saturating_sub(system_reserved).saturating_sub(other);
        Self {
            total,
            system_reserved,
            allocatable,
            reserved: 0,
            free: allocatable,
        }
    }
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeState {
    pub(super) number_of_assignments: i64,
    pub(super) memory_map: BTreeMap<String, Table>,
    /// The nodes of its group.
    pub(super) cells: Vec<u32>,
}

/// What a container has of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::pinning) struct Block {
    /// The nodes it is of.
    #[serde(rename = "numaAffinity")]
    pub(in crate::pinning) nodes: Vec<u32>,
    /// Which resource.
    #[serde(rename = "type")]
    pub(in crate::pinning) resource: String,
    /// Bytes.
    pub(in crate::pinning) size: u64,
}

/// Memory of init containers of a pod, which have ended when the others run.
pub(in crate::pinning) type Reusable = BTreeMap<NodeMask, Amounts>;

/// Who has how much of which node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::pinning) struct MemoryBooks {
    pub(super) nodes: BTreeMap<u32, NodeState>,
    pub(in crate::pinning) held: BTreeMap<Holder, Vec<Block>>,
}

/// What a container wishes for.
#[derive(Clone, Copy, Debug)]
struct Wish<'a> {
    amounts: &'a Amounts,
    reusable: &'a Reusable,
}

impl MemoryBooks {
    /// Goes on with books that were left, if they can be right on this machine.
    pub(in crate::pinning) fn resume(self, rules: &MemoryRules) -> Result<Self, String> {
        let Self { nodes, held } = self;
        let mut expected = Self {
            nodes: rules.at_first.clone(),
            held: BTreeMap::new(),
        };
        if nodes.is_empty() {
            if !held.is_empty() {
                return Err(
                    "[memorymanager] machine state can not be empty when it has memory assignments"
                        .to_owned(),
                );
            }
            return Ok(expected);
        }
        for (holder, blocks) in &held {
            let told = |what: &str| {
                let Holder { pod, container } = holder;
                Err(format!(
                    "[memorymanager] (pod: {pod}, container: {container}) the memory assignment uses \
                     {what} that does not exist"
                ))
            };
            for block in blocks {
                for node in &block.nodes {
                    let Some(known) = expected.nodes.get(node) else {
                        return told("the NUMA");
                    };
                    if !known.memory_map.contains_key(&block.resource) {
                        return told("memory resource");
                    }
                }
                expected.take(&block.nodes, &block.resource, block.size);
            }
        }
        if !is_same(&nodes, &expected.nodes) {
            return Err(
                "[memorymanager] the expected machine state is different from the real one"
                    .to_owned(),
            );
        }
        Ok(Self { nodes, held })
    }

    /// What a container has.
    pub(in crate::pinning) fn of(&self, holder: &Holder) -> &[Block] {
        self.held.get(holder).map_or(&[], Vec::as_slice)
    }

    /// What can be had of each node.
    pub(in crate::pinning) fn allocatable(&self) -> Vec<Block> {
        let all = self.nodes.iter().flat_map(|(id, node)| {
            let tables = node
                .memory_map
                .iter()
                .filter(|(_, table)| table.allocatable > 0);
            tables.map(|(name, table)| Block {
                nodes: vec![*id],
                resource: name.clone(),
                size: table.allocatable,
            })
        });
        all.collect()
    }

    /// Sees to it that a container of a pod has what it wishes for; `is_step` is said of init containers
    /// that have ended when the next one runs.
    pub(in crate::pinning) fn settle(
        &mut self,
        pod: &Pod,
        (holder, amounts): (&Holder, &Amounts),
        near: Hint,
        reusable: &mut Reusable,
    ) -> Result<(), String> {
        if let Some(own) = self.held.get(holder) {
            reuse(reusable, own, is_step(pod, holder));
            return Ok(());
        }
        let nodes = self.choose(Wish { amounts, reusable }, near)?;
        let cells: Vec<u32> = nodes.iter().collect();
        let mut own = Vec::new();
        for (name, size) in amounts {
            own.push(Block {
                nodes: cells.clone(),
                resource: name.clone(),
                size: *size,
            });
            let again = reusable.get(&nodes).and_then(|amounts| amounts.get(name));
            self.take(
                &cells,
                name,
                size.saturating_sub(again.copied().unwrap_or(0)),
            );
        }
        reuse(reusable, &own, is_step(pod, holder));
        self.held.insert(holder.clone(), own.clone());
        self.shrink_steps(pod, holder, &own);
        Ok(())
    }

    /// The nodes that a wish is granted from.
    fn choose(&self, wish: Wish<'_>, near: Hint) -> Result<NodeMask, String> {
        let told = |what: &str| Err(format!("[memorymanager] {what}"));
        let possible = self.possible(wish);
        let mut chosen = match near.nodes {
            Some(nodes) => Hint {
                nodes: Some(nodes),
                ..near
            },
            None => match best(&possible) {
                None => {
                    return told(
                        "failed to get the default NUMA affinity, no NUMA nodes with enough memory \
                         is available",
                    );
                }
                Some(best) if !best.preferred && near.preferred => {
                    return told("failed to find the default preferred hint");
                }
                Some(best) => best,
            },
        };
        let mut nodes = chosen.nodes.unwrap_or_default();
        let has_free = self.has_free(nodes, wish.amounts);
        if !has_free || !self.may_give(nodes) {
            let wider = possible
                .iter()
                .copied()
                .filter(|hint| hint.nodes.is_some_and(|wider| wider.common(nodes) == nodes));
            let wider: Vec<Hint> = wider.collect();
            chosen = match best(&wider) {
                None if has_free => return told("preferred hint violates NUMA node allocation"),
                None => {
                    return told("failed to find NUMA nodes to extend the current topology hint");
                }
                Some(best) if !best.preferred && chosen.preferred => {
                    return told("failed to find the extended preferred hint");
                }
                Some(best) => best,
            };
            nodes = chosen.nodes.unwrap_or_default();
        }
        Ok(nodes)
    }

    /// Nodes that a wish could be granted from.
    fn possible(&self, wish: Wish<'_>) -> Vec<Hint> {
        let all: Vec<u32> = self.nodes.keys().copied().collect();
        let mut fewest = all.len();
        let mut possible = Vec::new();
        for mask in NodeMask::subsets(&all) {
            let sum = |of: fn(&Table) -> u64, name: &str| -> u64 {
                let tables = mask.iter().filter_map(|node| self.table(node, name));
                tables.map(of).sum()
            };
            let mut amounts = wish.amounts.iter();
            if !amounts.all(|(name, size)| sum(|table| table.allocatable, name) >= *size) {
                continue;
            }
            fewest = fewest.min(mask.count());
            let again = |name: &str| {
                let own = wish
                    .reusable
                    .get(&mask)
                    .and_then(|amounts| amounts.get(name));
                own.copied().unwrap_or(0)
            };
            let is_free = |(name, size): (&String, &u64)| {
                sum(|table| table.free, name) + again(name) >= *size
            };
            if self.may_give(mask) && wish.amounts.iter().all(is_free) {
                possible.push(mask);
            }
        }
        prefer(possible, fewest)
    }

    /// Whether these nodes can give: one that is in no group, or a group.
    fn may_give(&self, nodes: NodeMask) -> bool {
        let is_alone = |node| {
            self.nodes
                .get(&node)
                .is_some_and(|node| node.cells.len() <= 1)
        };
        match nodes.count() {
            1 => nodes.iter().all(is_alone),
            _ => nodes.iter().all(|node| self.may_group(node, nodes)),
        }
    }

    /// Whether a node can give as one of a group.
    fn may_group(&self, node: u32, group: NodeMask) -> bool {
        self.nodes.get(&node).is_some_and(|node| {
            let cells: NodeMask = node.cells.iter().copied().collect();
            node.number_of_assignments == 0 || (node.cells.len() > 1 && cells == group)
        })
    }

    fn table(&self, node: u32, name: &str) -> Option<&Table> {
        self.nodes.get(&node)?.memory_map.get(name)
    }

    fn has_free(&self, nodes: NodeMask, amounts: &Amounts) -> bool {
        amounts.iter().all(|(name, size)| {
            let tables = nodes.iter().filter_map(|node| self.table(node, name));
            tables.map(|table| table.free).sum::<u64>() >= *size
        })
    }

    /// Takes so much of these nodes, of each as much as it has.
    fn take(&mut self, nodes: &[u32], resource: &str, mut size: u64) {
        for id in nodes {
            let Some(node) = self.nodes.get_mut(id) else {
                continue;
            };
            node.number_of_assignments += 1;
            nodes.clone_into(&mut node.cells);
            if let Some(table) = node.memory_map.get_mut(resource) {
                let own = size.min(table.free);
                table.free -= own;
                table.reserved += own;
                size -= own;
            }
        }
    }

    fn give_back(&mut self, block: &Block) {
        let mut size = block.size;
        for id in &block.nodes {
            let Some(node) = self.nodes.get_mut(id) else {
                continue;
            };
            node.number_of_assignments -= 1;
            if node.number_of_assignments == 0 {
                node.cells = vec![*id];
            }
            if let Some(table) = node.memory_map.get_mut(&block.resource) {
                let own = size.min(table.reserved);
                table.free += own;
                table.reserved -= own;
                size -= own;
            }
        }
    }

    /// What a container uses again is not counted as its init containers' any more.
    fn shrink_steps(&mut self, pod: &Pod, holder: &Holder, own: &[Block]) {
        let steps = pod.spec.init_containers.iter();
        let steps = steps.take_while(|one| one.name.as_str() != holder.container);
        let steps: Vec<Holder> = steps
            .filter(|one| !one.is_sidecar())
            .map(|one| Holder::of(pod, one))
            .collect();
        for block in own {
            let mut left = block.size;
            for step in &steps {
                let blocks = self.held.get_mut(step).into_iter().flatten();
                let same =
                    blocks.filter(|one| one.resource == block.resource && one.nodes == block.nodes);
                for one in same {
                    let used = left.min(one.size);
                    one.size -= used;
                    left -= used;
                }
            }
        }
    }

    /// A container is made: init containers before it have ended, and what they have is free.
    pub(in crate::pinning) fn made(&mut self, pod: &Pod, container: &str) -> bool {
        let steps = pod.spec.init_containers.iter();
        let steps = steps.take_while(|one| one.name.as_str() != container);
        let gone: BTreeSet<Holder> = steps
            .filter(|one| !one.is_sidecar())
            .map(|one| Holder::of(pod, one))
            .collect();
        self.release(|holder| gone.contains(holder))
    }

    /// Nodes of which a container's memory could be.
    pub(in crate::pinning) fn hints(
        &self,
        holder: &Holder,
        amounts: &Amounts,
        reusable: &Reusable,
    ) -> BTreeMap<String, Option<Vec<Hint>>> {
        if let Some(own) = self.held.get(holder) {
            return as_given(own);
        }
        let hints = self.possible(Wish { amounts, reusable });
        // Who cannot have it anywhere is told so when it shall be taken.
        let names = amounts.keys().filter(|_| !hints.is_empty());
        names
            .map(|name| (name.clone(), Some(hints.clone())))
            .collect()
    }

    /// Nodes of which all memory of a pod could be.
    pub(in crate::pinning) fn hints_of_pod(
        &self,
        pod: &Pod,
        amounts: &Amounts,
    ) -> BTreeMap<String, Option<Vec<Hint>>> {
        let mut containers = pod.spec.init_containers.iter().chain(&pod.spec.containers);
        let own = containers.find_map(|one| self.held.get(&Holder::of(pod, one)));
        match own {
            Some(own) => as_given(own),
            None => {
                let nobody = Holder {
                    pod: pod.uid.clone(),
                    container: String::new(),
                };
                self.hints(&nobody, amounts, &Reusable::new())
            }
        }
    }

    /// Takes memory from pods that do not need it any more; whether there was any.
    pub(in crate::pinning) fn keep_only(&mut self, pods: &BTreeSet<PodUid>) -> bool {
        self.release(|holder| !pods.contains(&holder.pod))
    }

    /// Takes its memory from a pod; whether it had any.
    pub(in crate::pinning) fn release_pod(&mut self, pod: &PodUid) -> bool {
        self.release(|holder| holder.pod == *pod)
    }

    fn release(&mut self, is_gone: impl Fn(&Holder) -> bool) -> bool {
        let gone: Vec<Holder> = self
            .held
            .keys()
            .filter(|one| is_gone(one))
            .cloned()
            .collect();
        for holder in &gone {
            for block in self.held.remove(holder).unwrap_or_default() {
                self.give_back(&block);
            }
        }
        !gone.is_empty()
    }
}

/// Hints that say what was given.
fn as_given(own: &[Block]) -> BTreeMap<String, Option<Vec<Hint>>> {
    let hints = own.iter().map(|block| {
        let hint = Hint {
            nodes: Some(block.nodes.iter().copied().collect()),
            preferred: true,
        };
        (block.resource.clone(), Some(vec![hint]))
    });
    hints.collect()
}

/// The preferred one with the fewest nodes.
fn best(hints: &[Hint]) -> Option<Hint> {
    let by_fit = |hint: &&Hint| {
        let nodes = hint.nodes.unwrap_or_default();
        (!hint.preferred, nodes.count(), nodes)
    };
    hints.iter().min_by_key(by_fit).copied()
}

fn is_step(pod: &Pod, holder: &Holder) -> bool {
    let mut steps = pod.spec.init_containers.iter();
    steps.any(|one| one.name.as_str() == holder.container && !one.is_sidecar())
}

/// What a container has is there for the next ones, or used again by it.
fn reuse(reusable: &mut Reusable, own: &[Block], is_step: bool) {
    for block in own {
        let nodes: NodeMask = block.nodes.iter().copied().collect();
        let amounts = reusable.entry(nodes).or_default();
        let has = amounts.entry(block.resource.clone()).or_default();
        *has = match is_step {
            true => (*has).max(block.size),
            false => has.saturating_sub(block.size),
        };
    }
}

/// Whether two say the same: within a group it does not matter which node has given what.
fn is_same(nodes: &BTreeMap<u32, NodeState>, others: &BTreeMap<u32, NodeState>) -> bool {
    let shape = |nodes: &BTreeMap<u32, NodeState>| -> Vec<_> {
        let rows = nodes.iter().flat_map(|(id, node)| {
            let mut cells = node.cells.clone();
            cells.sort_unstable();
            let tables = node.memory_map.iter().map(move |(name, table)| {
                let of_group = cells.iter().filter_map(|cell| {
                    let table = nodes.get(cell)?.memory_map.get(name)?;
                    Some((table.free, table.reserved))
                });
                let (free, reserved) = of_group.fold((0, 0), |(free, reserved), one| {
                    (free + one.0, reserved + one.1)
                });
                let fixed = [table.total, table.system_reserved, table.allocatable];
                (
                    *id,
                    node.number_of_assignments,
                    cells.clone(),
                    name,
                    fixed,
                    free,
                    reserved,
                )
            });
            tables.collect::<Vec<_>>()
        });
        rows.map(|row| format!("{row:?}")).collect()
    };
    let keys = |nodes: &BTreeMap<u32, NodeState>| nodes.keys().copied().collect::<Vec<_>>();
    keys(nodes) == keys(others) && shape(nodes) == shape(others)
}
