//! What is configured of CPUs, memory and their nearness: pure.

#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::time::Duration;

use super::CpuSet;
use super::cpus::CpuOptions;
use super::memory::{self, Reservation};
use super::topology::{Scope, TopologyPolicy, TopologyRules};
use crate::config::Configuration;
use crate::model::Quantity;

/// What is wrong with an option of a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct InvalidOption(pub(super) String);

/// Who has CPUs for himself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CpuPolicy {
    /// Nobody.
    #[default]
    None,
    /// Containers of guaranteed pods that ask for whole CPUs.
    Static,
}

/// Who has memory for himself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryPolicy {
    /// Nobody.
    #[default]
    None,
    /// Containers of guaranteed pods.
    Static,
}

/// What is configured of CPUs, memory and their nearness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Who has CPUs for himself.
    pub cpus: CpuPolicy,
    /// How they are chosen.
    pub cpu_options: CpuOptions,
    /// The CPUs that nobody has for himself; so many as are reserved if none are named.
    pub reserved: CpuSet,
    /// Thousandths of CPUs that are reserved.
    pub reserved_millis: u64,
    /// How often containers are looked at, whether they may use the CPUs that they shall.
    pub period: Duration,
    /// Whether time on CPUs that a container has for itself is limited.
    pub quota: Quota,
    /// Who has memory for himself.
    pub memory: MemoryPolicy,
    /// How much of each node's memory is kept from pods.
    pub reservations: Vec<Reservation>,
    /// How much nearness matters, and for what.
    pub nearness: (TopologyPolicy, Scope),
    /// The options of that.
    pub topology_options: BTreeMap<String, String>,
}

/// Whether time on CPUs that a container has for itself is limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quota {
    /// It is not: nobody else can use it.
    #[default]
    Off,
    /// As any other time.
    Limited,
}

impl Default for Settings {
    fn default() -> Self {
        Self::of(&Configuration::default())
    }
}

impl Settings {
    /// As configured; the configuration was found valid.
    pub fn of(configuration: &Configuration) -> Self {
        let options = CpuOptions::read(configuration);
        let (policy, scope) = (
            &configuration.topology_manager_policy,
            &configuration.topology_manager_scope,
        );
        Self {
            cpus: match configuration.cpu_manager_policy.as_str() {
                "static" => CpuPolicy::Static,
                _ => CpuPolicy::None,
            },
            cpu_options: options.unwrap_or_default(),
            reserved: CpuSet::parse(&configuration.reserved_system_cpus).unwrap_or_default(),
            reserved_millis: crate::node::Reserve::of(configuration).reserved_cpu_millis(),
            period: configuration.cpu_manager_reconcile_period.to_std(),
            quota: match configuration.is_open("DisableCPUQuotaWithExclusiveCPUs") {
                true => Quota::Off,
                false => Quota::Limited,
            },
            memory: match configuration.memory_manager_policy.as_str() {
                "Static" => MemoryPolicy::Static,
                _ => MemoryPolicy::None,
            },
            reservations: reservations(configuration),
            nearness: (
                TopologyPolicy::named(policy).unwrap_or_default(),
                Scope::named(scope).unwrap_or_default(),
            ),
            topology_options: configuration.topology_manager_policy_options.clone(),
        }
    }

    /// Whether it matters where the machine's CPUs are.
    pub(crate) fn needs_machine(&self) -> bool {
        self.cpus != CpuPolicy::None
            || self.memory != MemoryPolicy::None
            || !self.reserved.is_empty()
            || self.nearness.0 != TopologyPolicy::None
    }

    /// What is wrong with a configuration, as far as that does not depend on the machine.
    pub fn problems(configuration: &Configuration) -> Vec<String> {
        let mut problems = Vec::new();
        let options = &configuration.cpu_manager_policy_options;
        match configuration.cpu_manager_policy.as_str() {
            "static" => {
                let invalid = CpuOptions::read(configuration).err();
                problems.extend(invalid.map(|why| format!("new static policy error: {why}")));
            }
            "none" | "" if options.is_empty() => {}
            "none" | "" => {
                let words: Vec<_> = options.iter().map(|(k, v)| format!("{k}:{v}")).collect();
                problems.push(format!(
                    "new none policy error: None policy: received unsupported options=map[{}]",
                    words.join(" ")
                ));
            }
            other => problems.push(format!("unknown policy: {other:?}")),
        }
        match configuration.memory_manager_policy.as_str() {
            "Static" | "None" | "" => {}
            "BestEffort" => problems
                .push("policy \"BestEffort\" is not available for platform \"linux\"".to_owned()),
            other => problems.push(format!("unknown policy: {other:?}")),
        }
        let written = configuration.reserved_memory.iter();
        problems.extend(memory::problems(
            written.map(|one| (one.numa_node, &one.limits)),
        ));
        if configuration.topology_manager_policy != "none" {
            problems.extend(TopologyRules::check(
                &configuration.topology_manager_policy_options,
            ));
        }
        problems
    }
}

/// What is written of each node's memory; it was found valid.
fn reservations(configuration: &Configuration) -> Vec<Reservation> {
    let written = configuration.reserved_memory.iter();
    let read = written.map(|one| {
        let amounts = one.limits.iter().map(|(name, text)| {
            let amount = Quantity::parse(text).map_or(0, Quantity::units);
            (name.clone(), u64::try_from(amount).unwrap_or(0))
        });
        Reservation {
            // No machine has a node of a negative number, or of this one.
            node: u32::try_from(one.numa_node).unwrap_or(u32::MAX),
            amounts: amounts.collect(),
        }
    });
    read.collect()
}

/// A value that is true or false, as Go reads them.
pub(super) fn flag(name: &str, value: &str) -> Result<bool, InvalidOption> {
    match value {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(InvalidOption(format!(
            "bad value for option {name:?}: strconv.ParseBool: parsing {value:?}: invalid syntax"
        ))),
    }
}
