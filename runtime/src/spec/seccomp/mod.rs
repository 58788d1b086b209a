//! Which system calls a container may make.

mod default_profile;
mod syscalls;

use oci_spec::runtime::LinuxSeccomp;

use super::SpecError;
use crate::model::config::{ContainerSecurity, SecurityProfile};

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
        SecurityProfile::Localhost(name) => {
            let text = text.ok_or_else(|| SpecError::SeccompProfileMissing(name.clone()))?;
            let profile = serde_json::from_str(text);
            profile
                .map(Some)
                .map_err(|error| SpecError::SeccompProfile(name.clone(), error))
        }
    }
}

#[cfg(test)]
mod tests;
