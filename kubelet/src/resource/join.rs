//! Moves this process into a cgroup, in every hierarchy there is.

use cgroups_rs::CgroupPid;
use cgroups_rs::fs::{Cgroup, hierarchies};

use super::CgroupError;

/// Moves this process into a cgroup, which is made when it is not there.
pub fn join_cgroup(path: &str) -> Result<(), CgroupError> {
    let refused = |attempt| {
        move |source| CgroupError::Refused {
            attempt,
            path: path.to_owned(),
            source,
        }
    };
    let relative = path.trim_matches('/');
    let cgroup = Cgroup::new(hierarchies::auto(), relative).map_err(refused("make"))?;
    let own = CgroupPid::from(u64::from(std::process::id()));
    let joined = cgroup.add_task_by_tgid(own);
    joined.map_err(refused("join"))
}
