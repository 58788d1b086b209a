//! Volumes on a real filesystem.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use tempfile::TempDir;

use super::{SubPath, VolumeError, Volumes, remove_tree};
use crate::layout::Layout;
use crate::model::{HostPathKind, Medium, PodSpec, PodUid, RestartPolicy, Volume, VolumeSource};
use crate::plan::fixture::pod;

struct Stage {
    root: TempDir,
    volumes: Volumes,
    uid: PodUid,
}

impl Stage {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        let layout = Layout::new(root.path(), &root.path().join("logs"));
        Self {
            volumes: Volumes::new(layout),
            uid: "uid-1".into(),
            root,
        }
    }

    fn set_up(&self, source: VolumeSource) -> Result<std::path::PathBuf, VolumeError> {
        let mut paths = self.volumes.set_up(&spec(source), &self.uid)?;
        Ok(paths.remove("data").unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.root.path().join(name).display().to_string()
    }
}

/// Nothing stays mounted when a test fails.
impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.volumes.tear_down(&self.uid);
    }
}

fn spec(source: VolumeSource) -> PodSpec {
    let mut spec = pod(RestartPolicy::Always, &[], &["web"]).spec;
    spec.volumes.push(Volume {
        name: "data".to_owned(),
        source,
    });
    spec
}

fn on_disk() -> VolumeSource {
    VolumeSource::EmptyDir {
        medium: Medium::Disk,
        size_limit: None,
    }
}

fn in_memory(size_limit: Option<u64>) -> VolumeSource {
    VolumeSource::EmptyDir {
        medium: Medium::Memory,
        size_limit,
    }
}

#[test]
fn an_empty_dir_is_open_to_every_user_and_keeps_its_content() {
    let stage = Stage::new();
    let path = stage.set_up(on_disk()).unwrap();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
        0o777
    );
    fs::write(path.join("kept"), "x").unwrap();
    stage.set_up(on_disk()).unwrap();
    assert!(path.join("kept").exists());
}

#[test]
fn the_volume_group_owns_an_empty_dir() {
    let stage = Stage::new();
    let mut spec = spec(on_disk());
    spec.security.fs_group = Some(2000);
    let path = stage
        .volumes
        .set_up(&spec, &stage.uid)
        .unwrap()
        .remove("data")
        .unwrap();
    let found = fs::metadata(path).unwrap();
    assert_eq!((found.gid(), found.mode() & 0o7777), (2000, 0o2777));
}

#[test]
fn an_empty_dir_in_memory_is_a_tmpfs_of_its_size() {
    let stage = Stage::new();
    let path = stage.set_up(in_memory(Some(1 << 20))).unwrap();
    stage.set_up(in_memory(Some(1 << 20))).unwrap();
    let found = rustix::fs::statfs(&path).unwrap();
    let size = u64::try_from(found.f_bsize).unwrap() * found.f_blocks;
    assert_eq!(size, 1 << 20);
    assert_ne!(
        fs::metadata(&path).unwrap().dev(),
        fs::metadata(stage.root.path()).unwrap().dev()
    );

    stage.volumes.tear_down(&stage.uid).unwrap();
    assert!(!stage.root.path().join("pods/uid-1").exists());
    assert_eq!(mounts_below(stage.root.path()), 0);
}

#[test]
fn tearing_down_twice_does_no_harm() {
    let stage = Stage::new();
    stage.set_up(on_disk()).unwrap();
    stage.volumes.tear_down(&stage.uid).unwrap();
    stage.volumes.tear_down(&stage.uid).unwrap();
}

#[test]
fn tearing_down_follows_no_link() {
    let stage = Stage::new();
    let path = stage.set_up(on_disk()).unwrap();
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("precious"), "x").unwrap();
    symlink(outside.path(), path.join("link")).unwrap();
    fs::create_dir(path.join("inner")).unwrap();
    symlink("../../../../../../..", path.join("inner/up")).unwrap();
    stage.volumes.tear_down(&stage.uid).unwrap();
    assert!(outside.path().join("precious").exists());
    assert!(!path.exists());
}

#[test]
fn a_link_in_the_place_of_a_tree_is_not_followed() {
    let directory = TempDir::new().unwrap();
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("precious"), "x").unwrap();
    let link = directory.path().join("link");
    symlink(outside.path(), &link).unwrap();
    assert!(remove_tree(&link).is_err());
    assert!(outside.path().join("precious").exists());
}

#[test]
fn a_tree_deeper_than_any_stack_of_open_files_is_removed() {
    let directory = TempDir::new().unwrap();
    let tree = directory.path().join("tree");
    fs::create_dir(&tree).unwrap();
    let mut here: std::os::fd::OwnedFd = fs::File::open(&tree).unwrap().into();
    for _ in 0..3000 {
        rustix::fs::mkdirat(&here, "d", rustix::fs::Mode::RWXU).unwrap();
        let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::RDONLY;
        here = rustix::fs::openat(&here, "d", flags, rustix::fs::Mode::empty()).unwrap();
    }
    drop(here);
    remove_tree(&tree).unwrap();
    assert!(!tree.exists());
}

#[test]
fn a_host_path_must_be_what_the_pod_says() {
    let stage = Stage::new();
    fs::create_dir(stage.path("dir")).unwrap();
    fs::write(stage.path("file"), "").unwrap();
    let _socket = UnixListener::bind(stage.path("socket")).unwrap();
    let (dir, file) = (stage.path("dir"), stage.path("file"));
    let (socket, missing) = (stage.path("socket"), stage.path("missing"));
    let null = "/dev/null".to_owned();
    let rows = [
        (&dir, HostPathKind::Directory, true),
        (&dir, HostPathKind::File, false),
        (&file, HostPathKind::File, true),
        (&file, HostPathKind::Directory, false),
        (&file, HostPathKind::DirectoryOrCreate, false),
        (&socket, HostPathKind::Socket, true),
        (&file, HostPathKind::Socket, false),
        (&null, HostPathKind::CharDevice, true),
        (&null, HostPathKind::BlockDevice, false),
        (&missing, HostPathKind::Unchecked, true),
        (&missing, HostPathKind::Directory, false),
        (&missing, HostPathKind::File, false),
        (&missing, HostPathKind::Socket, false),
    ];
    for (path, kind, fits) in rows {
        let set_up = stage.set_up(VolumeSource::HostPath {
            path: path.clone(),
            kind,
        });
        assert_eq!(set_up.is_ok(), fits, "{path} as {kind:?}: {set_up:?}");
    }
}

#[test]
fn a_missing_host_path_is_made_when_the_pod_says_so() {
    let stage = Stage::new();
    let rows = [
        ("a/b", HostPathKind::DirectoryOrCreate, 0o755),
        ("a/file", HostPathKind::FileOrCreate, 0o644),
    ];
    for (name, kind, mode) in rows {
        let path = stage
            .set_up(VolumeSource::HostPath {
                path: stage.path(name),
                kind,
            })
            .unwrap();
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o777,
            mode
        );
    }
}

#[test]
fn a_kind_that_is_not_handled_is_named() {
    let stage = Stage::new();
    let error = stage
        .set_up(VolumeSource::NotHandled {
            kind: "nfs".to_owned(),
        })
        .unwrap_err();
    assert!(error.to_string().contains("nfs"), "{error}");
}

#[test]
fn a_sub_path_is_made_and_bound() {
    let stage = Stage::new();
    let volume = stage.set_up(on_disk()).unwrap();
    let bound = stage
        .volumes
        .bind_sub_path(&sub_path(&stage, &volume, "a/b"))
        .unwrap();
    fs::write(bound.join("x"), "").unwrap();
    assert!(volume.join("a/b/x").exists());
    // A second start of the container binds it again.
    stage
        .volumes
        .bind_sub_path(&sub_path(&stage, &volume, "a/b"))
        .unwrap();
    stage.volumes.tear_down(&stage.uid).unwrap();
    assert_eq!(mounts_below(stage.root.path()), 0);
}

#[test]
fn a_sub_path_through_a_link_is_refused() {
    let stage = Stage::new();
    let volume = stage.set_up(on_disk()).unwrap();
    symlink("/etc", volume.join("link")).unwrap();
    for path in ["link", "link/deeper", "../x", "/etc"] {
        let refused = stage
            .volumes
            .bind_sub_path(&sub_path(&stage, &volume, path));
        assert!(refused.is_err(), "{path}");
    }
}

fn sub_path(stage: &Stage, volume: &Path, path: &str) -> SubPath {
    SubPath {
        uid: stage.uid.clone(),
        volume: "data".to_owned(),
        volume_path: volume.to_owned(),
        container: "web".into(),
        index: 0,
        path: path.to_owned(),
    }
}

fn mounts_below(directory: &Path) -> usize {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let directory = directory.display().to_string();
    mounts
        .lines()
        .filter(|line| line.contains(&directory))
        .count()
}
