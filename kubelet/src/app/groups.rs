//! From a configuration to what cgroups say: pure.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use crate::config::Configuration;
use crate::model::Quantity;
use crate::resource::{
    Bandwidth, Enforced, GroupSettings, Machine, OutOfMemory, Reserved, Shape, SwapBehaviour,
};

/// What is configured of the cgroups above the pods.
pub(super) fn groups(configuration: &Configuration) -> GroupSettings {
    let enforced = configuration.enforce_node_allocatable.iter();
    let is_open = configuration.is_open("QOSReserved");
    let percent = configuration.qos_reserved.get("memory");
    GroupSettings {
        enforced: enforced.filter_map(|word| enforcement(word)).collect(),
        system: reserved(
            &configuration.system_reserved,
            &configuration.system_reserved_cgroup,
        ),
        kube: reserved(
            &configuration.kube_reserved,
            &configuration.kube_reserved_cgroup,
        ),
        memory_reserved: percent
            .filter(|_| is_open)
            .and_then(|text| text.trim_end_matches('%').parse().ok()),
        pod_pids: u64::try_from(configuration.pod_pids_limit)
            .ok()
            .filter(|most| *most > 0),
    }
}

fn enforcement(word: &str) -> Option<Enforced> {
    Some(match word {
        "pods" => Enforced::Pods,
        "system-reserved" => Enforced::System,
        "system-reserved-compressible" => Enforced::SystemCompressible,
        "kube-reserved" => Enforced::Kube,
        "kube-reserved-compressible" => Enforced::KubeCompressible,
        _ => return None,
    })
}

fn reserved(words: &BTreeMap<String, String>, cgroup: &str) -> Reserved {
    let quantity = |name: &str| Quantity::parse(words.get(name)?).ok();
    let whole = |value: i128| u64::try_from(value).ok();
    Reserved {
        cpu_millis: quantity("cpu").and_then(|cpu| whole(cpu.millis())),
        memory: quantity("memory").and_then(|memory| whole(memory.units())),
        pids: quantity("pid").and_then(|pids| whole(pids.units())),
        cgroup: cgroup.to_owned(),
    }
}

/// What of their containers' resources the node decides.
pub(super) fn shape(configuration: &Configuration) -> Shape {
    let period = configuration.cpu_cfs_quota_period.to_std();
    Shape {
        bandwidth: if configuration.cpu_cfs_quota {
            Bandwidth::Limited {
                period: u64::try_from(period.as_micros()).unwrap_or(100_000),
            }
        } else {
            Bandwidth::Unlimited
        },
        swap: match configuration.memory_swap.swap_behavior.as_str() {
            "LimitedSwap" => SwapBehaviour::LimitedSwap,
            _ => SwapBehaviour::NoSwap,
        },
        out_of_memory: match configuration.single_process_oom_kill {
            Some(true) => OutOfMemory::Process,
            _ => OutOfMemory::Container,
        },
        machine: Machine::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reservations_and_limits_are_as_configured() {
        let mut configuration = Configuration::default();
        let words = [("cpu", "500m"), ("memory", "1Gi"), ("pid", "1000")];
        let words = words.map(|(name, value)| (name.to_owned(), value.to_owned()));
        configuration.system_reserved = words.into();
        configuration.system_reserved_cgroup = "/system".to_owned();
        configuration.pod_pids_limit = 100;
        configuration.qos_reserved = [("memory".to_owned(), "50%".to_owned())].into();
        assert_eq!(groups(&configuration).memory_reserved, None);
        configuration.feature_gates = [("QOSReserved".to_owned(), true)].into();
        let groups = groups(&configuration);
        assert_eq!(groups.enforced, [Enforced::Pods].into());
        assert_eq!(groups.system.cpu_millis, Some(500));
        assert_eq!(groups.system.memory, Some(1 << 30));
        assert_eq!(groups.system.pids, Some(1000));
        assert_eq!(
            (groups.pod_pids, groups.memory_reserved),
            (Some(100), Some(50))
        );
        configuration.cpu_cfs_quota = false;
        assert_eq!(shape(&configuration).bandwidth, Bandwidth::Unlimited);
    }
}
