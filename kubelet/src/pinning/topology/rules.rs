//! What is configured of nearness, and what is wrong with it: pure.

#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use super::NodeMask;
use crate::pinning::machine::Machine;
use crate::pinning::settings::{InvalidOption, flag};

/// More nodes make too many sets of nodes.
const MOST_NODES: usize = 8;

/// How much nearness matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TopologyPolicy {
    /// Not at all.
    #[default]
    None,
    /// Something near is given if it can be had.
    BestEffort,
    /// Without something as near as can be, a pod is not let in.
    Restricted,
    /// Everything comes from one node, or the pod is not let in.
    SingleNumaNode,
}

/// What has to be near to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// What one container has.
    #[default]
    Container,
    /// What all containers of a pod have.
    Pod,
}

/// What holds for nearness on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopologyRules {
    /// How much it matters.
    pub policy: TopologyPolicy,
    /// For what.
    pub scope: Scope,
    /// All nodes.
    pub(super) nodes: NodeMask,
    /// Distances between nodes, where the shorter one is better than the lower number.
    pub(super) distances: Option<BTreeMap<u32, Vec<u64>>>,
}

/// The options of the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Options {
    is_closest_best: bool,
    most_nodes: usize,
}

impl TopologyPolicy {
    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "none" => Self::None,
            "best-effort" => Self::BestEffort,
            "restricted" => Self::Restricted,
            "single-numa-node" => Self::SingleNumaNode,
            _ => return None,
        })
    }
}

impl Scope {
    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "container" => Some(Self::Container),
            "pod" => Some(Self::Pod),
            _ => None,
        }
    }
}

impl TopologyRules {
    /// What is configured, on this machine.
    pub fn new(
        (policy, scope): (TopologyPolicy, Scope),
        options: &BTreeMap<String, String>,
        machine: &Machine,
    ) -> Result<Self, String> {
        if policy == TopologyPolicy::None {
            return Ok(Self::default());
        }
        let options = read(options).map_err(|invalid| invalid.to_string())?;
        if machine.nodes.len() > options.most_nodes {
            let most = options.most_nodes;
            return Err(format!(
                "unsupported on machines with more than {most} NUMA Nodes"
            ));
        }
        let distances = machine.nodes.iter();
        let distances = distances.map(|(id, node)| (*id, node.distances.clone()));
        let distances: BTreeMap<_, _> = distances.collect();
        if options.is_closest_best && distances.values().any(Vec::is_empty) {
            return Err(
                "cannot discover NUMA topology: error getting NUMA distances from cadvisor"
                    .to_owned(),
            );
        }
        let is_by_distance = options.is_closest_best && policy != TopologyPolicy::SingleNumaNode;
        Ok(Self {
            policy,
            scope,
            nodes: machine.nodes.keys().copied().collect(),
            distances: is_by_distance.then_some(distances),
        })
    }

    /// What is wrong with the options, whatever the machine.
    pub fn check(options: &BTreeMap<String, String>) -> Option<String> {
        read(options).err().map(|invalid| invalid.to_string())
    }

    /// All nodes.
    pub(in crate::pinning) fn nodes(&self) -> NodeMask {
        self.nodes
    }

    /// Whether what is let in is surely near to each other.
    pub(in crate::pinning) fn is_sure(&self) -> bool {
        self.policy == TopologyPolicy::SingleNumaNode
    }
}

fn read(options: &BTreeMap<String, String>) -> Result<Options, InvalidOption> {
    let mut read = Options {
        is_closest_best: false,
        most_nodes: MOST_NODES,
    };
    for (name, value) in options {
        match name.as_str() {
            "prefer-closest-numa-nodes" => read.is_closest_best = flag(name, value)?,
            "max-allowable-numa-nodes" => read.most_nodes = most_nodes(name, value)?,
            _ => {
                return Err(InvalidOption(format!(
                    "unknown Topology Manager Policy option: {name:?}"
                )));
            }
        }
    }
    Ok(read)
}

fn most_nodes(name: &str, value: &str) -> Result<usize, InvalidOption> {
    let number: i64 = value.parse().map_err(|_| {
        InvalidOption(format!(
            "unable to convert policy option to integer {name:?}: strconv.Atoi: parsing {value:?}: \
             invalid syntax"
        ))
    })?;
    usize::try_from(number)
        .ok()
        .filter(|number| *number >= MOST_NODES)
        .ok_or_else(|| {
            InvalidOption(format!(
                "the minimum value of {name:?} should not be less than {MOST_NODES}"
            ))
        })
}
