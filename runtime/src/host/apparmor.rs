//! AppArmor of the machine: whether it is on, which profiles are loaded, and loading our own.
//!
//! A profile is compiled for the kernel that runs, so none can be shipped ready: `apparmor_parser`
//! compiles and loads it, once, when the runtime starts. A profile of the name that is loaded
//! already, by the node's own policy, is left as it is.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::spec::AppArmor;

/// Name of the profile of containers that ask for the runtime's own, or for none in particular.
const DEFAULT_PROFILE: &str = "podling-default";
const DEFAULT_POLICY: &str = include_str!("podling-default.apparmor");

/// The features to compile for, where the node has them on file: without, the parser takes all that
/// the kernel has, of which the policy knows not each.
const FEATURES: &str = "/etc/apparmor.d/abi/3.0";

const ENABLED: &str = "/sys/module/apparmor/parameters/enabled";
const PROFILES: &str = "/sys/kernel/security/apparmor/profiles";
const PARSERS: [&str; 3] = [
    "/usr/sbin/apparmor_parser",
    "/sbin/apparmor_parser",
    "/usr/local/sbin/apparmor_parser",
];

/// Why the default profile is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum AppArmorError {
    /// Nothing can compile it.
    #[error("apparmor_parser is not installed")]
    NoParser,
    /// The parser could not be run.
    #[error("run {}", path.display())]
    Run {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The parser refused it.
    #[error("{} refuses the profile: {message}", path.display())]
    Refused {
        /// Which.
        path: PathBuf,
        /// What it said.
        message: String,
    },
}

/// Loads the default profile where AppArmor is on and the profile is not loaded yet.
pub fn load_apparmor_default() -> Result<(), AppArmorError> {
    if !is_enabled() || has_apparmor_profile(DEFAULT_PROFILE) == Some(true) {
        return Ok(());
    }
    let parser = PARSERS.iter().map(Path::new).find(|path| path.exists());
    load(parser.ok_or(AppArmorError::NoParser)?)
}

fn load(parser: &Path) -> Result<(), AppArmorError> {
    let failed = |source| AppArmorError::Run {
        path: parser.to_owned(),
        source,
    };
    // Replace or add, without a cache on disk, from stdin.
    let mut running = Command::new(parser)
        .args(["--replace", "--skip-cache", "--quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = running.stdin.take() {
        let written = stdin.write_all(policy(Path::new(FEATURES).exists()).as_bytes());
        // A parser that has ended before says why itself.
        written
            .or_else(|error| match error.kind() {
                io::ErrorKind::BrokenPipe => Ok(()),
                _ => Err(error),
            })
            .map_err(failed)?;
    }
    let output = running.wait_with_output().map_err(failed)?;
    match output.status.success() {
        true => Ok(()),
        false => Err(AppArmorError::Refused {
            path: parser.to_owned(),
            message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        }),
    }
}

fn policy(has_features: bool) -> String {
    let features = match has_features {
        true => "abi <abi/3.0>,\n",
        false => "",
    };
    format!("{features}{DEFAULT_POLICY}")
}

/// What AppArmor can do for containers.
pub(super) fn state() -> AppArmor {
    if !is_enabled() {
        return AppArmor::Disabled;
    }
    let is_loaded = has_apparmor_profile(DEFAULT_PROFILE) == Some(true);
    AppArmor::Enabled {
        default_profile: is_loaded.then(|| DEFAULT_PROFILE.to_owned()),
    }
}

/// Whether a profile is loaded; `None` where the kernel does not show which are.
pub fn has_apparmor_profile(name: &str) -> Option<bool> {
    let listed = fs::read_to_string(PROFILES).ok()?;
    Some(is_listed(&listed, name))
}

fn is_enabled() -> bool {
    fs::read(ENABLED).is_ok_and(|enabled| enabled.starts_with(b"Y"))
}

/// A line is a profile's name and its mode: `cups-browsed (enforce)`.
fn is_listed(profiles: &str, name: &str) -> bool {
    let names = profiles.lines().filter_map(|line| line.rsplit_once(" ("));
    names.into_iter().any(|(listed, _)| listed == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_found_by_its_whole_name() {
        let listed = "podling-default (enforce)\nweb (v2) (complain)\n/usr/bin/man (unconfined)\n";
        for name in ["podling-default", "web (v2)", "/usr/bin/man"] {
            assert!(is_listed(listed, name), "{name}");
        }
        for name in ["podling", "web", "podling-default (enforce)", ""] {
            assert!(!is_listed(listed, name), "{name}");
        }
    }

    #[test]
    fn the_policy_defines_the_profile_of_its_name() {
        let with_features = policy(true);
        assert!(with_features.starts_with("abi <abi/3.0>,\n"));
        assert!(policy(false).contains(&format!("profile {DEFAULT_PROFILE} flags=")));
    }
}
