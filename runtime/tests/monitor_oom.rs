//! What the OOM killer does to containers.

mod pod;

use std::fs;
use std::path::Path;

use serde_json::json;

use pod::{Container, Pod, process};

/// More memory than `limited` gives.
const GREED: &str = "dd if=/dev/zero of=/dev/null bs=200M count=1";

fn limited(pod: &mut Pod, script: &str) -> Container {
    let container = pod.container(script);
    let limit = |dir: &Path| {
        let v1 = fs::write(dir.join("memory.limit_in_bytes"), "20M");
        v1.or_else(|_| fs::write(dir.join("memory.max"), "20M"))
            .is_ok()
    };
    assert!(container.request.cgroup_dirs.iter().any(|dir| limit(dir)));
    for dir in &container.request.cgroup_dirs {
        let _ = fs::write(dir.join("memory.swap.max"), "0");
    }
    container
}

#[tokio::test]
async fn a_first_process_that_dies_at_once_is_known_to_have_been_killed_for_memory() {
    let mut pod = Pod::start().await;
    for _ in 0..10 {
        let mut container = limited(&mut pod, "");
        container.args(&[
            "/bin/dd",
            "if=/dev/zero",
            "of=/dev/null",
            "bs=200M",
            "count=1",
        ]);
        pod.launch(&container).await.expect("a launch");
        let record = pod.ended(container.id()).await;
        assert_eq!((record.code, record.oom_killed), (137, true));
    }
}

#[tokio::test]
async fn a_container_that_dies_of_something_else_was_not_killed_for_memory() {
    let mut pod = Pod::start().await;
    let container = limited(&mut pod, "sleep 1000");
    pod.launch(&container).await.expect("a launch");
    let killed = pod.client.signal(container.id(), libc::SIGKILL).await;
    killed.expect("a signal");
    let record = pod.ended(container.id()).await;
    assert_eq!((record.code, record.oom_killed), (137, false));
}

#[tokio::test]
async fn what_is_killed_in_a_cgroup_of_the_containers_own_making_counts() {
    let mut pod = Pod::start().await;
    let script = format!(
        "cd /sys/fs/cgroup; test -d memory && cd memory; busybox mkdir mine || exit 90; \
         (echo 0 > mine/cgroup.procs || exit 91; {GREED}); test $? = 137 || exit 92"
    );
    let mut container = limited(&mut pod, &script);
    for mount in container.spec["mounts"].as_array_mut().expect("mounts") {
        if mount["type"] == "cgroup" {
            mount["options"] = json!(["nosuid", "noexec", "nodev", "relatime"]);
        }
    }
    pod.launch(&container).await.expect("a launch");
    let record = pod.ended(container.id()).await;
    let mine = container
        .request
        .cgroup_dirs
        .iter()
        .map(|dir| dir.join("mine"));
    mine.filter(|dir| dir.exists())
        .for_each(|dir| fs::remove_dir(dir).expect("an empty cgroup"));
    assert_eq!((record.code, record.oom_killed), (0, true), "{}", pod.log());
}

#[tokio::test]
async fn an_exec_that_is_killed_counts_for_its_container() {
    let mut pod = Pod::start().await;
    let container = limited(&mut pod, "sleep 1000");
    pod.launch(&container).await.expect("a launch");
    let (_, code) = pod
        .exec(container.id(), process(&["sh", "-c", GREED]))
        .await
        .expect("an exec");
    assert_eq!(code, 137);
    pod.client.kill(container.id()).await.expect("a kill");
    assert!(pod.ended(container.id()).await.oom_killed);
}
