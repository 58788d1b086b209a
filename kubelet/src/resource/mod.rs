//! Quality of service, and the cgroups and limits that follow from it.

mod cgroup;
mod change;
mod groups;
mod join;
mod limits;
mod qos;
mod shape;
mod slices;
#[cfg(test)]
mod tests;
mod upkeep;

pub use crate::model::CgroupDriver;
pub use cgroup::{CgroupError, PodCgroups, PodRules, Tree};
pub(crate) use change::{PodChange, PodChanges, changes};
pub use groups::{Capacity, Enforced, GroupSettings, Reserved};
pub use join::join_cgroup;
pub(crate) use limits::container_resources;
pub(crate) use limits::{PodLimits, pod_limits};
use limits::{quota, shares};
pub use qos::{QosClass, cgroup_parent, qos_class};
pub use shape::{Bandwidth, Machine, OutOfMemory, Shape, SwapBehaviour, Version};
pub(crate) use shape::{kernel_name, may_swap, pod_resources, shape};
pub use upkeep::{Parts as UpkeepParts, Upkeep};
