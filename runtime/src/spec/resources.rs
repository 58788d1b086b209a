//! The cgroup limits of a container, in the terms of the OCI spec.

use std::collections::HashMap;

use oci_spec::runtime::{
    LinuxCpu, LinuxHugepageLimit, LinuxHugepageLimitBuilder, LinuxMemory, LinuxResources,
};

use super::{CgroupMode, HostFacts, Note, SpecError};
use crate::model::config::Resources;

/// The limits that a request sets; what it leaves open stays unset. Device rules are not among
/// them: they never change while a container lives.
pub fn limits(
    asked: &Resources,
    host: &HostFacts,
    notes: &mut Vec<Note>,
) -> Result<LinuxResources, SpecError> {
    let mut resources = LinuxResources::default();
    resources.set_devices(None);
    resources.set_memory(memory(asked, host, notes)?);
    resources.set_cpu(cpu(asked)?);
    resources.set_hugepage_limits(hugepages(asked)?);
    resources.set_unified(unified(asked, host)?);
    Ok(resources)
}

fn memory(
    asked: &Resources,
    host: &HostFacts,
    notes: &mut Vec<Note>,
) -> Result<Option<LinuxMemory>, SpecError> {
    let limit = checked_bytes("memory limit", asked.memory_limit)?;
    let swap = checked_bytes("memory and swap limit", asked.memory_swap_limit)?;
    if let (Some(limit), Some(swap)) = (limit, swap)
        && swap != -1
        && (limit == -1 || swap < limit)
    {
        return Err(SpecError::Resource(
            "memory and swap limit",
            swap.to_string(),
        ));
    }
    if limit.is_none() && swap.is_none() {
        return Ok(None);
    }
    let mut memory = LinuxMemory::default();
    memory.set_limit(limit);
    if host.swap_limit {
        // Without a word about swap a limited container gets none.
        memory.set_swap(swap.or(limit));
    } else if swap.is_some_and(|swap| Some(swap) != limit) {
        notes.push(Note::SwapNotLimited);
    }
    Ok(Some(memory))
}

fn cpu(asked: &Resources) -> Result<Option<LinuxCpu>, SpecError> {
    let mut cpu = LinuxCpu::default();
    cpu.set_shares(asked.cpu_shares);
    cpu.set_period(asked.cpu_period);
    cpu.set_quota(asked.cpu_quota);
    cpu.set_cpus(checked_list("cpuset cpus", &asked.cpuset_cpus)?);
    cpu.set_mems(checked_list("cpuset mems", &asked.cpuset_mems)?);
    Ok(Some(cpu).filter(|cpu| *cpu != LinuxCpu::default()))
}

fn hugepages(asked: &Resources) -> Result<Option<Vec<LinuxHugepageLimit>>, SpecError> {
    let limit = |(size, &bytes): (&String, &u64)| {
        if !is_page_size(size) {
            return Err(SpecError::Resource("huge page size", size.clone()));
        }
        let bytes = i64::try_from(bytes)
            .map_err(|_| SpecError::Resource("huge page limit", bytes.to_string()))?;
        let builder = LinuxHugepageLimitBuilder::default()
            .page_size(size.clone())
            .limit(bytes);
        Ok(builder.build().expect("every field is set"))
    };
    let limits: Vec<_> = asked
        .hugepage_limits
        .iter()
        .map(limit)
        .collect::<Result<_, _>>()?;
    Ok(Some(limits).filter(|limits| !limits.is_empty()))
}

fn unified(
    asked: &Resources,
    host: &HostFacts,
) -> Result<Option<HashMap<String, String>>, SpecError> {
    if asked.unified.is_empty() {
        return Ok(None);
    }
    let is_possible = |(key, value): &(&String, &String)| {
        host.cgroup_mode == CgroupMode::V2 && is_controller_file(key) && !value.contains('\0')
    };
    match asked.unified.iter().find(|entry| !is_possible(entry)) {
        Some((key, _)) => Err(SpecError::Resource("unified", key.clone())),
        None => Ok(Some(asked.unified.clone().into_iter().collect())),
    }
}

fn checked_bytes(name: &'static str, bytes: Option<i64>) -> Result<Option<i64>, SpecError> {
    match bytes {
        Some(bytes) if bytes < -1 || bytes == 0 => {
            Err(SpecError::Resource(name, bytes.to_string()))
        }
        bytes => Ok(bytes),
    }
}

/// A list such as `0-2,7`; empty is unset.
fn checked_list(name: &'static str, list: &str) -> Result<Option<String>, SpecError> {
    if list.contains(|c: char| !c.is_ascii_digit() && c != '-' && c != ',') {
        return Err(SpecError::Resource(name, list.to_owned()));
    }
    Ok(Some(list.to_owned()).filter(|list| !list.is_empty()))
}

/// `64KB`, `2MB`, `1GB`.
fn is_page_size(size: &str) -> bool {
    let digits = ["KB", "MB", "GB"]
        .iter()
        .find_map(|unit| size.strip_suffix(unit));
    digits.is_some_and(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A file of a controller, such as `memory.high`: no path, and none of the cgroup's own files,
/// which move, kill or freeze processes.
fn is_controller_file(key: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._".contains(c);
    let controller = key.split('.').next().unwrap_or_default();
    key.chars().all(is_plain)
        && key.len() > controller.len() + 1
        && !controller.is_empty()
        && controller != "cgroup"
        && !key.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::fixture;

    fn run(asked: &Resources) -> Result<LinuxResources, SpecError> {
        limits(asked, &fixture::host(), &mut Vec::new())
    }

    fn memory_of(limit: i64, swap: i64) -> Option<(Option<i64>, Option<i64>)> {
        let given = |bytes| Some(bytes).filter(|&bytes| bytes != 0);
        let asked = Resources {
            memory_limit: given(limit),
            memory_swap_limit: given(swap),
            ..Default::default()
        };
        let memory = run(&asked).ok()?.memory().unwrap_or_default();
        Some((memory.limit(), memory.swap()))
    }

    #[test]
    fn a_request_without_limits_sets_none() {
        let resources = run(&Resources::default()).unwrap();
        assert!(resources.memory().is_none() && resources.cpu().is_none());
        assert!(resources.devices().is_none() && resources.unified().is_none());
    }

    #[test]
    fn a_memory_limit_without_a_word_about_swap_forbids_swapping() {
        assert_eq!(memory_of(100, 0), Some((Some(100), Some(100))));
        assert_eq!(memory_of(100, 150), Some((Some(100), Some(150))));
        assert_eq!(memory_of(100, -1), Some((Some(100), Some(-1))));
        assert_eq!(memory_of(-1, 0), Some((Some(-1), Some(-1))));
    }

    #[test]
    fn limits_that_contradict_each_other_are_refused() {
        for (limit, swap) in [(100, 50), (-1, 100), (-2, 0), (i64::MIN, 0), (100, -7)] {
            assert_eq!(memory_of(limit, swap), None, "{limit} {swap}");
        }
    }

    #[test]
    fn a_kernel_that_cannot_limit_swap_is_noted_when_it_matters() {
        let host = HostFacts {
            swap_limit: false,
            ..fixture::host()
        };
        for (swap, expected) in [(None, 0), (Some(100), 0), (Some(200), 1)] {
            let asked = Resources {
                memory_limit: Some(100),
                memory_swap_limit: swap,
                ..Default::default()
            };
            let mut notes = Vec::new();
            let resources = limits(&asked, &host, &mut notes).unwrap();
            assert_eq!(resources.memory().unwrap().swap(), None);
            assert_eq!(notes.len(), expected);
        }
    }

    #[test]
    fn texts_that_go_into_files_are_checked() {
        let cpus = |list: &str| Resources {
            cpuset_cpus: list.to_owned(),
            ..Default::default()
        };
        assert!(run(&cpus("0-2,7")).is_ok());
        for list in ["0\n1", "0 1", "all", "$(id)"] {
            assert!(run(&cpus(list)).is_err(), "{list:?}");
        }
        for size in ["", "MB", "2XB", "2MB/../x", "-2MB"] {
            let hugepage_limits = [(size.to_owned(), 1)].into();
            let asked = Resources {
                hugepage_limits,
                ..Default::default()
            };
            assert!(run(&asked).is_err(), "{size:?}");
        }
    }

    #[test]
    fn unified_keys_are_files_of_controllers_on_the_unified_hierarchy_only() {
        let host = HostFacts {
            cgroup_mode: CgroupMode::V2,
            ..fixture::host()
        };
        let run = |key: &str, host: &HostFacts| {
            let unified = [(key.to_owned(), "1".to_owned())].into();
            limits(
                &Resources {
                    unified,
                    ..Default::default()
                },
                host,
                &mut Vec::new(),
            )
        };
        assert!(run("memory.oom.group", &host).is_ok() && run("hugetlb.2mb.max", &host).is_ok());
        assert!(run("memory.high", &fixture::host()).is_err());
        for key in [
            "",
            "memory",
            "memory.",
            ".x",
            "../memory.max",
            "memory./x",
            "cgroup.procs",
        ] {
            assert!(run(key, &host).is_err(), "{key:?}");
        }
    }
}
