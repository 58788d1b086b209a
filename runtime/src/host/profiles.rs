//! Profiles of the node that a request names: files of seccomp, loaded ones of AppArmor.

use std::fs;
use std::io;
use std::path::Path;

use super::apparmor::has_apparmor_profile;
use crate::model::config::SecurityProfile;

/// Why a profile cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// A file of seccomp.
    #[error("read seccomp profile {path:?}")]
    Read {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A profile of AppArmor.
    #[error("AppArmor profile {0:?} is not loaded on this machine")]
    NotLoaded(String),
}

/// The text of a seccomp profile, if a file is named.
pub fn seccomp_profile(profile: &SecurityProfile) -> Result<Option<String>, ProfileError> {
    let SecurityProfile::Localhost(path) = profile else {
        return Ok(None);
    };
    read(path).map(Some).map_err(|source| ProfileError::Read {
        path: path.clone(),
        source,
    })
}

/// A FIFO would be waited for, a device read without end.
fn read(path: &str) -> io::Result<String> {
    if !Path::new(path).is_absolute() {
        Err(io::Error::other("the path is not absolute"))
    } else if !fs::metadata(path)?.is_file() {
        Err(io::Error::other("it is not a regular file"))
    } else {
        fs::read_to_string(path)
    }
}

/// Says that a named profile is not loaded while the client still waits for the container: the
/// kernel would say so when it starts, where the container cannot be made otherwise any more.
pub fn check_apparmor_profile(profile: Option<&SecurityProfile>) -> Result<(), ProfileError> {
    match profile {
        Some(SecurityProfile::Localhost(name)) if has_apparmor_profile(name) == Some(false) => {
            Err(ProfileError::NotLoaded(name.clone()))
        }
        _ => Ok(()),
    }
}
