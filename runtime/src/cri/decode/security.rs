//! `LinuxContainerSecurityContext`.

use podling_proto::runtime::v1 as cri;

use super::common::{groups, id32, namespaces, profile, selinux};
use super::{DecodeError, invalid};
use crate::model::config::{Capabilities, ContainerSecurity, RunAs, SupplementalGroupsPolicy};

/// Decodes a container's identity and confinement.
pub(super) fn security(
    context: cri::LinuxContainerSecurityContext,
) -> Result<ContainerSecurity, DecodeError> {
    let cri::LinuxContainerSecurityContext {
        capabilities,
        privileged,
        namespace_options,
        selinux_options,
        run_as_user,
        run_as_username,
        readonly_rootfs,
        supplemental_groups,
        apparmor_profile,
        seccomp_profile_path,
        no_new_privs,
        run_as_group,
        masked_paths,
        readonly_paths,
        seccomp,
        apparmor,
        supplemental_groups_policy,
    } = context;
    let user = RunAs {
        uid: id32("run_as_user", run_as_user)?,
        username: run_as_username,
        gid: id32("run_as_group", run_as_group)?,
    };
    // The contract: run_as_group only together with run_as_user or run_as_username.
    if user.gid.is_some() && user.uid.is_none() && user.username.is_empty() {
        return Err(invalid(
            "run_as_group",
            user.gid.unwrap_or_default(),
            "run_as_user or run_as_username must be given too",
        ));
    }
    Ok(ContainerSecurity {
        capabilities: capabilities.map(capabilities_of).unwrap_or_default(),
        privileged,
        namespaces: namespaces(namespace_options)?,
        user,
        readonly_rootfs,
        supplemental_groups: groups(supplemental_groups)?,
        supplemental_groups_policy: policy(supplemental_groups_policy)?,
        no_new_privs,
        masked_paths,
        readonly_paths,
        seccomp: profile("seccomp", seccomp, &seccomp_profile_path)?,
        apparmor: match (&apparmor, apparmor_profile.as_str()) {
            (None, "") => None,
            _ => Some(profile("apparmor", apparmor, &apparmor_profile)?),
        },
        selinux: selinux(selinux_options)?,
    })
}

fn capabilities_of(capability: cri::Capability) -> Capabilities {
    let cri::Capability {
        add_capabilities,
        drop_capabilities,
        add_ambient_capabilities,
    } = capability;
    Capabilities {
        add: add_capabilities,
        drop: drop_capabilities,
        add_ambient: add_ambient_capabilities,
    }
}

fn policy(value: i32) -> Result<SupplementalGroupsPolicy, DecodeError> {
    match cri::SupplementalGroupsPolicy::try_from(value) {
        Ok(cri::SupplementalGroupsPolicy::Merge) => Ok(SupplementalGroupsPolicy::Merge),
        Ok(cri::SupplementalGroupsPolicy::Strict) => Ok(SupplementalGroupsPolicy::Strict),
        Err(_) => Err(invalid(
            "supplemental_groups_policy",
            value,
            "Merge or Strict",
        )),
    }
}
