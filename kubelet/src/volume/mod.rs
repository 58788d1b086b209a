//! Volumes on the node: made before a pod's sandbox, kept up to date, taken away after it.
//!
//! What lies in a volume may have been written by containers, so it is only ever walked through
//! descriptors, and no symbolic link is followed out of it. What is mounted for a pod is below its
//! directory, where the kernel's own list finds it again.

mod atomic;
mod claim;
mod empty_dir;
mod error;
mod files;
mod host_path;
mod mounts;
mod ownership;
mod read;
mod remove;
mod sub_path;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use atomic::{Payload, PayloadFile};
pub(crate) use claim::is_on_node;
pub use error::VolumeError;
pub(crate) use ownership::{Access, Ownership};
pub(crate) use read::read_inside;
pub(crate) use remove::remove_tree;
pub(crate) use sub_path::SubPath;

use crate::layout::Layout;
use crate::metrics::VolumeMetrics;
use crate::model::{
    FilesKind, Medium, Migrated, PersistentSource, PersistentVolume, PodSpec, PodUid, StringMap,
    VolumeSource,
};
use files::FilesVolume;
use mounts::{InMemory, unmount_below, unmount_if_mounted};

/// What a pod's volumes are made from.
#[derive(Clone, Debug)]
pub struct SetUp {
    /// The pod.
    pub uid: PodUid,
    /// Its spec.
    pub spec: PodSpec,
    /// The files of each volume of files, or why they are not to be had.
    pub payloads: BTreeMap<String, Result<Payload, String>>,
    /// The persistent volume of each volume that is a claim, or why there is none.
    pub claims: BTreeMap<String, Result<Arc<PersistentVolume>, String>>,
    /// The node's labels, by which persistent volumes know their node.
    pub node_labels: StringMap,
    /// Bytes that the pod's memory has room for.
    pub memory: u64,
}

/// A volume that containers can mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// Where it is on the host.
    pub path: PathBuf,
    /// Whether containers may only read it, whatever they ask for.
    pub read_only: bool,
    /// Whether its files get the pod's label where SELinux is on: they are the pod's own, not the host's.
    pub is_relabelled: bool,
}

/// Volumes that are ready.
#[derive(Debug, Default)]
pub struct Ready {
    /// Each by its name.
    pub volumes: BTreeMap<String, Mounted>,
    /// Volumes that stay as they were, because there is nothing newer to be had.
    pub stale: Vec<VolumeError>,
}

/// Makes and takes away the volumes of pods.
#[derive(Clone)]
pub struct Volumes {
    layout: Layout,
    metrics: VolumeMetrics,
}

impl Volumes {
    /// Volumes below this layout's root.
    pub fn new(layout: Layout) -> Self {
        Self {
            layout,
            metrics: VolumeMetrics::default(),
        }
    }

    /// The same, counted there.
    #[must_use]
    pub fn counted(self, metrics: VolumeMetrics) -> Self {
        Self { metrics, ..self }
    }

    /// Makes the pod's directory and its volumes. What stands is left as it is, but that files are
    /// brought up to date.
    pub fn set_up(&self, pod: &SetUp) -> Result<Ready, VolumeError> {
        let directory = self.layout.pod(&pod.uid);
        make_pod_directory(&directory)?;
        let _turn = take_turn(&directory)?;
        let mut ready = Ready::default();
        for volume in &pod.spec.volumes {
            let began = std::time::Instant::now();
            let made = self.make(&volume.name, &volume.source, pod, &mut ready.stale);
            if let Some(plugin) = plugin(&volume.source, pod.claims.get(&volume.name)) {
                let of = (plugin, "volume_mount", Migrated::No);
                let took = began.elapsed();
                self.metrics.operation(of, took, &made);
            }
            if let Some(mounted) = made? {
                ready.volumes.insert(volume.name.clone(), mounted);
            }
        }
        Ok(ready)
    }

    /// Brings the files of volumes that stand up to date; says what could not be.
    pub fn refresh(&self, pod: &SetUp) -> Result<Vec<VolumeError>, VolumeError> {
        let directory = self.layout.pod(&pod.uid);
        if !directory.exists() {
            return Ok(Vec::new());
        }
        let _turn = take_turn(&directory)?;
        let mut failed = Vec::new();
        for volume in &pod.spec.volumes {
            let VolumeSource::Files(files) = &volume.source else {
                continue;
            };
            let path = self.layout.files(&pod.uid, files.kind, &volume.name);
            if atomic::is_written(&path)
                && let Err(error) = self.make(&volume.name, &volume.source, pod, &mut failed)
            {
                failed.push(error);
            }
        }
        Ok(failed)
    }

    /// Nothing for a volume that the runtime or a driver mounts.
    fn make(
        &self,
        name: &str,
        source: &VolumeSource,
        pod: &SetUp,
        stale: &mut Vec<VolumeError>,
    ) -> Result<Option<Mounted>, VolumeError> {
        let group = group(&pod.spec);
        let (path, read_only) = match source {
            VolumeSource::EmptyDir { medium, size_limit } => {
                let path = self.layout.empty_dir(&pod.uid, name);
                empty_dir::make(empty_dir::EmptyDir {
                    name,
                    path: &path,
                    in_memory: in_memory(*medium, *size_limit, pod.memory),
                    group,
                })?;
                (path, false)
            }
            VolumeSource::HostPath { path, kind } => {
                host_path::check(name, path, *kind)?;
                (PathBuf::from(path), false)
            }
            VolumeSource::Files(files) => {
                let path = self.layout.files(&pod.uid, files.kind, name);
                let of = FilesVolume {
                    name,
                    path: &path,
                    kind: files.kind,
                    size: pod.memory,
                    group,
                };
                stale.extend(make_files(&of, pod)?);
                (path, true)
            }
            VolumeSource::Claim { read_only, .. } => {
                let volume = claimed(name, pod)?;
                claim::check_mode(name, volume, &pod.spec)?;
                if matches!(volume.source, PersistentSource::Csi(_)) {
                    return Ok(None);
                }
                (self.mount_persistent(volume, pod, group)?, *read_only)
            }
            VolumeSource::InTree { .. } => {
                claim::check_mode(name, claimed(name, pod)?, &pod.spec)?;
                return Ok(None);
            }
            VolumeSource::Image { .. } | VolumeSource::Csi(_) => return Ok(None),
            VolumeSource::NotHandled { kind } => {
                let (volume, kind) = (name.to_owned(), kind.clone());
                return Err(VolumeError::NotHandled { volume, kind });
            }
        };
        Ok(Some(Mounted {
            path,
            read_only,
            is_relabelled: is_relabelled(source, pod.claims.get(name)),
        }))
    }

    /// Unmounts the parts of volumes that containers saw, so that nothing holds the volumes.
    pub(crate) fn unmount_sub_paths(&self, uid: &PodUid) -> Result<(), VolumeError> {
        unmount_below(&self.layout.pod(uid).join("volume-subpaths"))
    }

    /// Unmounts what is mounted below the pod's directory and removes its volumes; what else is known of
    /// the pod stays. Again does no harm.
    pub fn release(&self, uid: &PodUid) -> Result<(), VolumeError> {
        let directory = self.layout.pod(uid);
        if !directory.exists() {
            return Ok(());
        }
        let _turn = take_turn(&directory)?;
        self.take_away(uid)
    }

    /// The same, and removes the pod's directory; again does no harm.
    pub fn tear_down(&self, uid: &PodUid) -> Result<(), VolumeError> {
        let directory = self.layout.pod(uid);
        if !directory.exists() {
            return Ok(());
        }
        let _turn = take_turn(&directory)?;
        self.take_away(uid)?;
        remove_tree(&directory)
    }

    /// Volumes, parts of them, and what drivers had in the pod's directory: they are gone by then.
    fn take_away(&self, uid: &PodUid) -> Result<(), VolumeError> {
        let directory = self.layout.pod(uid);
        self.unmount_sub_paths(uid)?;
        for (plugin, path) in standing(&self.layout.volumes(uid))? {
            let began = std::time::Instant::now();
            let gone = unmount_below(&path)
                .and_then(|()| unmount(&path))
                .and_then(|()| remove_tree(&path));
            let of = (plugin.as_str(), "volume_unmount", Migrated::No);
            self.metrics.operation(of, began.elapsed(), &gone);
            gone?;
        }
        unmount_below(&directory)?;
        for name in ["volumes", "volume-subpaths", "volumeDevices", "csi-devices"] {
            remove_tree(&directory.join(name))?;
        }
        Ok(())
    }
}

/// The volumes that stand in a pod's directory of them, each with the name of what made it. Those of
/// drivers are gone by then, and counted where their drivers are asked.
fn standing(volumes: &Path) -> Result<Vec<(String, PathBuf)>, VolumeError> {
    let failed = |source| VolumeError::Remove {
        path: volumes.to_owned(),
        source,
    };
    let mut standing = Vec::new();
    for of_plugin in entries(volumes).map_err(failed)? {
        let plugin = of_plugin.file_name().to_string_lossy().replace('~', "/");
        for volume in entries(&of_plugin.path()).map_err(failed)? {
            let is_whole = !volume.file_name().as_encoded_bytes().starts_with(b".");
            if is_whole && plugin != "kubernetes.io/csi" {
                standing.push((plugin.clone(), volume.path()));
            }
        }
    }
    Ok(standing)
}

fn entries(directory: &Path) -> std::io::Result<Vec<std::fs::DirEntry>> {
    match std::fs::read_dir(directory) {
        Ok(entries) => entries.collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn unmount(path: &Path) -> Result<(), VolumeError> {
    unmount_if_mounted(path).map_err(|source| VolumeError::Remove {
        path: path.to_owned(),
        source,
    })
}

/// What the kubelet makes for the pod, and local volumes that may be written to. A path of the host keeps
/// the label that it has, by whichever name it comes.
fn is_relabelled(
    source: &VolumeSource,
    claim: Option<&Result<Arc<PersistentVolume>, String>>,
) -> bool {
    match source {
        VolumeSource::EmptyDir { .. } | VolumeSource::Files(_) => true,
        VolumeSource::Claim { read_only, .. } => {
            let is_local = |volume: &Arc<PersistentVolume>| {
                matches!(volume.source, PersistentSource::Local { .. })
            };
            !read_only && claim.is_some_and(|claim| claim.as_ref().is_ok_and(is_local))
        }
        VolumeSource::HostPath { .. }
        | VolumeSource::Image { .. }
        | VolumeSource::Csi(_)
        | VolumeSource::InTree { .. }
        | VolumeSource::NotHandled { .. } => false,
    }
}

/// The name of what makes a volume, for who counts; nothing of those that are made elsewhere.
fn plugin(
    source: &VolumeSource,
    claim: Option<&Result<Arc<PersistentVolume>, String>>,
) -> Option<&'static str> {
    match source {
        VolumeSource::EmptyDir { .. } => Some("kubernetes.io/empty-dir"),
        VolumeSource::HostPath { .. } => Some("kubernetes.io/host-path"),
        VolumeSource::Files(files) => Some(match files.kind {
            FilesKind::ConfigMap => "kubernetes.io/configmap",
            FilesKind::Secret => "kubernetes.io/secret",
            FilesKind::DownwardApi => "kubernetes.io/downward-api",
            FilesKind::Projected => "kubernetes.io/projected",
        }),
        VolumeSource::Claim { .. } => match &claim?.as_ref().ok()?.source {
            PersistentSource::HostPath { .. } => Some("kubernetes.io/host-path"),
            PersistentSource::Local { .. } => Some("kubernetes.io/local-volume"),
            PersistentSource::Csi(_)
            | PersistentSource::NotTranslated { .. }
            | PersistentSource::NotHandled { .. } => None,
        },
        VolumeSource::Image { .. }
        | VolumeSource::Csi(_)
        | VolumeSource::InTree { .. }
        | VolumeSource::NotHandled { .. } => None,
    }
}

/// Writes the files. When they are not to be had, a volume that has some keeps them, and why is told.
fn make_files(of: &FilesVolume<'_>, pod: &SetUp) -> Result<Option<VolumeError>, VolumeError> {
    let volume = || of.name.to_owned();
    match pod.payloads.get(of.name) {
        Some(Ok(payload)) => {
            let failed = |source| VolumeError::Files {
                volume: volume(),
                path: of.path.to_owned(),
                source,
            };
            files::make(of, &pod.spec, payload).map_err(failed)?;
            Ok(None)
        }
        missing => {
            let problem = match missing {
                Some(Err(problem)) => problem.clone(),
                _ => "its files were not looked up".to_owned(),
            };
            let volume = volume();
            let error = VolumeError::Missing { volume, problem };
            if atomic::is_written(of.path) {
                Ok(Some(error))
            } else {
                Err(error)
            }
        }
    }
}

fn claimed<'a>(name: &str, pod: &'a SetUp) -> Result<&'a PersistentVolume, VolumeError> {
    let volume = || name.to_owned();
    match pod.claims.get(name) {
        Some(Ok(persistent)) => Ok(persistent),
        Some(Err(problem)) => Err(VolumeError::Unprocessed {
            volume: volume(),
            problem: problem.clone(),
        }),
        None => Err(VolumeError::Unprocessed {
            volume: volume(),
            problem: "its claim was not looked up".to_owned(),
        }),
    }
}

fn group(spec: &PodSpec) -> Option<u32> {
    spec.security
        .fs_group
        .and_then(|gid| u32::try_from(gid).ok())
}

/// A tmpfs has room for what its pod has memory for, and for no more than it says.
fn in_memory(medium: Medium, size_limit: Option<u64>, memory: u64) -> Option<InMemory> {
    match medium {
        Medium::Disk => None,
        Medium::Memory => {
            let limit = size_limit.filter(|limit| *limit > 0);
            Some(InMemory::Tmpfs(
                limit.map_or(memory, |limit| limit.min(memory)),
            ))
        }
        Medium::HugePages { page } => Some(InMemory::HugePages(page)),
    }
}

/// Waits until nobody else works on the pod's volumes: work that was given up may still go on.
fn take_turn(directory: &Path) -> Result<File, VolumeError> {
    let turn = File::open(directory).and_then(|file| {
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
        Ok(file)
    });
    turn.map_err(|source| VolumeError::Directory {
        path: directory.to_owned(),
        source,
    })
}

/// Only root looks into it from the host; containers see what is mounted into them.
fn make_pod_directory(path: &Path) -> Result<(), VolumeError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(path)
        .map_err(|source| VolumeError::Directory {
            path: path.to_owned(),
            source,
        })
}
