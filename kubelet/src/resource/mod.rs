//! Quality of service, and the cgroups and limits that follow from it.

mod cgroup;
mod limits;
mod qos;
#[cfg(test)]
mod tests;

pub use cgroup::{CgroupError, PodCgroups};
pub(crate) use limits::{PodLimits, pod_limits};
pub(crate) use limits::{Rank, container_resources};
pub use qos::{CgroupDriver, QosClass, cgroup_parent, qos_class};
