//! `subPath`: a path inside a volume, bound to a place that containers cannot reach.
//!
//! A container may write to the volume while another one is started, so the kernel itself resolves
//! the path beneath the volume: links lead around inside it, and never out of it. What was opened,
//! not its name, is bound.

use std::fs::Permissions;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat2};
use rustix::io::Errno;
use rustix::mount::mount_bind;

use super::mounts::unmount_if_mounted;
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
        let source = open_or_make(&sub_path.volume_path, Path::new(&sub_path.path))?;
        let target = self.layout.sub_path(sub_path);
        unmount_if_mounted(&target)?;
        let kind = FileType::from_raw_mode(fstat(&source)?.st_mode);
        make_target(&target, kind)?;
        mount_bind(format!("/proc/self/fd/{}", source.as_raw_fd()), &target)?;
        Ok(target)
    }
}

impl Layout {
    fn sub_path(&self, of: &SubPath) -> PathBuf {
        self.pod(&of.uid)
            .join("volume-subpaths")
            .join(&of.volume)
            .join(of.container.as_str())
            .join(of.index.to_string())
    }
}

/// A directory for a directory, and a file for everything else. What was bound there before may have
/// been another kind of thing.
fn make_target(target: &Path, kind: FileType) -> io::Result<()> {
    let parent = target
        .parent()
        .expect("a subPath is below the pod's directory");
    std::fs::create_dir_all(parent)?;
    let is_directory = kind == FileType::Directory;
    match std::fs::symlink_metadata(target) {
        Ok(found) if found.is_dir() == is_directory => return Ok(()),
        Ok(found) if found.is_dir() => std::fs::remove_dir(target)?,
        Ok(_) => std::fs::remove_file(target)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if is_directory {
        std::fs::create_dir(target)
    } else {
        std::fs::File::create(target).map(drop)
    }
}

/// What is at the path; directories that are missing are made like the volume's own.
fn open_or_make(volume: &Path, path: &Path) -> io::Result<OwnedFd> {
    let outside = path
        .components()
        .any(|part| !matches!(part, Component::Normal(_) | Component::CurDir));
    if outside {
        let message = "not a path inside the volume";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let top = std::fs::File::open(volume)?;
    match open_beneath(&top, path) {
        Err(Errno::NOENT) => {}
        opened => return Ok(opened?),
    }
    let mode = top.metadata()?.mode() & 0o7777;
    let mut here = PathBuf::from(".");
    for part in path.components() {
        let parent = open_beneath(&top, &here)?;
        here.push(part);
        match mkdirat(&parent, part.as_os_str(), Mode::from_raw_mode(0o700)) {
            Ok(()) => open_to(&open_beneath(&top, &here)?, mode)?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(open_beneath(&top, &here)?)
}

/// The process umask must not narrow the mode.
fn open_to(directory: &OwnedFd, mode: u32) -> io::Result<()> {
    let itself = format!("/proc/self/fd/{}", directory.as_raw_fd());
    std::fs::set_permissions(itself, Permissions::from_mode(mode))
}

fn open_beneath(top: &std::fs::File, path: &Path) -> Result<OwnedFd, Errno> {
    /// How often somebody may rename something while the kernel looks.
    const ATTEMPTS: usize = 32;
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let mut opened = Err(Errno::AGAIN);
    for _ in 0..ATTEMPTS {
        opened = openat2(top, path, flags, Mode::empty(), beneath);
        if !matches!(opened, Err(Errno::AGAIN)) {
            break;
        }
    }
    opened
}
