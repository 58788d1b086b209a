//! Persistent volumes on the node: paths of the host that outlive the pods that use them.
//!
//! A directory in the pod's own says which ones it uses. That is all there is to know: a volume for
//! one pod alone is free again when the pod's directory is gone.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::ownership::{Access, Ownership};
use super::{SetUp, VolumeError, Volumes, host_path};
use crate::model::{
    AccessMode, PersistentSource, PersistentVolume, PodSpec, PodUid, StringMap, VolumeMode,
};

impl Volumes {
    /// Where the volume is, made ready for the pod.
    pub(super) fn mount_persistent(
        &self,
        volume: &PersistentVolume,
        pod: &SetUp,
        group: Option<u32>,
    ) -> Result<PathBuf, VolumeError> {
        let failed = |problem: String| VolumeError::Persistent {
            volume: volume.name.clone(),
            problem,
        };
        if !is_on_node(volume, &pod.node_labels) {
            let problem = "no matching NodeSelectorTerms".to_owned();
            return Err(failed(format!(
                "storage node affinity check failed: {problem}"
            )));
        }
        self.use_volume(volume, &pod.uid)?;
        let path = match &volume.source {
            PersistentSource::HostPath { path, kind } => {
                host_path::check(&volume.name, path, *kind)?;
                // A path of the host belongs to whoever made it.
                return Ok(PathBuf::from(path));
            }
            PersistentSource::Local { path } => PathBuf::from(path),
            PersistentSource::Csi(_) => {
                return Err(failed("a driver mounts it".to_owned()));
            }
            PersistentSource::NotTranslated { problem } => return Err(failed(problem.clone())),
            PersistentSource::NotHandled { kind } => {
                return Err(VolumeError::NotHandled {
                    volume: volume.name.clone(),
                    kind: kind.clone(),
                });
            }
        };
        if volume.mode == VolumeMode::Block {
            return match is_block_device(&path) {
                true => Ok(path),
                false => Err(failed(format!("path {path:?} is not a block device"))),
            };
        }
        if !path.is_dir() {
            return Err(failed(format!("path {path:?} does not exist")));
        }
        if let Some(group) = group {
            let ownership = Ownership {
                group,
                access: Access::ReadAndWrite,
            };
            let policy = pod.spec.security.fs_group_change;
            let given = ownership.apply_by(&path, policy);
            given.map_err(|error| failed(format!("cannot give {path:?} to its group: {error}")))?;
        }
        Ok(path)
    }

    /// Writes down that the pod uses the volume, unless it is for another pod alone.
    fn use_volume(&self, volume: &PersistentVolume, uid: &PodUid) -> Result<(), VolumeError> {
        let pods = self.layout.pods();
        let failed = |source| VolumeError::Directory {
            path: pods.clone(),
            source,
        };
        // Only one pod looks at a time.
        let turn = File::open(&pods).map_err(failed)?;
        rustix::fs::flock(&turn, rustix::fs::FlockOperation::LockExclusive)
            .map_err(|error| failed(error.into()))?;
        let is_for_one = volume.access_modes.contains(&AccessMode::ReadWriteOncePod);
        if is_for_one && is_used_by_another(&pods, &volume.name, uid).map_err(failed)? {
            return Err(VolumeError::InUse {
                volume: volume.name.clone(),
            });
        }
        std::fs::create_dir_all(mark(&self.layout.pod(uid), &volume.name)).map_err(failed)
    }
}

fn is_block_device(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|found| found.file_type().is_block_device())
}

/// Whether containers use the volume as what it is.
pub(super) fn check_mode(
    name: &str,
    volume: &PersistentVolume,
    spec: &PodSpec,
) -> Result<(), VolumeError> {
    let used = match volume.mode {
        VolumeMode::Block => spec
            .all_containers()
            .any(|one| one.mounts.iter().any(|mount| mount.volume == name))
            .then_some("volumeMounts"),
        VolumeMode::Filesystem => spec
            .all_containers()
            .any(|one| one.devices.iter().any(|device| device.volume == name))
            .then_some("volumeDevices"),
    };
    let Some(used) = used else { return Ok(()) };
    let mode = volume.mode.as_str();
    Err(VolumeError::Unprocessed {
        volume: name.to_owned(),
        problem: format!("volume {name} has volumeMode {mode}, but is specified in {used}"),
    })
}

/// Whether a node with these labels has the volume.
pub(crate) fn is_on_node(volume: &PersistentVolume, labels: &StringMap) -> bool {
    volume.nodes.as_ref().is_none_or(|terms| {
        terms
            .iter()
            .any(|term| !term.is_empty() && term.iter().all(|one| one.holds(labels)))
    })
}

fn is_used_by_another(pods: &Path, volume: &str, uid: &PodUid) -> io::Result<bool> {
    for pod in std::fs::read_dir(pods)? {
        let pod = pod?;
        if pod.file_name() != uid.as_str() && mark(&pod.path(), volume).exists() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What says that a pod uses a volume.
fn mark(pod: &Path, volume: &str) -> PathBuf {
    pod.join("volumes/kubernetes.io~local-volume").join(volume)
}
