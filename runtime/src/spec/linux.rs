//! The `linux` section: namespaces, limits, devices and filters.

use oci_spec::runtime::Linux;

use super::{
    Note, SpecError, SpecInput, devices, mounts, namespaces, protected_paths, resources, seccomp,
};

/// The section for a container whose bounding set is `capabilities`.
pub(super) fn linux(
    input: &SpecInput<'_>,
    capabilities: u64,
    notes: &mut Vec<Note>,
) -> Result<Linux, SpecError> {
    let SpecInput { config, host, .. } = *input;
    let security = &config.security;
    let mut limits = resources::limits(&config.resources, host, notes)?;
    limits.set_devices(Some(devices::rules(input.devices, security.privileged)?));
    let paths = protected_paths::protected_paths(security)?;
    let nodes = devices::nodes(input.devices)?;
    let mut linux = Linux::default();
    linux
        .set_resources(Some(limits))
        .set_cgroups_path(Some(input.cgroup_path.into()))
        .set_namespaces(Some(namespaces::namespaces(security, input.sandbox, host)?))
        .set_devices(Some(nodes).filter(|nodes| !nodes.is_empty()))
        .set_seccomp(seccomp::profile(
            security,
            input.seccomp_profile,
            capabilities,
        )?)
        .set_rootfs_propagation(mounts::rootfs_propagation(input.mounts))
        .set_masked_paths(Some(paths.masked))
        .set_readonly_paths(Some(paths.readonly))
        .set_uid_mappings(None)
        .set_gid_mappings(None)
        .set_sysctl(None);
    Ok(linux)
}
