//! Which system calls a container may make.

mod default_profile;
mod syscalls;

use oci_spec::runtime::LinuxSeccomp;

use super::SpecError;
use crate::model::config::{ContainerSecurity, SecurityProfile};

/// Says whether a profile of the node is one, given the text of its file.
pub fn check_seccomp_profile(
    profile: &SecurityProfile,
    text: Option<&str>,
) -> Result<(), SpecError> {
    match profile {
        SecurityProfile::Localhost(name) => parse(name, text).map(drop),
        SecurityProfile::RuntimeDefault | SecurityProfile::Unconfined => Ok(()),
    }
}

/// The profile of a container: the runtime's own, that of the file `text` was read from, or none.
///
/// `capabilities` is the bounding set: a system call that a capability of the container is good
/// for is allowed with it.
pub(super) fn profile(
    security: &ContainerSecurity,
    text: Option<&str>,
    capabilities: u64,
) -> Result<Option<LinuxSeccomp>, SpecError> {
    if let SecurityProfile::Localhost(name) = &security.seccomp
        && name.is_empty()
    {
        return Err(SpecError::EmptyProfile("seccomp"));
    }
    match &security.seccomp {
        _ if security.privileged => Ok(None),
        SecurityProfile::Unconfined => Ok(None),
        SecurityProfile::RuntimeDefault => Ok(Some(default_profile::profile(capabilities))),
        SecurityProfile::Localhost(name) => parse(name, text).map(Some),
    }
}

fn parse(name: &str, text: Option<&str>) -> Result<LinuxSeccomp, SpecError> {
    let text = text.ok_or_else(|| SpecError::SeccompProfileMissing(name.to_owned()))?;
    serde_json::from_str(text).map_err(|error| SpecError::SeccompProfile(name.to_owned(), error))
}

#[cfg(test)]
mod tests;
