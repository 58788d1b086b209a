//! The sources of a container's bind mounts, taken from the host's mount namespace.
//!
//! libcontainer sets no propagation and refuses to map ids. So what needs either is cloned on the
//! host as a tree of its own, changed, and staged; libcontainer binds what was staged, which keeps
//! ids and propagation. The clone of a shared mount is a peer of it: what a container mounts there
//! appears on the host, though nothing of ours is mounted on the host.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{Mount, Spec};

use crate::monitor::protocol::{LaunchFailure, LaunchRequest, LaunchStage};
use crate::sys::mount_tree::{MountTree, Travel};
use crate::sys::rooted;

use super::failure::failure;

/// A tree that is bound in place of a mount's source.
#[derive(Debug)]
pub(super) struct Source {
    /// The mount, by its place in the container.
    pub(super) destination: PathBuf,
    /// What is bound there.
    pub(super) tree: MountTree,
}

/// Clones every source that libcontainer cannot bind itself, or that what is staged at `place` covers.
/// `shm` is the pod's shared memory.
pub(super) fn clone_all(
    spec: &Spec,
    place: &Path,
    request: &LaunchRequest,
    mut shm: Option<MountTree>,
    user_namespace: Option<BorrowedFd<'_>>,
) -> Result<Vec<Source>, LaunchFailure> {
    if user_namespace.is_some() {
        check_devices(spec)?;
    }
    let mut sources = Vec::new();
    for mount in spec.mounts().iter().flatten() {
        let Some(source) = bind_source(mount, request) else {
            continue;
        };
        let is_shm = request.shm_dir.as_deref() == Some(source);
        let tree = match shm.take_if(|_| is_shm) {
            Some(shm) => shm,
            None => {
                check(source, mount)?;
                if user_namespace.is_none() && !must_be_cloned(mount, source, place) {
                    continue;
                }
                MountTree::of(source).map_err(|error| failed(mount, source, &error))?
            }
        };
        change(&tree, mount, user_namespace).map_err(|error| failed(mount, source, &error))?;
        sources.push(Source {
            destination: mount.destination().clone(),
            tree,
        });
    }
    Ok(sources)
}

/// The host path that a mount binds, if it binds one.
fn bind_source<'a>(mount: &'a Mount, request: &LaunchRequest) -> Option<&'a Path> {
    let is_image = |image: &crate::snapshot::ImageTree| image.destination == *mount.destination();
    if !is_bind(mount) || request.image_volumes.iter().any(is_image) {
        return None;
    }
    mount.source().as_deref()
}

/// Whether a mount is a bind.
pub(super) fn is_bind(mount: &Mount) -> bool {
    mount.typ().as_deref() == Some("bind")
        || has_option(mount, "bind")
        || has_option(mount, "rbind")
}

/// Says which mount cannot work while its source can still be named.
fn check(source: &Path, mount: &Mount) -> Result<(), LaunchFailure> {
    match fs::metadata(source) {
        Ok(_) => Ok(()),
        Err(error) => {
            let why = io::Error::new(error.kind(), format!("stat {}: {error}", source.display()));
            Err(failed(mount, source, &why))
        }
    }
}

/// Refuses a device that has another name in the container than on the host: in a user namespace
/// libcontainer binds what has the name.
fn check_devices(spec: &Spec) -> Result<(), LaunchFailure> {
    let devices = spec
        .linux()
        .iter()
        .filter_map(|linux| linux.devices().as_ref());
    for device in devices.flatten() {
        let path = device.path();
        let number = rustix::fs::makedev(device.major() as u32, device.minor() as u32);
        if !fs::metadata(path).is_ok_and(|found| found.rdev() == number) {
            let path = path.display();
            let what = format!("device {path}: in a user namespace it must have its host's name");
            return Err(failure(LaunchStage::Spec, what));
        }
    }
    Ok(())
}

/// Refuses to bind a file over a directory of the root file system, or a directory over a file.
pub(super) fn check_targets(
    rootfs: &Path,
    spec: &Spec,
    staged: &BTreeMap<PathBuf, PathBuf>,
) -> Result<(), LaunchFailure> {
    let mounts = || spec.mounts().iter().flatten();
    for mount in mounts().filter(|mount| is_bind(mount)) {
        let target = mount.destination();
        let is_below = |other: &Mount| {
            other.destination() != target && target.starts_with(other.destination())
        };
        let source = staged.get(target).or(mount.source().as_ref());
        let Some(source) = source.filter(|_| !mounts().any(is_below)) else {
            continue;
        };
        let is_directory = |path: &Path| fs::metadata(path).is_ok_and(|found| found.is_dir());
        let found = rooted::is_directory(rootfs, target);
        if found.is_ok_and(|found| found != is_directory(source)) {
            let why = "are you trying to mount a directory onto a file (or vice-versa)?";
            let why = io::Error::new(
                io::ErrorKind::NotADirectory,
                format!("not a directory: {why}"),
            );
            return Err(failed(
                mount,
                mount.source().as_ref().unwrap_or(source),
                &why,
            ));
        }
    }
    Ok(())
}

/// Whether a plain bind in namespace B would not be what the spec says: B gets no mount events, and
/// what is staged covers what was at `place`.
fn must_be_cloned(mount: &Mount, source: &Path, place: &Path) -> bool {
    let is_open = ["slave", "rslave", "shared", "rshared"]
        .iter()
        .any(|option| has_option(mount, option));
    is_open || source.starts_with(place) || place.starts_with(source)
}

/// Propagation and ids; read-only and the like are left to libcontainer.
fn change(
    tree: &MountTree,
    mount: &Mount,
    user_namespace: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    if has_option(mount, "rslave") || has_option(mount, "slave") {
        tree.set_travel(Travel::Inward)?;
    } else if !has_option(mount, "rshared") && !has_option(mount, "shared") {
        tree.set_travel(Travel::Private)?;
    }
    match (user_namespace, mount.uid_mappings()) {
        (Some(user_namespace), Some(_)) => tree.map_ids(user_namespace).map_err(|error| {
            let what = "its files cannot be shown with the ids of the pod's user namespace";
            io::Error::new(error.kind(), format!("{what}: {error}"))
        }),
        _ => Ok(()),
    }
}

fn has_option(mount: &Mount, wanted: &str) -> bool {
    let mut options = mount.options().iter().flatten();
    options.any(|option| option == wanted)
}

/// The words in which other runtimes say it.
fn failed(mount: &Mount, source: &Path, error: &io::Error) -> LaunchFailure {
    let target = mount.destination();
    failure(
        LaunchStage::Spec,
        format!("error mounting {source:?} to rootfs at {target:?}: {error}"),
    )
}
