//! The two mount namespaces of a launch.
//!
//! ```text
//! the host's ──► clones of what is bound ──┐
//!      ├──► B: root, cgroups, binds staged ◄┘   belongs to the pod's user namespace, if it has one
//!      └──► A: no cgroup file system, a tmpfs where they were
//! ```
//!
//! B, where the container's root is prepared, has everything that libcontainer mounts. A, where
//! libcontainer runs, shows it no cgroup. Both begin as copies of the host's mounts as of now: the
//! monitor's own, from when the pod was made, would lack what was mounted since on a host whose
//! mounts are private.
//!
//! An OCI runtime on the machine needs the cgroups, so for it there is B alone.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxNamespaceType, Spec};

use crate::monitor::protocol::{LaunchFailure, LaunchRequest, LaunchStage};
use crate::sys::mount_tree::MountTree;
use crate::sys::{mount, rooted, user_namespace};

use super::cgroup_view::{CgroupView, hide_cgroups};
use super::failure::failed;
use super::sources::{self, Source};
use super::staging::{Staging, place_beside_cgroups, place_of_cgroups, root_of_user_namespace};

/// What was staged.
#[derive(Debug)]
pub(super) struct Stage {
    /// Mount namespace B.
    pub(super) namespace: OwnedFd,
    /// In B, the root file system.
    pub(super) rootfs: PathBuf,
    /// In B, the directory that shows the container's cgroups.
    pub(super) cgroup_view: PathBuf,
    /// In B, what is to be bound in place of the spec's sources, by destination.
    pub(super) sources: BTreeMap<PathBuf, PathBuf>,
    /// Where the caller is then, an empty directory that nobody else sees.
    pub(super) scratch: PathBuf,
}

impl Stage {
    /// The path of B's namespace for this process and its forks.
    pub(super) fn namespace_path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.namespace.as_raw_fd()).into()
    }
}

/// Leaves this process in A. `host` is the host's mount namespace.
pub(super) fn prepare(
    request: &LaunchRequest,
    host: BorrowedFd<'_>,
    spec: &Spec,
) -> Result<Stage, LaunchFailure> {
    let failed_at = |what| failed::<io::Error>(LaunchStage::Rootfs, what);
    let place = place_of_cgroups();
    let taken = take(request, host, spec, &place)?;
    let has_ids = taken.ids.is_some();
    let namespace = enter_b(taken.ids.as_ref()).map_err(failed_at("new mount namespace"))?;
    let at_cgroups = failed_at("showing the container its cgroups");
    let cgroups = CgroupView::open(&request.cgroup_dirs, spec).map_err(&at_cgroups)?;
    let staging =
        Staging::begin(place.clone(), taken.ids).map_err(failed_at("making a place for mounts"))?;
    let mut staging = staging.labelled(mount_label(spec));
    let cgroup_view = staging.place_cgroups(cgroups).map_err(&at_cgroups)?;
    let (rootfs, sources) = fill_b(request, spec, taken.sources, &mut staging)?;
    if has_ids {
        mount::enter(host).map_err(failed_at("leaving the container's mount namespace"))?;
    }
    mount::unshare_mounts().map_err(failed_at("second mount namespace"))?;
    let scratch = hide_cgroups().map_err(failed_at("hiding cgroups from libcontainer"))?;
    if has_ids {
        // libcontainer looks for the root in A too.
        fs::create_dir(root_of_user_namespace(&place)).map_err(failed_at("scratch directory"))?;
    }
    Ok(Stage {
        namespace,
        rootfs,
        cgroup_view,
        sources,
        scratch,
    })
}

/// Leaves this process in B, with the host's cgroups in sight. `host` is the host's mount namespace.
pub(super) fn prepare_beside_cgroups(
    request: &LaunchRequest,
    host: BorrowedFd<'_>,
    spec: &Spec,
) -> Result<Stage, LaunchFailure> {
    let failed_at = |what| failed::<io::Error>(LaunchStage::Rootfs, what);
    let place = place_beside_cgroups().map_err(failed_at("finding a place for mounts"))?;
    let taken = take(request, host, spec, &place)?;
    let namespace = enter_b(taken.ids.as_ref()).map_err(failed_at("new mount namespace"))?;
    let staging =
        Staging::begin(place, taken.ids).map_err(failed_at("making a place for mounts"))?;
    let mut staging = staging.labelled(mount_label(spec));
    let scratch = staging
        .directory()
        .map_err(failed_at("scratch directory"))?;
    let (rootfs, sources) = fill_b(request, spec, taken.sources, &mut staging)?;
    Ok(Stage {
        namespace,
        rootfs,
        cgroup_view: PathBuf::new(),
        sources,
        scratch,
    })
}

fn mount_label(spec: &Spec) -> Option<String> {
    let linux = spec.linux().as_ref()?;
    linux
        .mount_label()
        .clone()
        .filter(|label| !label.is_empty())
}

/// What was taken from where this process was before.
struct Taken {
    sources: Vec<Source>,
    ids: Option<OwnedFd>,
}

/// Takes the pod's shared memory from the monitor's mounts and all other sources from the host's, where
/// this leaves the process.
fn take(
    request: &LaunchRequest,
    host: BorrowedFd<'_>,
    spec: &Spec,
    place: &Path,
) -> Result<Taken, LaunchFailure> {
    let failed_at = |what| failed::<io::Error>(LaunchStage::Rootfs, what);
    let shm = request.shm_dir.as_deref().map(MountTree::of).transpose();
    let shm = shm.map_err(failed_at("taking the pod's shared memory"))?;
    let ids = user_namespace(spec).map_err(failed_at("opening the pod's user namespace"))?;
    mount::enter(host).map_err(failed_at("entering the host's mount namespace"))?;
    let sources = sources::clone_all(spec, place, request, shm, ids.as_ref().map(AsFd::as_fd))?;
    Ok(Taken { sources, ids })
}

/// The user namespace that the spec joins, if it is not the host's.
fn user_namespace(spec: &Spec) -> io::Result<Option<OwnedFd>> {
    let linux = spec.linux().as_ref();
    let namespaces = linux.into_iter().flat_map(|linux| linux.namespaces());
    let of_user = namespaces
        .flatten()
        .find(|namespace| namespace.typ() == LinuxNamespaceType::User);
    match of_user.and_then(|namespace| namespace.path().as_ref()) {
        Some(path) => Ok(Some(fs::File::open(path)?.into())),
        None => Ok(None),
    }
}

/// Makes B and enters it. No mount event comes into it: what a container gets of them, it gets
/// through what is staged.
fn enter_b(user_namespace: Option<&OwnedFd>) -> io::Result<OwnedFd> {
    let namespace = match user_namespace {
        Some(ids) => {
            let namespace = user_namespace::copy_mounts_into(ids.as_fd())?;
            mount::enter(namespace.as_fd())?;
            namespace
        }
        None => {
            mount::copy_mounts()?;
            mount::own_namespace()?
        }
    };
    mount::cut_off()?;
    Ok(namespace)
}

/// Mounts the root and stages what is bound; the root, and the sources by destination.
fn fill_b(
    request: &LaunchRequest,
    spec: &Spec,
    trees: Vec<Source>,
    staging: &mut Staging,
) -> Result<(PathBuf, BTreeMap<PathBuf, PathBuf>), LaunchFailure> {
    let failed_at = |what| failed::<io::Error>(LaunchStage::Rootfs, what);
    let rootfs = staging
        .place_root(&request.overlay)
        .map_err(failed_at("mounting the root file system"))?;
    make_directories(&rootfs, request, spec)
        .map_err(failed_at("making directories that the image lacks"))?;
    let mut sources = BTreeMap::new();
    for Source { destination, tree } in trees {
        let at_bind = format!("staging what is mounted at {}", destination.display());
        let placed = staging.place(tree);
        let place = placed.map_err(failed(LaunchStage::Rootfs, &at_bind))?;
        sources.insert(destination, place);
    }
    for image in &request.image_volumes {
        let at_image = format!("mounting the image at {}", image.destination.display());
        let placed = staging.place_image(image);
        let place = placed.map_err(failed(LaunchStage::Rootfs, &at_image))?;
        sources.insert(image.destination.clone(), place);
    }
    sources::check_targets(&rootfs, spec, &sources)?;
    Ok((rootfs, sources))
}

/// Makes the directories that the image lacks (the working directory, its volumes) in the
/// container's writable layer. What lies on a mount of its own is left to whoever filled that.
fn make_directories(rootfs: &Path, request: &LaunchRequest, spec: &Spec) -> io::Result<()> {
    let is_on_a_mount = |directory: &Path| {
        let mut mounts = spec.mounts().iter().flatten();
        mounts.any(|mount| directory.starts_with(mount.destination()))
    };
    for directory in request.directories.iter().map(Path::new) {
        if directory == Path::new("/") || is_on_a_mount(directory) {
            continue;
        }
        match rooted::make_directories(mount::open_dir(rootfs)?, directory, request.owner) {
            // A file is in the way: entering it gives the error that users know.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {}
            result => result?,
        }
    }
    Ok(())
}
