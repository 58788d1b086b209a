//! `emptyDir`: a directory that lives as long as its pod, on disk or in memory.

use std::ffi::CString;
use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::Path;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::VolumeError;
use crate::model::Medium;

/// Every user of the pod may write.
const MODE: u32 = 0o777;
/// And what is written belongs to the volume's group.
const MODE_OF_GROUP: u32 = 0o2777;

/// One emptyDir to be made.
#[derive(Clone, Copy)]
pub(super) struct EmptyDir<'a> {
    pub(super) name: &'a str,
    pub(super) path: &'a Path,
    pub(super) medium: Medium,
    pub(super) size_limit: Option<u64>,
    pub(super) group: Option<i64>,
}

/// Makes the directory; one that stands keeps what is in it.
pub(super) fn make(dir: EmptyDir<'_>) -> Result<(), VolumeError> {
    let EmptyDir {
        name,
        path,
        medium,
        size_limit,
        group,
    } = dir;
    let failed = |attempt: &'static str| {
        move |source| VolumeError::EmptyDir {
            volume: name.to_owned(),
            attempt,
            path: path.to_owned(),
            source,
        }
    };
    let parent = path
        .parent()
        .expect("an emptyDir is below the pod's directory");
    DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(parent)
        .map_err(failed("make"))?;
    match DirBuilder::new().mode(0o755).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed("make")(error)),
    }
    if medium == Medium::Memory && !is_mount(path).map_err(failed("look at"))? {
        mount_tmpfs(path, size_limit).map_err(failed("mount a tmpfs on"))?;
    }
    open_to_pod(path, group).map_err(failed("set the owner of"))
}

fn mount_tmpfs(path: &Path, size_limit: Option<u64>) -> io::Result<()> {
    // Without a size the kernel allows half of the memory.
    let data = size_limit.map_or_else(String::new, |bytes| format!("size={bytes}"));
    let data = CString::new(data).expect("a number has no zero byte");
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    Ok(mount("tmpfs", path, "tmpfs", flags, data.as_c_str())?)
}

/// The process umask must not narrow the mode.
fn open_to_pod(path: &Path, group: Option<i64>) -> io::Result<()> {
    let group = group.and_then(|gid| u32::try_from(gid).ok());
    let mode = if group.is_some() { MODE_OF_GROUP } else { MODE };
    if group.is_some() {
        chown(path, None, group)?;
    }
    std::fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Unmounts every emptyDir in memory.
pub(super) fn unmount_all(directory: &Path) -> Result<(), VolumeError> {
    let failed = |source| VolumeError::Remove {
        path: directory.to_owned(),
        source,
    };
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        unmount_if_mounted(&entry.map_err(failed)?.path()).map_err(failed)?;
    }
    Ok(())
}

/// Detaches the mount at `path`, and those stacked below it.
pub(super) fn unmount_if_mounted(path: &Path) -> io::Result<()> {
    while is_mount(path)? {
        unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)?;
    }
    Ok(())
}

/// Whether another filesystem, or another part of one, begins here.
fn is_mount(path: &Path) -> io::Result<bool> {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    let found = statx(
        CWD,
        path,
        AtFlags::SYMLINK_NOFOLLOW,
        StatxFlags::BASIC_STATS,
    )?;
    if found
        .stx_attributes_mask
        .contains(StatxAttributes::MOUNT_ROOT)
    {
        return Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
    }
    // Kernels before 5.8 do not say; a device of its own is what a tmpfs has.
    let parent = path.parent().unwrap_or(Path::new("/"));
    Ok(std::fs::symlink_metadata(path)?.dev() != std::fs::symlink_metadata(parent)?.dev())
}
