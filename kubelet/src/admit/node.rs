//! What has to be known of the node to let a pod in.

use std::collections::BTreeSet;

use super::Amounts;
use crate::allocation::ResizeRules;
use crate::evict::Pressure;
use crate::model::StringMap;
use crate::shutdown::Machine;

/// What has to be known of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFacts {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: StringMap,
    /// What it has for pods.
    pub allocatable: Amounts,
    /// How many pods it takes.
    pub pods: u64,
    /// Kernel parameters beyond the safe ones that pods may set; `*` at the end stands for any rest.
    pub allowed_unsafe_sysctls: Vec<String>,
    /// Whether profiles of AppArmor can be enforced.
    pub app_armor: AppArmor,
    /// Which policies of supplemental groups its runtime has.
    pub groups: GroupPolicies,
    /// What it is short of.
    pub pressures: BTreeSet<Pressure>,
    /// Whether the machine goes down.
    pub machine: Machine,
    /// The features that it declares; none when it declares nothing at all.
    pub declared: Option<Vec<&'static str>>,
    /// What stands against other sizes of containers that run.
    pub resizing: ResizeRules,
}

/// Which policies of supplemental groups a runtime has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum GroupPolicies {
    /// Both, or it has not said yet.
    #[default]
    All,
    /// `Merge` alone.
    MergeAlone,
}

/// Whether profiles of AppArmor can be enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AppArmor {
    /// They can.
    Enforced,
    /// The kernel does not have it, or it is off.
    Absent,
}

impl NodeFacts {
    /// A node with room for everything.
    #[cfg(test)]
    pub(crate) fn boundless() -> Self {
        Self {
            name: "node-a".to_owned(),
            labels: StringMap::new(),
            allocatable: Amounts {
                cpu_millis: u64::MAX,
                memory: u64::MAX,
                ephemeral_storage: u64::MAX,
                scalars: std::collections::BTreeMap::new(),
            },
            pods: u64::MAX,
            allowed_unsafe_sysctls: Vec::new(),
            app_armor: AppArmor::Enforced,
            groups: GroupPolicies::All,
            pressures: BTreeSet::new(),
            machine: Machine::Stays,
            declared: None,
            resizing: ResizeRules::default(),
        }
    }
}
