//! SELinux, on a machine whose policy has containers; on another, that nobody is told otherwise.

mod pod;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use podling_runtime::host;
use podling_runtime::model::config::UserNamespace;
use podling_runtime::model::selinux::{PodLabels, SelinuxOptions};
use podling_runtime::monitor::protocol::PauseLabels;
use podling_runtime::spec::{Selinux, SpecError, pod_labels};

use pod::Pod;
use pod::described::{Description, facts};

fn policy() -> Selinux {
    host::read().expect("the facts of this machine").selinux
}

/// Labels of a pod, where the policy has some.
fn labels(taken: &[&PodLabels]) -> Option<PodLabels> {
    let level = |labels: &&PodLabels| labels.process.level.clone();
    let taken: BTreeSet<String> = taken.iter().filter_map(level).collect();
    pod_labels(None, &policy(), &taken, 77).expect("labels or none")
}

async fn pod_of(labels: &PodLabels) -> Pod {
    let pause = PauseLabels {
        process: labels.process.to_string(),
        mount: labels.mount.to_string(),
    };
    let pod = Pod::with(|spec| spec.labels = Some(pause)).await;
    pod.expect("a pod")
}

fn sleeper(labels: &PodLabels) -> Description {
    Description {
        selinux: Some(labels.clone()),
        ..Description::sleeper()
    }
}

fn current(pid: i32) -> String {
    facts(pid)["attr/current"].trim_end_matches('\0').to_owned()
}

#[tokio::test]
async fn pause_a_container_and_an_exec_in_it_are_what_their_pod_is() {
    let Some(labels) = labels(&[]) else {
        return;
    };
    let mut pod = pod_of(&labels).await;
    assert_eq!(current(pod.pause), labels.process.to_string());
    for no_new_privs in [false, true] {
        let mut description = sleeper(&labels);
        description.config.security.no_new_privs = no_new_privs;
        let container = pod.described(&description).expect("a container");
        pod.launch(&container).await.expect("a launch");
        let pid = pod.pid_of(&container).await;
        assert_eq!(current(pid), labels.process.to_string());
        let exec = pod.facts_of_exec(&container).await;
        let seen = exec["attr/current"].trim_end_matches('\0');
        assert_eq!(seen, labels.process.to_string());

        // Its files: root, /dev, terminals, and the pod's shared memory.
        let mounts = &facts(pid)["mountinfo"];
        for place in ["/", "/dev", "/dev/pts", "/dev/shm"] {
            let mut at = mounts
                .lines()
                .filter(|line| line.split(' ').nth(4) == Some(place));
            let line = at
                .next_back()
                .unwrap_or_else(|| panic!("{place}: {mounts}"));
            let label = labels.mount.to_string();
            assert!(line.contains(&label), "{place} is {label}: {line}");
        }
    }
}

#[tokio::test]
async fn a_privileged_container_is_not_confined_and_its_files_are_its_pods() {
    let Some(labels) = labels(&[]) else {
        return;
    };
    let mut pod = pod_of(&labels).await;
    let mut description = sleeper(&labels);
    description.config.security.privileged = true;
    let container = pod.described(&description).expect("a container");
    pod.launch(&container).await.expect("a launch");
    let pid = pod.pid_of(&container).await;
    assert!(current(pid).contains(":spc_t:"), "{}", current(pid));
    let mounts = &facts(pid)["mountinfo"];
    assert!(mounts.contains(&labels.mount.to_string()), "{mounts}");
}

#[tokio::test]
async fn a_user_namespace_changes_nothing_about_labels() {
    let Some(labels) = labels(&[]) else {
        return;
    };
    let ids = UserNamespace {
        uid: 300_000,
        gid: 300_000,
        length: 65536,
    };
    let pause = PauseLabels {
        process: labels.process.to_string(),
        mount: labels.mount.to_string(),
    };
    let pod = Pod::with(|spec| {
        spec.user_namespace = Some(ids);
        spec.labels = Some(pause);
    });
    let pod = pod.await.expect("a pod");
    assert_eq!(current(pod.pause), labels.process.to_string());
}

#[test]
fn no_two_pods_have_the_same_level() {
    let Some(first) = labels(&[]) else {
        return;
    };
    let second = labels(&[&first]).expect("labels");
    assert_ne!(first.process.level, second.process.level);
    assert_ne!(first.mount, second.mount);
}

#[tokio::test]
async fn who_asks_where_there_is_none_is_refused() {
    if policy() != Selinux::Disabled {
        return;
    }
    let mut pod = Pod::start().await;
    let mut description = Description::sleeper();
    description.config.security.selinux = Some(SelinuxOptions {
        level: Some("s0".to_owned()),
        ..SelinuxOptions::default()
    });
    let refused = pod.described(&description).err().expect("a refusal");
    assert!(matches!(refused, SpecError::NoSelinux), "{refused}");
}

#[test]
fn a_volume_is_labelled_with_all_that_is_in_it_and_nothing_else() {
    let Some(labels) = labels(&[]) else {
        return;
    };
    // Where a file system keeps labels.
    let dir = tempfile::tempdir_in("/var/tmp").expect("a directory");
    let volume = dir.path().join("volume");
    fs::create_dir_all(volume.join("a/b")).expect("directories");
    fs::write(volume.join("a/b/file"), "x").expect("a file");
    let outside = dir.path().join("outside");
    fs::write(&outside, "x").expect("a file");
    std::os::unix::fs::symlink(&outside, volume.join("a/link")).expect("a link");
    host::label_tree(&volume, &labels.mount).expect("it is labelled");
    for path in ["", "a", "a/b", "a/b/file", "a/link"] {
        assert_eq!(
            label(&volume.join(path)),
            labels.mount.to_string(),
            "{path}"
        );
    }
    assert_ne!(label(&outside), labels.mount.to_string());
    let unknown = "system_u:object_r:nobody_knows_t:s0"
        .parse()
        .expect("a context");
    let refused = host::check_selinux_context(&unknown).expect_err("nobody knows it");
    assert!(refused.to_string().contains("nobody_knows_t"), "{refused}");
}

/// The label of a file, a link included.
fn label(path: &Path) -> String {
    let mut value = vec![0; 1024];
    let length = rustix::fs::lgetxattr(path, "security.selinux", &mut value[..]);
    value.truncate(length.expect("files have labels"));
    String::from_utf8_lossy(&value)
        .trim_end_matches('\0')
        .to_owned()
}
