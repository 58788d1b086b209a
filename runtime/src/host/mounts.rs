//! Host paths of a request's mounts, with their symlinks resolved.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::propagation;
use crate::model::config::Mount;

/// Why a mount's host path cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// It cannot be found or made.
    #[error("cannot resolve host path {} of the mount at {destination}", path.display())]
    Resolve {
        /// Which.
        path: PathBuf,
        /// Where it is to be mounted.
        destination: String,
        /// Why.
        source: io::Error,
    },
    /// The mount below it cannot propagate so.
    #[error("cannot propagate mounts of the mount at {destination}")]
    Propagation {
        /// Where it is to be mounted.
        destination: String,
        /// Why.
        source: io::Error,
    },
    /// It has a name that a spec cannot hold.
    #[error("host path {} is not UTF-8", path.display())]
    NotText {
        /// Which.
        path: PathBuf,
    },
}

/// The mounts with the host's symlinks followed, as of now. A directory that does not exist is
/// made, as other runtimes do: clients rely on it.
pub fn resolve_mounts(mounts: &[Mount]) -> Result<Vec<Mount>, MountError> {
    mounts.iter().map(resolve).collect()
}

fn resolve(mount: &Mount) -> Result<Mount, MountError> {
    if mount.image.is_some() {
        return Ok(mount.clone());
    }
    let path = Path::new(&mount.host_path);
    let resolved = resolve_or_make(path).map_err(|source| MountError::Resolve {
        path: path.to_owned(),
        destination: mount.container_path.clone(),
        source,
    })?;
    propagation::check(&resolved, mount.propagation).map_err(|source| MountError::Propagation {
        destination: mount.container_path.clone(),
        source,
    })?;
    match resolved.into_os_string().into_string() {
        Ok(host_path) => Ok(Mount {
            host_path,
            ..mount.clone()
        }),
        Err(path) => Err(MountError::NotText { path: path.into() }),
    }
}

fn resolve_or_make(path: &Path) -> io::Result<PathBuf> {
    if !path.is_absolute() {
        return Err(io::Error::new(
            ErrorKind::InvalidInput,
            "the path is not absolute",
        ));
    }
    match fs::canonicalize(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            fs::create_dir_all(path)?;
            fs::canonicalize(path)
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(host_path: &Path) -> Mount {
        Mount {
            host_path: host_path.to_str().unwrap().to_owned(),
            container_path: "/x".to_owned(),
            ..Default::default()
        }
    }

    #[test]
    fn symlinks_are_followed_and_missing_directories_made() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        fs::create_dir(folder.join("real")).unwrap();
        std::os::unix::fs::symlink("real", folder.join("link")).unwrap();
        let found = resolve_mounts(&[mount(&folder.join("link")), mount(&folder.join("a/b"))]);
        let paths: Vec<PathBuf> = found
            .unwrap()
            .into_iter()
            .map(|mount| mount.host_path.into())
            .collect();
        assert_eq!(paths, [folder.join("real"), folder.join("a/b")]);
        assert!(folder.join("a/b").is_dir());
    }

    #[test]
    fn a_path_that_cannot_be_is_refused() {
        assert!(matches!(
            resolve_mounts(&[mount(Path::new("relative"))]),
            Err(MountError::Resolve { .. })
        ));
        let below_a_file = mount(Path::new("/etc/passwd/x"));
        assert!(matches!(
            resolve_mounts(&[below_a_file]),
            Err(MountError::Resolve { .. })
        ));
    }
}
