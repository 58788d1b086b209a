//! Volumes on the node: made before a pod's sandbox, taken away after it.
//!
//! Only two kinds exist here: `emptyDir` and `hostPath`. What lies in an emptyDir was written by
//! containers, so it is only ever walked through descriptors, and no symbolic link is followed.

mod empty_dir;
mod host_path;
mod read;
mod remove;
mod sub_path;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(crate) use read::read_inside;
pub(crate) use remove::remove_tree;
pub(crate) use sub_path::SubPath;

use crate::layout::Layout;
use crate::model::{PodSpec, PodUid, VolumeSource};

/// Why a volume could not be made, or taken away.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// The directory of an emptyDir could not be made or mounted.
    #[error("MountVolume.SetUp failed for volume {volume:?}: cannot {attempt} {path}")]
    EmptyDir {
        /// The volume's name.
        volume: String,
        /// What was attempted.
        attempt: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// What is at a host path is not what the pod says.
    #[error(
        "MountVolume.SetUp failed for volume {volume:?}: \
         hostPath type check failed: {path} is not {expected}"
    )]
    WrongType {
        /// The volume's name.
        volume: String,
        /// The host path.
        path: String,
        /// What it should have been.
        expected: &'static str,
    },
    /// A host path could not be looked at or made.
    #[error("MountVolume.SetUp failed for volume {volume:?}: cannot use host path {path}")]
    HostPath {
        /// The volume's name.
        volume: String,
        /// The host path.
        path: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A kind of volume that is not made here.
    #[error(
        "MountVolume.SetUp failed for volume {volume:?}: volumes of kind {kind} are not supported"
    )]
    NotHandled {
        /// The volume's name.
        volume: String,
        /// The manifest's name of the kind.
        kind: String,
    },
    /// What a pod left behind could not be taken away.
    #[error("cannot remove {path}")]
    Remove {
        /// What was to be removed.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// Makes and takes away the volumes of pods.
#[derive(Clone, Debug)]
pub struct Volumes {
    layout: Layout,
}

impl Volumes {
    /// Volumes below this layout's root.
    pub fn new(layout: Layout) -> Self {
        Self { layout }
    }

    /// Makes the pod's directory and its volumes; says where each is. What stands is left as it is.
    pub fn set_up(
        &self,
        spec: &PodSpec,
        uid: &PodUid,
    ) -> Result<BTreeMap<String, PathBuf>, VolumeError> {
        make_pod_directory(&self.layout.pod(uid))?;
        let mut paths = BTreeMap::new();
        for volume in &spec.volumes {
            let path = match &volume.source {
                VolumeSource::EmptyDir { medium, size_limit } => {
                    let path = self.layout.empty_dir(uid, &volume.name);
                    empty_dir::make(empty_dir::EmptyDir {
                        name: &volume.name,
                        path: &path,
                        medium: *medium,
                        size_limit: *size_limit,
                        group: spec.security.fs_group,
                    })?;
                    path
                }
                VolumeSource::HostPath { path, kind } => {
                    host_path::check(&volume.name, path, *kind)?;
                    PathBuf::from(path)
                }
                VolumeSource::NotHandled { kind } => {
                    let (volume, kind) = (volume.name.clone(), kind.clone());
                    return Err(VolumeError::NotHandled { volume, kind });
                }
            };
            paths.insert(volume.name.clone(), path);
        }
        Ok(paths)
    }

    /// Unmounts what is mounted below the pod's directory and removes it; again does no harm.
    pub fn tear_down(&self, uid: &PodUid) -> Result<(), VolumeError> {
        let directory = self.layout.pod(uid);
        sub_path::unmount_all(&self.layout.sub_paths(uid))?;
        empty_dir::unmount_all(&self.layout.empty_dirs(uid))?;
        remove_tree(&directory)
    }
}

/// Only root looks into it from the host; containers see what is mounted into them.
fn make_pod_directory(path: &Path) -> Result<(), VolumeError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(path)
        .map_err(|source| VolumeError::EmptyDir {
            volume: String::new(),
            attempt: "make",
            path: path.to_owned(),
            source,
        })
}
