//! What is reserved for whom, and how that is enforced.

use super::Complaints;
use crate::config::Configuration;
use crate::pinning::CpuSet;

pub(super) fn check(configuration: &Configuration, complaints: &mut Complaints) {
    enforcements(configuration, complaints);
    complaints.when(
        !configuration.system_cgroups.is_empty() && configuration.cgroup_root.is_empty(),
        || {
            "systemCgroups (--system-cgroups) was specified and cgroupRoot (--cgroup-root) was not \
             specified"
                .to_owned()
        },
    );
    let cpus = &configuration.reserved_system_cpus;
    if !cpus.is_empty() {
        let has_cgroup = !configuration.system_reserved_cgroup.is_empty()
            || !configuration.kube_reserved_cgroup.is_empty();
        complaints.when(has_cgroup, || {
            "can't use reservedSystemCPUs (--reserved-cpus) with systemReservedCgroup \
             (--system-reserved-cgroup) or kubeReservedCgroup (--kube-reserved-cgroup)"
                .to_owned()
        });
        let invalid = CpuSet::parse(cpus).err();
        complaints.0.extend(invalid.map(|why| {
            format!("unable to parse reservedSystemCPUs (--reserved-cpus) {cpus}, error: {why}")
        }));
    }
}

fn enforcements(configuration: &Configuration, complaints: &mut Complaints) {
    let all = &configuration.enforce_node_allocatable;
    let has = |word: &str| all.iter().any(|one| one == word);
    for kind in ["system-reserved", "kube-reserved"] {
        let compressible = format!("{kind}-compressible");
        complaints.when(has(kind) && has(&compressible), || {
            format!(
                "both {kind:?} and {compressible:?} cannot be specified together in \
                 enforceNodeAllocatable (--enforce-node-allocatable)"
            )
        });
        let (cgroup, name) = match kind {
            "system-reserved" => (
                &configuration.system_reserved_cgroup,
                "systemReservedCgroup (--system-reserved-cgroup)",
            ),
            _ => (
                &configuration.kube_reserved_cgroup,
                "kubeReservedCgroup (--kube-reserved-cgroup)",
            ),
        };
        complaints.when(
            (has(kind) || has(&compressible)) && cgroup.is_empty(),
            || {
                format!(
                    "{name} must be specified when {kind:?} or {compressible:?} included in \
                 enforceNodeAllocatable (--enforce-node-allocatable)"
                )
            },
        );
    }
    complaints.when(has("none") && all.len() > 1, || {
        "enforceNodeAllocatable (--enforce-node-allocatable) may not contain additional \
         enforcements when \"none\" is specified"
            .to_owned()
    });
    for (index, word) in all.iter().enumerate() {
        complaints.when(all[..index].contains(word), || {
            format!(
                "duplicated enforcements {word:?} in enforceNodeAllocatable \
                 (--enforce-node-allocatable)"
            )
        });
        complaints.when(!KNOWN.contains(&word.as_str()), || {
            let known: Vec<_> = KNOWN.iter().map(|one| format!("{one:?}")).collect();
            format!(
                "option {word:?} specified for enforceNodeAllocatable (--enforce-node-allocatable). \
                 Valid options are {}",
                known.join(", ")
            )
        });
        complaints.when(word != "none" && !configuration.cgroups_per_qos, || {
            format!(
                "cgroupsPerQOS (--cgroups-per-qos) must be set to true when {word:?} contained in \
                 enforceNodeAllocatable (--enforce-node-allocatable)"
            )
        });
    }
}

const KNOWN: &[&str] = &[
    "pods",
    "system-reserved",
    "system-reserved-compressible",
    "kube-reserved",
    "kube-reserved-compressible",
    "none",
];
