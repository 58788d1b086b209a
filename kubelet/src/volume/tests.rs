//! Volumes on a real filesystem.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::{
    Payload, PayloadFile, SetUp, SubPath, VolumeError, Volumes, is_relabelled, remove_tree,
};
use crate::layout::Layout;
use crate::model::{
    Files, FilesKind, HostPathKind, Medium, PersistentSource, PersistentVolume, PodSpec, PodUid,
    Quantity, RestartPolicy, StringMap, Volume, VolumeMode, VolumeSource,
};
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
        let ready = self.volumes.set_up(&self.of(spec(source)))?;
        Ok(ready.volumes["data"].path.clone())
    }

    fn of(&self, spec: PodSpec) -> SetUp {
        SetUp {
            uid: self.uid.clone(),
            spec,
            payloads: BTreeMap::new(),
            claims: BTreeMap::new(),
            node_labels: StringMap::new(),
            memory: 64 << 20,
        }
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
    let ready = stage.volumes.set_up(&stage.of(spec)).unwrap();
    let found = fs::metadata(&ready.volumes["data"].path).unwrap();
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
fn an_empty_dir_keeps_the_mode_that_a_container_gave_it() {
    let stage = Stage::new();
    for source in [on_disk(), in_memory(None)] {
        let path = stage.set_up(source.clone()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        stage.set_up(source).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700);
        stage.volumes.tear_down(&stage.uid).unwrap();
    }
}

fn secret() -> VolumeSource {
    VolumeSource::Files(Files {
        kind: FilesKind::Secret,
        default_mode: 0o600,
        sources: Vec::new(),
    })
}

fn with_key(stage: &Stage, key: &str) -> SetUp {
    let file = PayloadFile {
        bytes: key.as_bytes().to_vec(),
        mode: 0o600,
        owner: None,
    };
    let payload: Payload = [("key".to_owned(), file)].into();
    SetUp {
        payloads: [("data".to_owned(), Ok(payload))].into(),
        ..stage.of(spec(secret()))
    }
}

#[test]
fn the_files_of_a_secret_are_in_memory_and_follow_it() {
    let stage = Stage::new();
    let mut pod = with_key(&stage, "1234");
    pod.spec.security.fs_group = Some(2000);
    let ready = stage.volumes.set_up(&pod).unwrap();
    let mounted = &ready.volumes["data"];
    assert!(mounted.read_only);
    let key = mounted.path.join("key");
    let found = fs::metadata(&key).unwrap();
    assert_eq!((found.gid(), found.mode() & 0o7777), (2000, 0o640));
    assert_ne!(found.dev(), fs::metadata(stage.root.path()).unwrap().dev());

    let newer = with_key(&stage, "5678");
    assert!(stage.volumes.refresh(&newer).unwrap().is_empty());
    assert_eq!(fs::read_to_string(&key).unwrap(), "5678");
    stage.volumes.tear_down(&stage.uid).unwrap();
    assert_eq!(mounts_below(stage.root.path()), 0);
}

#[test]
fn files_that_are_not_to_be_had_fail_a_new_volume_and_leave_one_that_stands() {
    let stage = Stage::new();
    let missing = SetUp {
        payloads: [("data".to_owned(), Err("secret \"s\" not found".to_owned()))].into(),
        ..stage.of(spec(secret()))
    };
    let error = stage.volumes.set_up(&missing).unwrap_err().to_string();
    let expected = "MountVolume.SetUp failed for volume \"data\" : secret \"s\" not found";
    assert_eq!(error, expected);
    assert!(
        stage.volumes.refresh(&missing).unwrap().is_empty(),
        "nothing stands that could be brought up to date"
    );

    stage.volumes.set_up(&with_key(&stage, "1234")).unwrap();
    let ready = stage.volumes.set_up(&missing).unwrap();
    assert_eq!(ready.stale[0].to_string(), expected);
    let key = ready.volumes["data"].path.join("key");
    assert_eq!(fs::read_to_string(key).unwrap(), "1234");
}

#[test]
fn tearing_down_twice_does_no_harm() {
    let stage = Stage::new();
    stage.set_up(on_disk()).unwrap();
    stage.volumes.tear_down(&stage.uid).unwrap();
    stage.volumes.tear_down(&stage.uid).unwrap();
}

#[test]
fn what_is_released_is_no_longer_mounted_and_what_else_is_known_of_the_pod_stays() {
    let stage = Stage::new();
    let pod = stage.root.path().join("pods/uid-1");
    stage.set_up(in_memory(None)).unwrap();
    let words = pod.join("containers/web/words");
    fs::create_dir_all(words.parent().unwrap()).unwrap();
    fs::write(&words, "last").unwrap();
    for _ in 0..2 {
        stage.volumes.release(&stage.uid).unwrap();
        assert_eq!(mounts_below(stage.root.path()), 0);
        assert!(!pod.join("volumes").exists());
        assert_eq!(fs::read_to_string(&words).unwrap(), "last");
    }
    stage.volumes.tear_down(&stage.uid).unwrap();
    stage.volumes.release(&stage.uid).unwrap();
    assert!(!pod.exists());
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
fn labels_are_given_to_what_is_made_for_the_pod_and_to_local_volumes_that_it_writes_to() {
    let of_host = || PersistentSource::HostPath {
        path: "/data".to_owned(),
        kind: HostPathKind::Unchecked,
    };
    let local = || PersistentSource::Local {
        path: "/data".to_owned(),
    };
    let claim = |read_only| VolumeSource::Claim {
        name: "data".to_owned(),
        read_only,
        is_own: false,
    };
    let persistent = |source| {
        Ok(Arc::new(PersistentVolume {
            name: "data".to_owned(),
            labels: StringMap::new(),
            capacity: Quantity::of_units(1),
            access_modes: BTreeSet::new(),
            first_access_mode: None,
            mode: VolumeMode::Filesystem,
            mount_options: Vec::new(),
            storage_class: String::new(),
            claim: None,
            source,
            nodes: None,
        }))
    };
    let host_path = VolumeSource::HostPath {
        path: "/data".to_owned(),
        kind: HostPathKind::Unchecked,
    };
    let rows = [
        (on_disk(), None, true),
        (in_memory(None), None, true),
        (secret(), None, true),
        (host_path, None, false),
        (claim(false), Some(persistent(local())), true),
        (claim(true), Some(persistent(local())), false),
        (claim(false), Some(persistent(of_host())), false),
        (claim(false), Some(Err("it is not bound".to_owned())), false),
    ];
    for (source, volume, expected) in rows {
        assert_eq!(
            is_relabelled(&source, volume.as_ref()),
            expected,
            "{source:?} {volume:?}"
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
fn a_sub_path_follows_the_links_inside_its_volume() {
    let stage = Stage::new();
    let ready = stage.volumes.set_up(&with_key(&stage, "1234")).unwrap();
    let volume = &ready.volumes["data"].path;
    let bound = stage
        .volumes
        .bind_sub_path(&sub_path(&stage, volume, "key"))
        .unwrap();
    assert_eq!(fs::read_to_string(&bound).unwrap(), "1234");
    // What a file was before may be a directory now.
    let other = stage.set_up(on_disk()).unwrap();
    let bound = stage
        .volumes
        .bind_sub_path(&sub_path(&stage, &other, "key"))
        .unwrap();
    assert!(bound.is_dir());
}

#[test]
fn a_sub_path_out_of_its_volume_is_refused() {
    let stage = Stage::new();
    let volume = stage.set_up(on_disk()).unwrap();
    symlink("/etc", volume.join("link")).unwrap();
    symlink("../..", volume.join("up")).unwrap();
    for path in ["link", "link/deeper", "up", "up/x", "../x", "/etc"] {
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
