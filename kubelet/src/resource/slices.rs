//! Cgroups of pods where systemd makes them: slices, which are limited through it and not by files.
//!
//! ```text
//! kubepods.slice                                      all pods
//! ├─ kubepods-burstable.slice                         a class
//! │  └─ kubepods-burstable-podUID.slice               a pod; dashes of its UID are underscores
//! └─ kubepods-podUID.slice                            a guaranteed pod
//! ```
//!
//! What is written to its files would be undone by systemd at the next reload. Huge pages are not known
//! to it, so slices do not limit them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use podling_systemd::{Property, Started, Systemd, SystemdError, path_of_slice};

use super::cgroup::v2_weight;
use crate::model::PodUid;

const TOP: &str = "/sys/fs/cgroup";
const SECOND: u64 = 1_000_000;
/// systemd keeps a quota in whole percents: what is finer is rounded up, so that a container's own
/// still fits below its pod's.
const PERCENT: u64 = SECOND / 100;

/// What a slice is limited to; what is `None` stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SliceLimits {
    /// Weight of its CPU time, as shares.
    pub(super) cpu_shares: Option<u64>,
    /// CPU time and the period that it is for, in microseconds.
    pub(super) cpu_quota: Option<(u64, u64)>,
    /// Bytes of memory.
    pub(super) memory: Option<u64>,
    /// Processes and threads.
    pub(super) pids: Option<u64>,
}

/// Begins a slice, or changes the one that is there.
pub(super) fn state(
    systemd: &Systemd,
    slice: &str,
    limits: &SliceLimits,
) -> Result<(), SystemdError> {
    let limits = properties(limits);
    let new = of_a_new_slice().into_iter().chain(limits.clone());
    match systemd.start(slice, &new.collect::<Vec<_>>())? {
        Started::New => Ok(()),
        Started::WasThere if limits.is_empty() => Ok(()),
        Started::WasThere => systemd.change(slice, &limits),
    }
}

/// Changes a slice that others have made.
pub(super) fn change(
    systemd: &Systemd,
    slice: &str,
    limits: &SliceLimits,
) -> Result<(), SystemdError> {
    systemd.change(slice, &properties(limits))
}

/// Bytes that everything in a slice has now.
pub(super) fn memory(slice: &str) -> Option<u64> {
    let path = path_of_slice(slice).ok()?;
    let text = std::fs::read_to_string(format!("{TOP}{path}/memory.current"));
    text.ok()?.trim().parse().ok()
}

/// Pods that have a slice in that of a class.
pub(super) fn pods(class: &str) -> BTreeSet<PodUid> {
    let path = path_of_slice(class).unwrap_or_default();
    let directory = PathBuf::from(format!("{TOP}{path}"));
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| uid(class, &name)).collect()
}

/// Whether a slice is there, as far as the kernel knows.
pub(super) fn stands(slice: &str) -> bool {
    path_of_slice(slice).is_ok_and(|path| Path::new(&format!("{TOP}{path}")).is_dir())
}

/// `kubepods-burstable-poda_b.slice` of `kubepods-burstable.slice` is that of `a-b`.
fn uid(class: &str, name: &str) -> Option<PodUid> {
    let class = class.strip_suffix(".slice")?;
    let rest = name.strip_prefix(class)?.strip_prefix("-pod")?;
    let uid = rest.strip_suffix(".slice")?;
    Some(PodUid::from(uid.replace('_', "-").as_str()))
}

/// Everything is counted, and nothing else pulls it in or takes it down.
fn of_a_new_slice() -> Vec<Property> {
    let on = [
        "CPUAccounting",
        "IOAccounting",
        "MemoryAccounting",
        "TasksAccounting",
    ];
    let mut all = vec![
        Property::text("Description", "pods of podling"),
        Property::truth("DefaultDependencies", false),
        Property::text("CollectMode", "inactive-or-failed"),
    ];
    all.extend(on.map(|name| Property::truth(name, true)));
    all
}

fn properties(limits: &SliceLimits) -> Vec<Property> {
    let quota = limits.cpu_quota.filter(|(_, period)| *period > 0);
    let per_second = |(quota, period): (u64, u64)| {
        let time = u128::from(quota) * u128::from(SECOND) / u128::from(period);
        let time = u64::try_from(time).unwrap_or(u64::MAX - PERCENT);
        time.next_multiple_of(PERCENT)
    };
    [
        ("CPUWeight", limits.cpu_shares.map(v2_weight)),
        ("CPUQuotaPeriodUSec", quota.map(|(_, period)| period)),
        ("CPUQuotaPerSecUSec", quota.map(per_second)),
        ("MemoryMax", limits.memory),
        ("TasksMax", limits.pids),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some(Property::number(name, value?)))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_said_in_systemds_words() {
        let limits = SliceLimits {
            cpu_shares: Some(1024),
            cpu_quota: Some((15_500, 100_000)),
            memory: Some(64 << 20),
            pids: None,
        };
        assert_eq!(
            properties(&limits),
            [
                Property::number("CPUWeight", 39),
                Property::number("CPUQuotaPeriodUSec", 100_000),
                Property::number("CPUQuotaPerSecUSec", 160_000),
                Property::number("MemoryMax", 64 << 20),
            ]
        );
        assert_eq!(properties(&SliceLimits::default()), []);
    }

    #[test]
    fn the_uid_of_a_pod_is_in_the_name_of_its_slice() {
        let of = |class, name| uid(class, name).map(|uid| uid.to_string());
        assert_eq!(
            of(
                "kubepods-burstable.slice",
                "kubepods-burstable-poda_b.slice"
            )
            .as_deref(),
            Some("a-b")
        );
        assert_eq!(of("kubepods.slice", "kubepods-burstable.slice"), None);
        assert_eq!(
            of("kubepods.slice", "kubepods-poda.slice").as_deref(),
            Some("a")
        );
    }
}
