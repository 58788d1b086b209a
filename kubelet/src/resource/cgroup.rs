//! The cgroup of a pod: made before its sandbox, removed after it, in every hierarchy there is.
//!
//! The runtime puts the sandbox and the containers below it. With systemd as the driver, systemd
//! makes the slice when the runtime asks it for the first scope, and there is nothing to do here.

use cgroups_rs::fs::cpu::CpuController;
use cgroups_rs::fs::hierarchies;
use cgroups_rs::fs::memory::MemController;
use cgroups_rs::fs::{Cgroup, Controller};

use super::{CgroupDriver, PodLimits, QosClass, cgroup_parent};
use crate::model::{PodSpec, PodUid};

/// Why a pod's cgroup could not be made or removed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {attempt} cgroup {path}")]
pub struct CgroupError {
    attempt: &'static str,
    path: String,
    #[source]
    source: cgroups_rs::fs::error::Error,
}

/// Makes and removes the cgroups of pods below one root.
#[derive(Clone, Debug)]
pub struct PodCgroups {
    driver: CgroupDriver,
    root: String,
}

impl PodCgroups {
    /// Cgroups below `root`, which is `/` or a path in every hierarchy.
    pub fn new(driver: CgroupDriver, root: &str) -> Self {
        Self {
            driver,
            root: root.to_owned(),
        }
    }

    /// What the runtime is told for this pod.
    pub fn parent(&self, class: QosClass, uid: &PodUid) -> String {
        cgroup_parent(self.driver, &self.root, class, uid)
    }

    /// Makes the cgroup and sets its limits; does no harm when it stands.
    pub fn create(&self, spec: &PodSpec, uid: &PodUid) -> Result<(), CgroupError> {
        if self.driver == CgroupDriver::Systemd {
            return Ok(());
        }
        let path = self.parent(super::qos_class(spec), uid);
        let at = relative(&path);
        let failed = |attempt| failure(attempt, &path);
        let cgroup = Cgroup::new(hierarchies::auto(), at).map_err(failed("make"))?;
        limit(&cgroup, super::pod_limits(spec)).map_err(failed("limit"))
    }

    /// Removes the pod's cgroup, of whichever class; does nothing when it is gone.
    pub fn remove(&self, uid: &PodUid) -> Result<(), CgroupError> {
        if self.driver == CgroupDriver::Systemd {
            return Ok(());
        }
        for class in [
            QosClass::Guaranteed,
            QosClass::Burstable,
            QosClass::BestEffort,
        ] {
            let path = self.parent(class, uid);
            let cgroup = Cgroup::load(hierarchies::auto(), relative(&path));
            if stands_anywhere(&cgroup) {
                cgroup.delete().map_err(failure("remove", &path))?;
            }
        }
        Ok(())
    }
}

fn failure(
    attempt: &'static str,
    path: &str,
) -> impl FnOnce(cgroups_rs::fs::error::Error) -> CgroupError + use<> {
    let path = path.to_owned();
    move |source| CgroupError {
        attempt,
        path,
        source,
    }
}

/// cgroups-rs joins the path to the mount point, so it must not be absolute.
fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

fn stands_anywhere(cgroup: &Cgroup) -> bool {
    if cgroup.v2() {
        cgroup.exists()
    } else {
        cgroup
            .subsystems()
            .iter()
            .any(|subsystem| subsystem.to_controller().exists())
    }
}

fn limit(cgroup: &Cgroup, limits: PodLimits) -> Result<(), cgroups_rs::fs::error::Error> {
    if let Some(cpu) = cgroup
        .controller_of::<CpuController>()
        .filter(|cpu| cpu.exists())
    {
        let weight = if cgroup.v2() {
            v2_weight(limits.cpu_shares)
        } else {
            limits.cpu_shares
        };
        cpu.set_shares(weight)?;
        if let Some(quota) = limits.cpu_quota {
            let quota = i64::try_from(quota).unwrap_or(i64::MAX);
            cpu.set_cfs_quota_and_period(Some(quota), Some(limits.cpu_period))?;
        }
    }
    if let Some(memory) = cgroup
        .controller_of::<MemController>()
        .filter(|memory| memory.exists())
        && let Some(bytes) = limits.memory
    {
        memory.set_limit(i64::try_from(bytes).unwrap_or(i64::MAX))?;
    }
    Ok(())
}

/// Shares of 2 to 262144 as a weight of 1 to 10000.
fn v2_weight(shares: u64) -> u64 {
    1 + (shares - 2) * 9999 / 262_142
}
