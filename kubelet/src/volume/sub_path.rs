//! `subPath`: a path inside a volume, bound to a place that containers cannot reach.
//!
//! A container may write to the volume while another one is started, so the path is opened
//! beneath the volume without following any link, and what was opened, not its name, is bound.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat2};
use rustix::io::Errno;
use rustix::mount::mount_bind;

use super::VolumeError;
use super::empty_dir::unmount_if_mounted;
use crate::layout::Layout;
use crate::model::{ContainerName, PodUid};

/// One path inside a volume, for one mount of one container.
#[derive(Clone, Debug)]
pub(crate) struct SubPath {
    /// The pod.
    pub(crate) uid: PodUid,
    /// The volume's name.
    pub(crate) volume: String,
    /// Where the volume is on the host.
    pub(crate) volume_path: PathBuf,
    /// The container.
    pub(crate) container: ContainerName,
    /// Which of its mounts.
    pub(crate) index: usize,
    /// The path inside the volume.
    pub(crate) path: String,
}

impl super::Volumes {
    /// Binds the path, made if it is missing, and says where.
    pub(crate) fn bind_sub_path(&self, sub_path: &SubPath) -> io::Result<PathBuf> {
        let source = open_beneath(&sub_path.volume_path, Path::new(&sub_path.path))?;
        let target = self.layout.sub_path(sub_path);
        if target.exists() {
            unmount_if_mounted(&target)?;
        }
        let parent = target
            .parent()
            .expect("a subPath is below the pod's directory");
        std::fs::create_dir_all(parent)?;
        match FileType::from_raw_mode(fstat(&source)?.st_mode) {
            FileType::Directory => std::fs::create_dir_all(&target)?,
            _ => std::fs::File::create(&target).map(drop)?,
        }
        mount_bind(format!("/proc/self/fd/{}", source.as_raw_fd()), &target)?;
        Ok(target)
    }
}

impl Layout {
    /// Where the paths inside volumes are bound.
    pub(super) fn sub_paths(&self, uid: &PodUid) -> PathBuf {
        self.pod(uid).join("volume-subpaths")
    }

    fn sub_path(&self, of: &SubPath) -> PathBuf {
        let container = self
            .sub_paths(&of.uid)
            .join(&of.volume)
            .join(of.container.as_str());
        container.join(of.index.to_string())
    }

    /// Where the pod's emptyDirs are.
    pub(super) fn empty_dirs(&self, uid: &PodUid) -> PathBuf {
        self.volumes(uid).join("kubernetes.io~empty-dir")
    }
}

fn open_beneath(volume: &Path, path: &Path) -> io::Result<OwnedFd> {
    let no_link = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let mut here: OwnedFd = std::fs::File::open(volume)?.into();
    for part in path.components() {
        let std::path::Component::Normal(part) = part else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a path inside the volume",
            ));
        };
        here = match openat2(&here, part, flags, Mode::empty(), no_link) {
            Err(Errno::NOENT) => {
                mkdirat(&here, part, Mode::from_raw_mode(0o755))?;
                openat2(&here, part, flags, Mode::empty(), no_link)?
            }
            opened => opened?,
        };
    }
    Ok(here)
}

/// Unmounts every bound path of a pod.
pub(super) fn unmount_all(directory: &Path) -> Result<(), VolumeError> {
    let failed = |source| VolumeError::Remove {
        path: directory.to_owned(),
        source,
    };
    for volume in entries(directory).map_err(failed)? {
        for container in entries(&volume).map_err(failed)? {
            for bound in entries(&container).map_err(failed)? {
                unmount_if_mounted(&bound).map_err(failed)?;
            }
        }
    }
    Ok(())
}

fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(directory) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
