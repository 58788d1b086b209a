//! Paths that show as empty, and paths that are read-only, exactly as the request says: a pod that
//! asks for an unmasked /proc is one whose lists are empty.

use super::path::normalized;
use super::{PathFault, SpecError};
use crate::model::config::ContainerSecurity;

/// The two lists.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ProtectedPaths {
    pub masked: Vec<String>,
    pub readonly: Vec<String>,
}

/// The lists of the request; none for a privileged container.
pub(super) fn protected_paths(security: &ContainerSecurity) -> Result<ProtectedPaths, SpecError> {
    if security.privileged {
        return Ok(ProtectedPaths::default());
    }
    Ok(ProtectedPaths {
        masked: checked(&security.masked_paths)?,
        readonly: checked(&security.readonly_paths)?,
    })
}

fn checked(paths: &[String]) -> Result<Vec<String>, SpecError> {
    let check = |path: &String| {
        let normal = normalized(path).and_then(|normal| match normal.as_str() {
            "/" => Err(PathFault::Root),
            _ => Ok(normal),
        });
        normal.map_err(|fault| SpecError::ProtectedPath(path.clone(), fault))
    };
    paths.iter().map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(masked: &str, privileged: bool) -> Result<ProtectedPaths, SpecError> {
        let masked_paths = masked.split_whitespace().map(str::to_owned).collect();
        protected_paths(&ContainerSecurity {
            masked_paths,
            privileged,
            ..Default::default()
        })
    }

    #[test]
    fn the_lists_are_taken_as_given_unless_privileged() {
        assert_eq!(
            run("/proc/kcore //proc/keys", false).unwrap().masked,
            ["/proc/kcore", "/proc/keys"]
        );
        assert_eq!(run("", false).unwrap(), ProtectedPaths::default());
        assert_eq!(run("/proc/kcore", true).unwrap(), ProtectedPaths::default());
    }

    #[test]
    fn a_path_that_protects_nothing_is_refused() {
        for path in ["proc/kcore", "/", "/proc/../kcore"] {
            assert!(
                matches!(run(path, false), Err(SpecError::ProtectedPath(..))),
                "{path}"
            );
        }
    }
}
