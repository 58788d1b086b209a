//! The cgroup of a pod: made before its sandbox, removed after it, in every hierarchy there is.
//!
//! The runtime puts the sandbox and the containers below it. With systemd as the driver they are slices,
//! and systemd is asked for all of it.

use std::collections::BTreeSet;

use cgroups_rs::fs::cpu::CpuController;
use cgroups_rs::fs::hierarchies;
use cgroups_rs::fs::hugetlb::HugeTlbController;
use cgroups_rs::fs::memory::MemController;
use cgroups_rs::fs::pid::PidController;
use cgroups_rs::fs::{Cgroup, Controller, MaxValue};

use podling_systemd::{Systemd, SystemdError, is_slice, slice_of_path};

use super::groups::GroupLimits;
use super::qos::class_slice;
use super::shape::limits_of_pages;
use super::slices::{self, SliceLimits};
use super::upkeep::pods_in;
use super::{Bandwidth, CgroupDriver, PodChange, PodLimits, QosClass, cgroup_parent};
use crate::admit::asked_for;
use crate::model::{PodSpec, PodUid};

/// Every class; guaranteed pods are in the cgroup of all.
const CLASSES: [QosClass; 3] = [
    QosClass::Guaranteed,
    QosClass::Burstable,
    QosClass::BestEffort,
];

/// Why a cgroup is not as it shall be.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// The kernel does not do it.
    #[error("cannot {attempt} cgroup {path}")]
    Refused {
        /// What was to be done.
        attempt: &'static str,
        /// Which cgroup.
        path: String,
        /// Why not.
        #[source]
        source: cgroups_rs::fs::error::Error,
    },
    /// systemd does not do it.
    #[error("cannot {attempt} slice {slice}")]
    Systemd {
        /// What was to be done.
        attempt: &'static str,
        /// Which slice.
        slice: String,
        /// Why not.
        #[source]
        source: Box<SystemdError>,
    },
    /// Others shall have made it.
    #[error(
        "cgroup {path} is not there for the {controller} controller; \
         make it before the kubelet is started, or do not enforce what is reserved for it"
    )]
    Missing {
        /// Which cgroup.
        path: String,
        /// For what.
        controller: &'static str,
    },
}

/// Makes and removes the cgroups of pods below one root.
#[derive(Clone, Debug)]
pub struct PodCgroups {
    driver: CgroupDriver,
    root: String,
    rules: PodRules,
    systemd: Systemd,
}

/// What holds for the cgroup of every pod.
#[derive(Clone, Debug, Default)]
pub struct PodRules {
    /// Whether there are such cgroups.
    pub tree: Tree,
    /// The most processes and threads of a pod.
    pub pids: Option<u64>,
    /// What becomes of limits of CPU time.
    pub bandwidth: Bandwidth,
    /// Sizes of huge pages that can be limited, as the kernel names them.
    pub page_sizes: Vec<String>,
}

/// Whether pods have cgroups of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tree {
    /// They have, below one for each class.
    #[default]
    PerClass,
    /// They have not: containers are below the root.
    Flat,
}

impl PodCgroups {
    /// Cgroups below `root`, which is `/` or a path in every hierarchy.
    pub fn new(driver: CgroupDriver, root: &str) -> Self {
        Self {
            driver,
            root: root.to_owned(),
            rules: PodRules::default(),
            systemd: Systemd::of_this_machine(),
        }
    }

    /// The same under these rules.
    #[must_use]
    pub fn with(self, rules: PodRules) -> Self {
        Self { rules, ..self }
    }

    /// The same without limits of time.
    #[must_use]
    pub fn without_quota(mut self) -> Self {
        self.rules.bandwidth = Bandwidth::Unlimited;
        self
    }

    /// Who makes them, if there are any.
    fn maker(&self) -> Option<CgroupDriver> {
        (self.rules.tree == Tree::PerClass).then_some(self.driver)
    }

    /// What the runtime is told for this pod.
    pub fn parent(&self, class: QosClass, uid: &PodUid) -> String {
        match self.rules.tree {
            Tree::PerClass => cgroup_parent(self.driver, &self.root, class, uid),
            Tree::Flat => match self.driver {
                CgroupDriver::Cgroupfs => format!("/{}", relative(&self.root)),
                CgroupDriver::Systemd => slice_of_path(&self.root),
            },
        }
    }

    /// The cgroup of all pods of a class.
    fn class(&self, class: QosClass) -> String {
        let of_pod = cgroup_parent(CgroupDriver::Cgroupfs, &self.root, class, &PodUid::from(""));
        let class = of_pod.strip_suffix("/pod");
        class.expect("a pod's cgroup ends with its UID").to_owned()
    }

    /// Makes the cgroup of all pods, and limits it.
    pub(crate) fn limit_all(&self, limits: &GroupLimits) -> Result<(), CgroupError> {
        self.limit_class(QosClass::Guaranteed, limits)
    }

    /// Makes the cgroup of all pods of a class, and limits it; guaranteed ones have that of all.
    pub(crate) fn limit_class(
        &self,
        class: QosClass,
        limits: &GroupLimits,
    ) -> Result<(), CgroupError> {
        match self.maker() {
            None => return Ok(()),
            Some(CgroupDriver::Systemd) => {
                return self.limit_slice(&class_slice(&self.root, class), &limits.into());
            }
            Some(CgroupDriver::Cgroupfs) => {}
        }
        let path = self.class(class);
        let cgroup =
            Cgroup::new(hierarchies::auto(), relative(&path)).map_err(failure("make", &path))?;
        limit_group(&cgroup, limits).map_err(failure("limit", &path))
    }

    /// Limits a cgroup that others have made, and that must be there.
    pub(crate) fn limit_existing(
        &self,
        path: &str,
        limits: &GroupLimits,
    ) -> Result<(), CgroupError> {
        if self.driver == CgroupDriver::Systemd && is_slice(path) {
            let slice = path.rsplit('/').next().unwrap_or(path);
            let changed = slices::change(&self.systemd, slice, &limits.into());
            return changed.map_err(of_systemd("limit", slice));
        }
        let cgroup = Cgroup::load(hierarchies::auto(), relative(path));
        if let Some(controller) = missing(&cgroup, limits) {
            let path = path.to_owned();
            return Err(CgroupError::Missing { path, controller });
        }
        limit_group(&cgroup, limits).map_err(failure("limit", path))
    }

    /// Lets pods of a class have no more memory together than they have now.
    pub(crate) fn stop_growth(&self, class: QosClass) -> Result<(), CgroupError> {
        if self.driver == CgroupDriver::Systemd {
            let slice = class_slice(&self.root, class);
            let limits = SliceLimits {
                memory: slices::memory(&slice),
                ..SliceLimits::default()
            };
            return self.limit_slice(&slice, &limits);
        }
        let path = self.class(class);
        let cgroup = Cgroup::load(hierarchies::auto(), relative(&path));
        let Some(memory) = cgroup.controller_of::<MemController>() else {
            return Ok(());
        };
        let limits = GroupLimits {
            memory: Some(memory.memory_stat().usage_in_bytes),
            ..GroupLimits::default()
        };
        limit_group(&cgroup, &limits).map_err(failure("limit", &path))
    }

    /// Every pod that has a cgroup, in whichever hierarchy.
    pub(crate) fn pods(&self) -> BTreeSet<PodUid> {
        match self.maker() {
            None => return BTreeSet::new(),
            Some(CgroupDriver::Systemd) => {
                let classes = CLASSES.map(|class| class_slice(&self.root, class));
                return classes
                    .iter()
                    .flat_map(|class| slices::pods(class))
                    .collect();
            }
            Some(CgroupDriver::Cgroupfs) => {}
        }
        let directories = CLASSES.into_iter().flat_map(|class| {
            let path = self.class(class);
            let cgroup = Cgroup::load(hierarchies::auto(), relative(&path));
            let subsystems = cgroup.subsystems().iter();
            let paths = subsystems.map(|one| one.to_controller().path().to_owned());
            paths.collect::<Vec<_>>()
        });
        pods_in(directories)
    }

    /// Makes the cgroup and sets its limits; does no harm when it stands.
    pub fn create(&self, spec: &PodSpec, uid: &PodUid) -> Result<(), CgroupError> {
        let path = self.parent(super::qos_class(spec), uid);
        match self.maker() {
            None => return Ok(()),
            Some(CgroupDriver::Systemd) => {
                return self.limit_slice(&path, &self.limits_of_slice(spec));
            }
            Some(CgroupDriver::Cgroupfs) => {}
        }
        let at = relative(&path);
        let failed = |attempt| failure(attempt, &path);
        let cgroup = Cgroup::new(hierarchies::auto(), at).map_err(failed("make"))?;
        let limits = super::pod_limits(spec);
        limit(&cgroup, limits, self.rules.bandwidth).map_err(failed("limit"))?;
        let more = GroupLimits {
            pids: self.rules.pids,
            huge_pages: limits_of_pages(&asked_for(spec).scalars, &self.rules.page_sizes),
            ..GroupLimits::default()
        };
        limit_group(&cgroup, &more).map_err(failed("limit"))
    }

    /// Changes one limit or weight of a pod's cgroup.
    pub(crate) fn change(
        &self,
        class: QosClass,
        uid: &PodUid,
        change: PodChange,
    ) -> Result<(), CgroupError> {
        let path = self.parent(class, uid);
        match self.maker() {
            None => Ok(()),
            Some(CgroupDriver::Systemd) => {
                let limits = change.of_slice(self.rules.bandwidth);
                let changed = slices::change(&self.systemd, &path, &limits);
                changed.map_err(of_systemd("resize", &path))
            }
            Some(CgroupDriver::Cgroupfs) => {
                let cgroup = Cgroup::load(hierarchies::auto(), relative(&path));
                let changed = change.make(&cgroup, self.rules.bandwidth);
                changed.map_err(failure("resize", &path))
            }
        }
    }

    /// Removes the pod's cgroup, of whichever class; does nothing when it is gone.
    pub fn remove(&self, uid: &PodUid) -> Result<(), CgroupError> {
        if self.maker().is_none() {
            return Ok(());
        }
        for class in CLASSES {
            let path = self.parent(class, uid);
            if self.driver == CgroupDriver::Systemd {
                if slices::stands(&path) {
                    let stopped = self.systemd.stop(&path);
                    stopped.map_err(of_systemd("end", &path))?;
                }
                continue;
            }
            let cgroup = Cgroup::load(hierarchies::auto(), relative(&path));
            if stands_anywhere(&cgroup) {
                cgroup.delete().map_err(failure("remove", &path))?;
            }
        }
        Ok(())
    }
}

impl PodCgroups {
    fn limit_slice(&self, slice: &str, limits: &SliceLimits) -> Result<(), CgroupError> {
        slices::state(&self.systemd, slice, limits).map_err(of_systemd("limit", slice))
    }

    fn limits_of_slice(&self, spec: &PodSpec) -> SliceLimits {
        let limits = super::pod_limits(spec);
        let millis = limits.cpu_millis.filter(|millis| *millis > 0);
        SliceLimits {
            cpu_shares: Some(limits.cpu_shares),
            cpu_quota: millis.and_then(|millis| match self.rules.bandwidth.of(millis) {
                (quota, Some(period)) => Some((u64::try_from(quota).ok()?, period)),
                (_, None) => None,
            }),
            memory: limits.memory,
            pids: self.rules.pids,
        }
    }
}

impl From<&GroupLimits> for SliceLimits {
    fn from(limits: &GroupLimits) -> Self {
        Self {
            cpu_shares: limits.cpu_shares,
            cpu_quota: None,
            memory: limits.memory,
            pids: limits.pids,
        }
    }
}

fn of_systemd(
    attempt: &'static str,
    slice: &str,
) -> impl FnOnce(SystemdError) -> CgroupError + use<> {
    let slice = slice.to_owned();
    move |source| CgroupError::Systemd {
        attempt,
        slice,
        source: Box::new(source),
    }
}

fn failure(
    attempt: &'static str,
    path: &str,
) -> impl FnOnce(cgroups_rs::fs::error::Error) -> CgroupError + use<> {
    let path = path.to_owned();
    move |source| CgroupError::Refused {
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

fn limit(
    cgroup: &Cgroup,
    limits: PodLimits,
    bandwidth: Bandwidth,
) -> Result<(), cgroups_rs::fs::error::Error> {
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
        if let Some(millis) = limits.cpu_millis.filter(|millis| *millis > 0) {
            let (quota, period) = bandwidth.of(millis);
            cpu.set_cfs_quota_and_period(Some(quota), period)?;
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

/// The first controller that these limits need and that does not have the cgroup.
fn missing(cgroup: &Cgroup, limits: &GroupLimits) -> Option<&'static str> {
    let is_there = |one: Option<&dyn Controller>| one.is_some_and(Controller::exists);
    let cpu = cgroup.controller_of::<CpuController>();
    let memory = cgroup.controller_of::<MemController>();
    let pids = cgroup.controller_of::<PidController>();
    let rows = [
        ("cpu", limits.cpu_shares.is_some(), cpu.map(|one| one as _)),
        (
            "memory",
            limits.memory.is_some(),
            memory.map(|one| one as _),
        ),
        ("pids", limits.pids.is_some(), pids.map(|one| one as _)),
    ];
    let mut missing = rows
        .into_iter()
        .filter(|(_, is_needed, one)| *is_needed && !is_there(*one));
    missing.next().map(|(name, ..)| name)
}

/// What no hierarchy can limit stays unlimited. Memory comes last: only that can be refused because
/// of what is in the cgroup.
fn limit_group(cgroup: &Cgroup, limits: &GroupLimits) -> Result<(), cgroups_rs::fs::error::Error> {
    let cpu = cgroup.controller_of::<CpuController>();
    if let Some((cpu, shares)) = cpu.filter(|cpu| cpu.exists()).zip(limits.cpu_shares) {
        cpu.set_shares(if cgroup.v2() {
            v2_weight(shares)
        } else {
            shares
        })?;
    }
    let pids = cgroup.controller_of::<PidController>();
    if let Some((pids, most)) = pids.filter(|one| one.exists()).zip(limits.pids) {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        pids.set_pid_max(MaxValue::Value(most))?;
    }
    let pages = cgroup.controller_of::<HugeTlbController>();
    if let Some(pages) = pages.filter(|one| one.exists()) {
        for (size, bytes) in &limits.huge_pages {
            pages.set_limit_in_bytes(size, *bytes)?;
        }
    }
    let memory = cgroup.controller_of::<MemController>();
    if let Some((memory, bytes)) = memory.filter(|one| one.exists()).zip(limits.memory) {
        memory.set_limit(i64::try_from(bytes).unwrap_or(i64::MAX))?;
    }
    Ok(())
}

/// Shares of 2 to 262144 as a weight of 1 to 10000.
pub(super) fn v2_weight(shares: u64) -> u64 {
    1 + (shares - 2) * 9999 / 262_142
}
