//! `emptyDir`: a directory that lives as long as its pod, on disk or in memory.
//!
//! One that is there was made whole: on disk it is put together under another name, and in memory
//! the mount itself sets owner and mode. What containers change of it afterwards stays.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::Path;

use super::VolumeError;
use super::mounts::{InMemory, is_mount, mount_memory};
use super::remove_tree;

/// Every user of the pod may write.
const MODE: u32 = 0o777;
/// And what is written belongs to the volume's group.
const MODE_OF_GROUP: u32 = 0o2777;

/// One emptyDir to be made.
#[derive(Clone, Copy)]
pub(super) struct EmptyDir<'a> {
    pub(super) name: &'a str,
    pub(super) path: &'a Path,
    /// `None` is on disk.
    pub(super) in_memory: Option<InMemory>,
    pub(super) group: Option<u32>,
}

/// Makes the directory; one that stands keeps what is in it.
pub(super) fn make(dir: EmptyDir<'_>) -> Result<(), VolumeError> {
    let failed = |attempt: &'static str| {
        move |source| VolumeError::EmptyDir {
            volume: dir.name.to_owned(),
            attempt,
            path: dir.path.to_owned(),
            source,
        }
    };
    make_parent(dir.path).map_err(failed("make"))?;
    match dir.in_memory {
        None => on_disk(dir).map_err(failed("make")),
        Some(filesystem) => {
            let made = DirBuilder::new().mode(0o750).create(dir.path);
            or_there(made).map_err(failed("make"))?;
            if is_mount(dir.path).map_err(failed("look at"))? {
                return Ok(());
            }
            mount_memory(dir.path, filesystem, dir.group).map_err(failed("mount memory on"))
        }
    }
}

/// Makes the directories that lead to a volume: only root looks into them from the host.
pub(super) fn make_parent(path: &Path) -> io::Result<()> {
    let parent = path
        .parent()
        .expect("a volume is below the pod's directory");
    DirBuilder::new().recursive(true).mode(0o750).create(parent)
}

fn or_there(made: io::Result<()>) -> io::Result<()> {
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn on_disk(dir: EmptyDir<'_>) -> io::Result<()> {
    if dir.path.exists() {
        return Ok(());
    }
    // No volume's name begins with a dot.
    let unfinished = dir.path.with_file_name(format!(".{}", dir.name));
    remove_tree(&unfinished).map_err(io::Error::other)?;
    DirBuilder::new().mode(0o700).create(&unfinished)?;
    chown(&unfinished, None, dir.group)?;
    let mode = dir.group.map_or(MODE, |_| MODE_OF_GROUP);
    // The process umask must not narrow the mode.
    std::fs::set_permissions(&unfinished, Permissions::from_mode(mode))?;
    std::fs::rename(unfinished, dir.path)
}
