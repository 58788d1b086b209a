//! What a container's devices make of its request.

use std::collections::BTreeSet;

use crate::cdi::Edits;
use crate::host::{self, DeviceError};
use crate::model::ContainerConfig;
use crate::spec::{DeviceMount, HostDevice};

/// The request with what devices add to it.
pub(super) fn request(config: &ContainerConfig, edits: &Edits) -> ContainerConfig {
    let mut config = config.clone();
    config.envs.extend(edits.env.iter().cloned());
    let groups = &mut config.security.supplemental_groups;
    groups.extend(edits.groups.iter().copied());
    config
}

/// The container's devices, each place once: what is described counts more than what is asked for
/// by path, and that more than what a privileged container has anyway.
pub(super) fn devices(
    config: &ContainerConfig,
    edits: &Edits,
) -> Result<Vec<HostDevice>, DeviceError> {
    let mut all = host::device_nodes(&edits.nodes)?;
    all.extend(host::devices(&config.devices)?);
    if config.security.privileged {
        all.extend(host::all_devices()?);
    }
    let mut seen = BTreeSet::new();
    all.retain(|device| seen.insert(device.container_path.clone()));
    Ok(all)
}

/// The mounts that come with the devices.
pub(super) fn mounts(edits: Edits) -> Vec<DeviceMount> {
    let mounts = edits.mounts.into_iter();
    mounts
        .map(|mount| DeviceMount {
            host_path: mount.host_path,
            container_path: mount.container_path,
            options: mount.options,
        })
        .collect()
}
