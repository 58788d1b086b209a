//! Root file systems of containers: overlayfs over the unpacked layers of an image.
//!
//! ```text
//! image layers, top first ─► lower ┐
//! <container>/upper ─────────────► ├─ overlay ─► <container>/rootfs
//! <container>/work ──────────────► ┘
//! ```
//!
//! The daemon only makes directories and this plan; the launch helper mounts it in a mount namespace
//! of its own (`sys::overlay::mount_overlay`), so no mount is ever left behind on the host.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::config::UserNamespace;
use crate::sys::beneath::create_directories;
use crate::sys::remove::remove_tree;

/// The overlay mount of one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// Read-only directories, top first.
    pub lower: Vec<PathBuf>,
    /// Where the container's changes go.
    pub upper: PathBuf,
    /// Scratch space of overlayfs, on the same file system as `upper`.
    pub work: PathBuf,
    /// Where it is mounted.
    pub target: PathBuf,
}

/// The files of an image, shown read-only in a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageTree {
    /// Where in the container.
    pub destination: PathBuf,
    /// The image's layers, top first.
    pub lower: Vec<PathBuf>,
    /// The file or directory that is shown; empty is all.
    pub sub_path: String,
}

/// Why a container's directories could not be made or removed.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// One could not be made.
    #[error("cannot create {path}")]
    Create {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// One could not be removed.
    #[error("cannot remove {path}")]
    Remove {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The overlay of a container with this directory over `layers`, which are given bottom first.
pub fn overlay(layers: &[PathBuf], container_dir: &Path) -> Overlay {
    let empty = container_dir.join("empty");
    let lower = match layers {
        // overlayfs needs a lower directory even for an image without any layer.
        [] => vec![empty],
        layers => layers.iter().rev().cloned().collect(),
    };
    Overlay {
        lower,
        upper: container_dir.join("upper"),
        work: container_dir.join("work"),
        target: container_dir.join("rootfs"),
    }
}

/// Makes the directories of a container's overlay. The container's own directory keeps everybody
/// else out, so that its setuid programs are out of reach of the host's users.
///
/// In a user namespace the layers are shown with its ids, and what the container writes has those
/// on the disk too: so has the root directory.
pub fn create(
    layers: &[PathBuf],
    container_dir: &Path,
    user_namespace: Option<&UserNamespace>,
) -> Result<Overlay, SnapshotError> {
    let overlay = overlay(layers, container_dir);
    make_directory(container_dir, 0o700)?;
    if layers.is_empty() {
        make_directory(&overlay.lower[0], 0o755)?;
    }
    for (path, mode) in [
        (&overlay.upper, 0o755),
        (&overlay.work, 0o700),
        (&overlay.target, 0o755),
    ] {
        make_directory(path, mode)?;
    }
    copy_root_attributes(&overlay, user_namespace)?;
    Ok(overlay)
}

/// Removes what `create` made and what the container wrote; what is gone already is no error.
pub fn remove(container_dir: &Path) -> Result<(), SnapshotError> {
    for name in ["upper", "work", "rootfs", "empty"] {
        let path = container_dir.join(name);
        remove_tree(&path).map_err(|source| SnapshotError::Remove { path, source })?;
    }
    Ok(())
}

fn make_directory(path: &Path, mode: u32) -> Result<(), SnapshotError> {
    create_directories(path, mode).map_err(|source| SnapshotError::Create {
        path: path.to_owned(),
        source,
    })
}

/// The root directory of an overlay is the upper one's: it gets owner and mode of the image's root.
fn copy_root_attributes(
    overlay: &Overlay,
    user_namespace: Option<&UserNamespace>,
) -> Result<(), SnapshotError> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let copy = || {
        let root = overlay.lower[0].metadata()?;
        let (uid, gid) = (root.uid(), root.gid());
        let (uid, gid) = user_namespace
            .and_then(|ids| ids.on_host(uid, gid))
            .unwrap_or((uid, gid));
        chown(&overlay.upper, Some(uid), Some(gid))?;
        let mode = std::fs::Permissions::from_mode(root.mode() & 0o7777);
        std::fs::set_permissions(&overlay.upper, mode)
    };
    copy().map_err(|source| SnapshotError::Create {
        path: overlay.upper.clone(),
        source,
    })
}

#[cfg(test)]
mod tests;
