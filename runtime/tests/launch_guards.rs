//! libcontainer's defects, by the row of the list that names them.

mod pod;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use podling_runtime::monitor::LaunchError;
use podling_runtime::monitor::protocol::{LaunchFailure, LaunchStage};
use serde_json::json;

use pod::{Container, Pod, default_caps, process};

async fn failure(pod: &Pod, container: &Container) -> LaunchFailure {
    match pod.launch(container).await {
        Err(LaunchError::Failed(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

fn children(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("its children")
}

fn parent(pid: i32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let after_name = stat.rsplit_once(") ").expect("a name").1;
    after_name
        .split(' ')
        .nth(1)
        .expect("a parent")
        .parse()
        .expect("a pid")
}

#[tokio::test]
async fn row_2_a_seccomp_profile_is_applied_or_the_launch_refused() {
    let mut pod = Pod::start().await;
    let mut container = pod.container("busybox mkdir /tmp/x; echo $?; (echo forked)");
    container.spec["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"names": ["mkdir", "mkdirat", "clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}]});
    container.spec["linux"]["seccomp"]["defaultAction"] = json!("SCMP_ACT_ALLOW");
    container.spec["linux"]["seccomp"]["syscalls"][0]["names"] = json!(["mkdir", "mkdirat"]);
    pod.launch(&container).await.expect("a launch");
    pod.ended(container.id()).await;
    assert!(pod.log().contains("Permission denied"), "{}", pod.log());
    assert!(pod.log().contains("stdout F forked"), "{}", pod.log());

    let mut container = pod.container("true");
    container.spec["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mount"], "action": "SCMP_ACT_NOTIFY"}]});
    let failure = failure(&pod, &container).await;
    assert_eq!(failure.stage, LaunchStage::Seccomp, "{failure}");
}

#[tokio::test]
async fn a_masked_comparison_of_a_profile_means_what_the_oci_spec_says() {
    let mut pod = Pod::start().await;
    let mut container = pod.container("(echo forked); true");
    // Forbids clone(2) without new namespaces, which is how shells fork; the other way round, with
    // the value as mask, it would match no call at all.
    container.spec["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "args": [
            {"index": 0, "value": 0x7E02_0000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]}]});
    pod.launch(&container).await.expect("a launch");
    pod.ended(container.id()).await;
    assert!(pod.log().contains("can't fork"), "{}", pod.log());

    let profile = container.spec["linux"]["seccomp"].clone();
    let mut container = pod.container("");
    container.args(&["/bin/sleep", "1000"]);
    container.spec["linux"]["seccomp"] = profile;
    pod.launch(&container).await.expect("a launch");
    let mut fork = process(&["sh", "-c", "(echo forked); true"]);
    fork.seccomp = true;
    let (output, _) = pod.exec(container.id(), fork).await.expect("an exec");
    assert!(output.contains("can't fork"), "{output}");
}

#[tokio::test]
async fn row_3_no_new_privs_false_is_false() {
    let mut pod = Pod::start().await;
    for (value, seen) in [(json!(false), "0"), (json!(true), "1")] {
        let mut container = pod.container("grep NoNewPrivs /proc/self/status");
        container.spec["process"]["noNewPrivileges"] = value;
        pod.launch(&container).await.expect("a launch");
        pod.ended(container.id()).await;
        assert!(
            pod.log().ends_with(&format!("NoNewPrivs:\t{seen}\n")),
            "{}",
            pod.log()
        );
    }
}

#[tokio::test]
async fn row_4_output_can_be_written_though_nobody_keeps_it() {
    let mut pod = Pod::start().await;
    let mut container = pod.container("echo x && echo y >&2 && cat && exit 3");
    container.request.log_path = None;
    pod.launch(&container).await.expect("a launch");
    assert_eq!(pod.ended(container.id()).await.code, 3);
}

#[tokio::test]
async fn rows_5_6_7_nothing_of_libcontainers_state_stays_anywhere() {
    let mut pod = Pod::start().await;
    let container = pod.container("sleep 1000");
    pod.launch(&container).await.expect("a launch");
    let names: Vec<String> = fs::read_dir(&container.request.bundle)
        .expect("the bundle")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert!(
        names
            .iter()
            .all(|name| !name.contains("state") && !name.contains("sock")),
        "{names:?}"
    );
    let mounts = fs::read_to_string("/proc/self/mounts").expect("our mounts");
    assert!(
        !mounts.contains(container.id().as_str()),
        "a mount leaked to the host"
    );
}

#[tokio::test]
async fn row_8_a_failed_launch_leaves_no_process_behind() {
    let mut pod = Pod::start().await;
    let monitor = parent(pod.pause);
    for args in [&["nosuch"][..], &["/etc"]] {
        let mut container = pod.container("");
        container.args(args);
        failure(&pod, &container).await;
        pod::wait_until(|| children(monitor).trim() == pod.pause.to_string()).await;
        assert_eq!(pod.status(container.id()).await, None);
        let next = pod.container("true");
        pod.launch(&next).await.expect("the next one starts");
        pod.ended(next.id()).await;
    }
}

#[tokio::test]
async fn row_9_libcontainers_own_words_go_to_the_error_not_to_the_containers_stderr() {
    let mut pod = Pod::start().await;
    let mut container = pod.container("true");
    container.spec["mounts"]
        .as_array_mut()
        .expect("mounts")
        .push(json!(
            {"destination": "/v", "type": "tmpfs", "source": "tmpfs", "options": ["size=nonsense"]}
        ));
    let failure = failure(&pod, &container).await;
    assert_eq!(failure.stage, LaunchStage::Create);
    assert!(failure.message.contains("/v"), "{failure}");
    assert_eq!(pod.log(), "");
}

#[tokio::test]
async fn row_10_the_containers_environment_is_the_specs_and_nothing_else() {
    let mut pod = Pod::start().await;
    let mut container = pod.container("");
    container.args(&["/bin/env"]);
    container.spec["process"]["env"] = json!(["B=1", "PATH=/bin", "A=2"]);
    pod.launch(&container).await.expect("a launch");
    pod.ended(container.id()).await;
    assert_eq!(
        pod.log(),
        "stdout F B=1\nstdout F PATH=/bin\nstdout F A=2\nstdout F HOME=/root\n"
    );
}

#[tokio::test]
async fn row_11_without_a_dev_mount_the_image_stays_as_it_is_and_starts_twice() {
    let mut pod = Pod::start().await;
    for _ in 0..2 {
        let mut container = pod.container("echo x > /dev/null");
        container.spec["mounts"]
            .as_array_mut()
            .expect("mounts")
            .retain(|mount| {
                !mount["destination"]
                    .as_str()
                    .expect("a path")
                    .starts_with("/dev")
            });
        pod.launch(&container).await.expect("a launch");
        assert_eq!(pod.ended(container.id()).await.code, 0);
        let upper = container.request.overlay.upper.join("dev");
        assert!(!upper.exists() || fs::read_dir(upper).expect("/dev").count() == 0);
    }
}

#[tokio::test]
async fn row_12_a_spec_without_path_has_the_usual_one() {
    let mut pod = Pod::start().await;
    let mut container = pod.container("echo $PATH");
    container.spec["process"]["env"] = json!([]);
    pod.launch(&container).await.expect("a launch");
    pod.ended(container.id()).await;
    assert!(pod.log().contains("/usr/local/sbin:"), "{}", pod.log());
}

#[tokio::test]
async fn row_13_a_failed_launch_kills_nobody_in_the_cgroup_that_the_spec_names() {
    let mut pod = Pod::start().await;
    let other = pod.container("sleep 1000");
    pod.launch(&other).await.expect("a launch");
    let dir = &other.request.cgroup_dirs[0];
    let path = Path::new("/").join(
        dir.components()
            .rev()
            .take(2)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect::<std::path::PathBuf>(),
    );
    let mut container = pod.container("true");
    container.spec["linux"]["cgroupsPath"] = json!(path);
    container.args(&["nosuch"]);
    failure(&pod, &container).await;
    let status = pod.status(other.id()).await;
    assert!(format!("{status:?}").contains("Running"), "{status:?}");
}

#[tokio::test]
async fn row_14_and_15_limits_are_not_libcontainers_business() {
    let mut pod = Pod::start().await;
    let mut container = pod.container("true");
    container.spec["linux"]["resources"] = json!({"memory": {"limit": 1}, "cpu": {"quota": 1}});
    pod.launch(&container)
        .await
        .expect("limits in the spec are left to the daemon");
    assert_eq!(pod.ended(container.id()).await.code, 0);
}

#[tokio::test]
async fn row_17_a_label_that_cannot_be_had_stops_the_launch_and_is_named() {
    let mut pod = Pod::start().await;
    for (field, label) in [
        ("selinuxLabel", "nobody:knows:this_t:s0"),
        ("apparmorProfile", "nobody-knows-this"),
    ] {
        let mut container = pod.container("true");
        container.spec["process"][field] = json!(label);
        let failure = failure(&pod, &container).await;
        assert!(failure.message.contains(label), "{failure}");
    }
}

#[tokio::test]
async fn row_18_every_read_only_and_masked_path_is_one_when_the_program_starts() {
    let mut pod = Pod::start().await;
    let record = pod
        .run(
            "echo 1 > /proc/sys/kernel/hostname && exit 1
             cat /proc/kcore | head -c 1 | grep . && exit 2
             ls /sys/firmware | grep . && exit 3
             exit 0",
        )
        .await;
    assert_eq!(record.code, 0, "{}", pod.log());
}

#[tokio::test]
async fn row_18_a_path_that_is_swapped_meanwhile_is_protected_or_stops_the_launch() {
    let mut pod = Pod::start().await;
    let volume = pod.dir.path().join("volume");
    fs::create_dir_all(volume.join("a")).expect("a directory");
    fs::create_dir_all(volume.join("b")).expect("a directory");
    let (mine, theirs) = (volume.join("link"), volume.join("new"));
    symlink("a", &mine).expect("a symlink");
    let (stop, swapper) = swap(mine, theirs);
    for _ in 0..20 {
        let mut container = pod.container("exit 0");
        container.spec["mounts"].as_array_mut().expect("mounts").push(
            json!({"destination": "/v", "type": "bind", "source": volume, "options": ["rbind"]}),
        );
        container.spec["linux"]["readonlyPaths"] = json!(["/v/link"]);
        match pod.launch(&container).await {
            Ok(_) => assert_eq!(pod.ended(container.id()).await.code, 0),
            Err(LaunchError::Failed(failure)) => {
                let expected = [LaunchStage::Verify, LaunchStage::Create];
                assert!(expected.contains(&failure.stage), "{failure}");
            }
            Err(error) => panic!("{error}"),
        }
    }
    drop(stop);
    swapper.join().expect("the swapper");
}

/// Swaps what `link` leads to as fast as it can, until the sender is dropped.
fn swap(
    link: std::path::PathBuf,
    new: std::path::PathBuf,
) -> (std::sync::mpsc::Sender<()>, std::thread::JoinHandle<()>) {
    let (stop, stopped) = std::sync::mpsc::channel();
    let swapper = std::thread::spawn(move || {
        for target in ["a", "b"].iter().cycle() {
            if stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Disconnected) {
                return;
            }
            symlink(target, &new).expect("a symlink");
            fs::rename(&new, &link).expect("a swap");
        }
    });
    (stop, swapper)
}

#[tokio::test]
async fn row_19_what_may_not_be_set_is_clamped_not_fatal() {
    let mut pod = Pod::start().await;
    let mut container = pod.container("cat /proc/self/oom_score_adj");
    container.spec["process"]["oomScoreAdj"] = json!(-998);
    container.spec["process"]["rlimits"] =
        json!([{"type": "RLIMIT_NOFILE", "soft": 1u64 << 40, "hard": 1u64 << 40}]);
    let mut caps = default_caps();
    caps.as_array_mut()
        .expect("a list")
        .push(json!("CAP_SYS_RESOURCE"));
    container.spec["process"]["capabilities"]["bounding"] = caps;
    match pod.launch(&container).await {
        Ok(_) => assert_eq!(pod.ended(container.id()).await.code, 0),
        // With CAP_SYS_RESOURCE nothing is clamped, and the kernel's own limit is hit.
        Err(error) => assert!(error.to_string().contains("EPERM"), "{error}"),
    }
}

#[tokio::test]
async fn rows_22_and_23_the_container_is_in_its_cgroups_and_sees_them_read_only() {
    let mut pod = Pod::start().await;
    let container = pod.container(
        "for f in /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs; do
             [ -e $f ] && (echo 0 > $f) && exit 1; done; sleep 1000",
    );
    let pid = pod.launch(&container).await.expect("a launch");
    for dir in &container.request.cgroup_dirs {
        let procs = fs::read_to_string(dir.join("cgroup.procs")).expect("the cgroup");
        assert!(
            procs.lines().any(|line| line == pid.to_string()),
            "{}: {procs}",
            dir.display()
        );
    }
    let list = process(&[
        "sh",
        "-c",
        "ls /sys/fs/cgroup | head -30; cat /proc/self/cgroup",
    ]);
    let (output, _) = pod.exec(container.id(), list).await.expect("an exec");
    assert!(output.contains("memory"), "{output}");
}

#[tokio::test]
async fn a_container_and_its_execs_have_the_usual_umask() {
    let mut pod = Pod::start().await;
    let container = pod.container("umask; sleep 1000");
    pod.launch(&container).await.expect("a launch");
    pod.wait_for_log("stdout F 0022\n").await;
    let ask = process(&["sh", "-c", "umask"]);
    let (output, _) = pod.exec(container.id(), ask).await.expect("an exec");
    assert_eq!(output, "0022\n");
}

#[tokio::test]
async fn a_profile_is_compiled_once_and_then_taken_from_the_cache() {
    let mut pod = Pod::start().await;
    let cache = pod.dir.path().join("seccomp");
    fs::create_dir(&cache).expect("a cache");
    for links in [2, 3] {
        let mut container = pod.container("busybox mkdir /tmp/x");
        container.spec["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}]});
        container.request.seccomp_cache = Some(cache.clone());
        pod.launch(&container).await.expect("a launch");
        assert_eq!(
            pod.ended(container.id()).await.code,
            1,
            "mkdir is forbidden"
        );
        let cached: Vec<_> = fs::read_dir(&cache).expect("the cache").collect();
        assert_eq!(cached.len(), 1);
        let metadata = cached[0]
            .as_ref()
            .expect("an entry")
            .metadata()
            .expect("a filter");
        assert_eq!(std::os::unix::fs::MetadataExt::nlink(&metadata), links);
    }
}
