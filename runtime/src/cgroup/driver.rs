//! Who makes the cgroups above those of the runtime: its clients, as directories, or systemd.
//!
//! ```text
//! cgroupfs   PARENT/SANDBOX                                      PARENT/CONTAINER
//! systemd    a.slice/a-b.slice/cri-podling-SANDBOX.scope/SANDBOX …/cri-podling-SANDBOX.scope/CONTAINER
//!            └─ systemd's ─────┴─ delegated to the runtime: one writer for each part of the tree
//! ```

#![deny(clippy::disallowed_methods)]

use std::fmt;
use std::str::FromStr;

use podling_systemd::{InvalidSlice, is_slice, path_of_slice, slice_of_path};

use super::InvalidCgroupPath;

/// The end of the name of what systemd has delegated.
const SCOPE: &str = ".scope";

/// Who makes the cgroups above those of the runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CgroupDriver {
    /// Its clients, as directories.
    #[default]
    Cgroupfs,
    /// systemd, as slices, with a scope for each sandbox.
    Systemd,
}

/// A word that names no driver.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no cgroup driver: cgroupfs or systemd")]
pub struct UnknownDriver(String);

impl FromStr for CgroupDriver {
    type Err = UnknownDriver;

    fn from_str(word: &str) -> Result<Self, UnknownDriver> {
        match word {
            "cgroupfs" => Ok(Self::Cgroupfs),
            "systemd" => Ok(Self::Systemd),
            _ => Err(UnknownDriver(word.to_owned())),
        }
    }
}

impl fmt::Display for CgroupDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cgroupfs => "cgroupfs",
            Self::Systemd => "systemd",
        })
    }
}

impl CgroupDriver {
    /// A configured parent as this driver has it: a path may stand for a slice.
    pub fn parent(self, configured: &str) -> String {
        match self {
            Self::Systemd if !is_slice(configured) => slice_of_path(configured),
            _ => configured.to_owned(),
        }
    }

    /// The cgroup below which a sandbox's own and its containers' are to be, for what its client names.
    pub fn place(self, parent: &str, sandbox: &str) -> Result<String, InvalidCgroupPath> {
        match self {
            Self::Cgroupfs if is_unit(parent) => Err(InvalidCgroupPath::Slice(parent.to_owned())),
            Self::Cgroupfs => Ok(parent.to_owned()),
            Self::Systemd => {
                let slice = path_of_slice(parent);
                let not_one = |_: InvalidSlice| InvalidCgroupPath::NoSlice(parent.to_owned());
                Ok(format!(
                    "{}/cri-podling-{sandbox}{SCOPE}",
                    slice.map_err(not_one)?
                ))
            }
        }
    }
}

/// The scope that a sandbox's cgroups are in, if they are in one: its unit, and the path above it. The
/// driver may be another one by now.
pub fn scope(parent: &str) -> Option<(&str, &str)> {
    let (above, unit) = parent.rsplit_once('/')?;
    unit.ends_with(SCOPE).then_some((above, unit))
}

/// The slice of a scope.
pub fn slice_of(above: &str) -> &str {
    match above.rsplit('/').next() {
        None | Some("") => "-.slice",
        Some(slice) => slice,
    }
}

/// How many names of a path are systemd's; what is below has been delegated.
pub(super) fn owned_by_systemd(path: &str) -> usize {
    let names = path.split('/').collect::<Vec<_>>();
    let scope = names.iter().rposition(|name| name.ends_with(SCOPE));
    scope.map_or(0, |at| at + 1)
}

/// `kubepods-burstable.slice` and `kubepods.slice:cri:id` are units, not directories.
fn is_unit(parent: &str) -> bool {
    is_slice(parent) || parent.contains(".slice:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_is_below_what_its_client_names() {
        let cgroupfs = CgroupDriver::Cgroupfs.place("/kubepods/pod1", "s");
        assert_eq!(cgroupfs.as_deref(), Ok("/kubepods/pod1"));
        for parent in ["kubepods-pod1.slice", "/kubepods.slice/kubepods-pod1.slice"] {
            let place = CgroupDriver::Systemd.place(parent, "s").unwrap();
            assert_eq!(
                place,
                "/kubepods.slice/kubepods-pod1.slice/cri-podling-s.scope"
            );
            let (above, unit) = scope(&place).unwrap();
            assert_eq!(unit, "cri-podling-s.scope");
            assert_eq!(slice_of(above), "kubepods-pod1.slice");
            assert_eq!(owned_by_systemd(&place[1..]), 3);
        }
        let top = CgroupDriver::Systemd.place("-.slice", "s").unwrap();
        assert_eq!(top, "/cri-podling-s.scope");
        assert_eq!(slice_of(scope(&top).unwrap().0), "-.slice");
    }

    #[test]
    fn what_the_other_driver_would_take_is_refused_with_both_mends() {
        for (driver, parent) in [
            (CgroupDriver::Cgroupfs, "kubepods.slice"),
            (
                CgroupDriver::Cgroupfs,
                "/kubepods.slice/kubepods-burstable.slice",
            ),
            (CgroupDriver::Cgroupfs, "a.slice:cri:b"),
            (CgroupDriver::Systemd, "/kubepods/pod1"),
            (CgroupDriver::Systemd, "a.slice:cri:b"),
        ] {
            let error = driver.place(parent, "s").unwrap_err().to_string();
            for mend in ["cgroupDriver: cgroupfs", "cgroupDriver: systemd", parent] {
                assert!(error.contains(mend), "{error}");
            }
        }
    }

    #[test]
    fn a_configured_path_stands_for_a_slice() {
        let systemd = CgroupDriver::Systemd;
        assert_eq!(systemd.parent("/podling"), "podling.slice");
        assert_eq!(systemd.parent("system.slice"), "system.slice");
        assert_eq!(CgroupDriver::Cgroupfs.parent("/podling"), "/podling");
    }

    #[test]
    fn paths_without_a_scope_are_the_runtimes_own() {
        assert_eq!(scope("/kubepods/pod1"), None);
        assert_eq!(owned_by_systemd("kubepods/pod1/c"), 0);
    }
}
