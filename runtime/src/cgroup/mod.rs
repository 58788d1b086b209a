//! Cgroups: made, limited, read and removed by the daemon; joined by others.
//!
//! ```text
//!              v1: one directory a hierarchy          v2: one directory
//! create  ──►  mkdir in each, cpuset inherited   ──►  controllers enabled down the way, mkdir
//!         ──►  limits, devices.deny and .allow   ──►  limits, unified keys, device program
//! remove  ──►  freeze, SIGKILL, thaw, rmdir      ──►  cgroup.kill, rmdir
//! ```
//!
//! What cgroups-rs does right goes through it: finding hierarchies, making v1 directories, writing
//! limits. Where it hides errors or knows nothing (v2 controllers, v2 devices, members, removal) the
//! files are written here; docs/decisions/0040 has the measurements.

mod device_program;
mod device_rules;
mod driver;
mod error;
mod limits;
mod members;
mod path;
mod places;
mod remove;
mod unified;
mod update;

use std::path::PathBuf;
use std::time::Duration;

use cgroups_rs::fs::hierarchies::{V1, V2, is_cgroup2_unified_mode};
use cgroups_rs::fs::{Cgroup, Hierarchy};
use oci_spec::runtime::LinuxResources;

pub use driver::{CgroupDriver, UnknownDriver, scope, slice_of};
pub use error::CgroupError;
pub use path::{CgroupPath, InvalidCgroupPath};
pub use places::Controller;
pub use update::{Applied, UpdateError};

use places::Places;

use crate::spec::CgroupMode;

/// The machine's cgroup hierarchies, found once.
#[derive(Clone, Debug)]
pub struct Cgroups {
    hierarchies: Hierarchies,
    places: Places,
}

#[derive(Clone, Debug)]
enum Hierarchies {
    V1(V1),
    V2(V2),
}

impl Cgroups {
    /// Finds the mounted hierarchies.
    pub fn open() -> Result<Self, CgroupError> {
        if is_cgroup2_unified_mode() {
            let v2 = V2::new();
            return Ok(Self {
                places: Places::V2(v2.root()),
                hierarchies: Hierarchies::V2(v2),
            });
        }
        let v1 = V1::new();
        if v1.subsystems().is_empty() {
            return Err(CgroupError::NoHierarchies);
        }
        Ok(Self {
            places: Places::of_v1(&Cgroup::load(Box::new(v1.clone()), "")),
            hierarchies: Hierarchies::V1(v1),
        })
    }

    /// How cgroups are mounted.
    pub fn mode(&self) -> CgroupMode {
        match self.hierarchies {
            Hierarchies::V1(_) => CgroupMode::V1,
            Hierarchies::V2(_) => CgroupMode::V2,
        }
    }

    /// Makes a cgroup with these limits, and its parents without any. One that exists gets the
    /// limits. After a failure some of it may exist: `remove` takes it away.
    ///
    /// Returns the directories that a process joins: one a hierarchy on v1, the single one on v2.
    pub fn create(
        &self,
        path: &CgroupPath,
        limits: &LinuxResources,
    ) -> Result<Vec<PathBuf>, CgroupError> {
        let cgroup = self.load(path);
        match &self.hierarchies {
            Hierarchies::V1(_) => cgroup.create().map_err(|source| CgroupError::Create {
                path: path.clone(),
                source: source.into(),
            })?,
            Hierarchies::V2(v2) => unified::create(&v2.root(), path)?,
        }
        self.limit(&cgroup, path, limits)?;
        let rules = limits.devices().as_deref().unwrap_or_default();
        device_rules::apply(&cgroup, &self.directories(path), rules).map_err(|source| {
            CgroupError::Devices {
                path: path.clone(),
                source,
            }
        })?;
        Ok(self.directories(path))
    }

    /// Makes a cgroup without limits in one that systemd has delegated, and moves a process into it: a
    /// cgroup that has members cannot hand controllers down.
    pub fn house(&self, path: &CgroupPath, pid: u32) -> Result<(), CgroupError> {
        let housed = match &self.hierarchies {
            Hierarchies::V1(_) => Err(std::io::Error::from(std::io::ErrorKind::Unsupported)),
            Hierarchies::V2(v2) => unified::house(&v2.root().join(path.relative()), pid),
        };
        housed.map_err(|source| CgroupError::House {
            path: path.clone(),
            pid,
            source,
        })
    }

    /// The directory in which a controller keeps a cgroup's files, whether or not it exists; `None`
    /// when the machine lacks the controller.
    pub fn directory(&self, controller: Controller, path: &CgroupPath) -> Option<PathBuf> {
        self.places.directory(controller, path)
    }

    /// The directories of a cgroup, whether or not it exists.
    pub fn directories(&self, path: &CgroupPath) -> Vec<PathBuf> {
        match &self.hierarchies {
            Hierarchies::V1(_) => {
                let cgroup = self.load(path);
                let controllers = cgroup.subsystems().iter();
                let mut directories: Vec<PathBuf> = controllers
                    .map(|subsystem| subsystem.to_controller().path().to_owned())
                    .collect();
                // Controllers that are mounted together share a directory.
                directories.sort_unstable();
                directories.dedup();
                directories
            }
            Hierarchies::V2(v2) => vec![v2.root().join(path.relative())],
        }
    }

    /// The processes in a cgroup and below it; none when it does not exist.
    pub fn pids(&self, path: &CgroupPath) -> Result<Vec<i32>, CgroupError> {
        members::all(&self.directories(path)).map_err(|source| CgroupError::Members {
            path: path.clone(),
            source,
        })
    }

    /// Kills what is in a cgroup and below it, and removes it. Nothing to do is success. Blocks
    /// until it is gone, or fails when it is not after `patience`.
    pub fn remove(&self, path: &CgroupPath, patience: Duration) -> Result<(), CgroupError> {
        remove::remove(&self.directories(path), patience).map_err(|source| CgroupError::Remove {
            path: path.clone(),
            source,
        })
    }

    fn limit(
        &self,
        cgroup: &Cgroup,
        path: &CgroupPath,
        limits: &LinuxResources,
    ) -> Result<(), CgroupError> {
        limits::apply(cgroup, limits).map_err(|source| CgroupError::Limit {
            path: path.clone(),
            source: source.into(),
        })?;
        match (&self.hierarchies, limits.unified()) {
            (Hierarchies::V2(v2), Some(keys)) => {
                unified::write_keys(&v2.root().join(path.relative()), keys)
            }
            _ => Ok(()),
        }
    }

    fn load(&self, path: &CgroupPath) -> Cgroup {
        let hierarchy: Box<dyn Hierarchy> = match &self.hierarchies {
            Hierarchies::V1(v1) => Box::new(v1.clone()),
            Hierarchies::V2(v2) => Box::new(v2.clone()),
        };
        Cgroup::load(hierarchy, path.relative())
    }
}

#[cfg(test)]
mod tests;
