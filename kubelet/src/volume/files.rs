//! Volumes of files that the kubelet writes: on disk for ConfigMaps, else in memory.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use super::atomic::{self, Payload};
use super::mounts::{InMemory, is_mount, mount_memory};
use super::ownership::{Access, Ownership};
use crate::layout::Layout;
use crate::model::{FilesKind, PodSpec, PodUid};

/// A volume of files to be made or brought up to date.
pub(super) struct FilesVolume<'a> {
    pub(super) name: &'a str,
    pub(super) path: &'a Path,
    pub(super) kind: FilesKind,
    /// Bytes that fit in it, if it is in memory.
    pub(super) size: u64,
    pub(super) group: Option<u32>,
}

/// Makes the volume, and makes it have these files.
pub(super) fn make(of: &FilesVolume<'_>, spec: &PodSpec, payload: &Payload) -> io::Result<()> {
    super::empty_dir::make_parent(of.path)?;
    match DirBuilder::new().mode(0o755).create(of.path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    if is_in_memory(of.kind) {
        if !is_mount(of.path)? {
            mount_memory(of.path, InMemory::Tmpfs(of.size), of.group)?;
        }
    } else {
        std::fs::set_permissions(of.path, Permissions::from_mode(0o777))?;
    }
    for point in nested_mount_points(spec, of.name) {
        std::fs::create_dir_all(of.path.join(point))?;
    }
    let ownership = of.group.map(|group| Ownership {
        group,
        access: Access::Read,
    });
    atomic::write(of.path, payload, ownership)
}

/// What is not for everybody is never written to a disk.
fn is_in_memory(kind: FilesKind) -> bool {
    match kind {
        FilesKind::ConfigMap => false,
        FilesKind::Secret | FilesKind::DownwardApi | FilesKind::Projected => true,
    }
}

/// Where other volumes are mounted inside this one: the runtime cannot make a place for them in a
/// volume that is read-only.
fn nested_mount_points(spec: &PodSpec, volume: &str) -> BTreeSet<String> {
    let mut points = BTreeSet::new();
    for container in spec.all_containers() {
        let of_this = container.mounts.iter().filter(|one| one.volume == volume);
        for outer in of_this.filter(|one| one.sub_path.is_none()) {
            let outer = format!("{}/", outer.path.trim_end_matches('/'));
            let inner = container
                .mounts
                .iter()
                .filter_map(|one| one.path.strip_prefix(&outer))
                .map(|path| path.trim_matches('/').to_owned());
            points.extend(inner.filter(|path| !path.is_empty() && !path.starts_with("..")));
        }
    }
    points
}

impl Layout {
    /// A volume of files.
    pub(super) fn files(&self, uid: &PodUid, kind: FilesKind, volume: &str) -> std::path::PathBuf {
        let kind = match kind {
            FilesKind::ConfigMap => "kubernetes.io~configmap",
            FilesKind::Secret => "kubernetes.io~secret",
            FilesKind::DownwardApi => "kubernetes.io~downward-api",
            FilesKind::Projected => "kubernetes.io~projected",
        };
        self.volumes(uid).join(kind).join(volume)
    }
}
