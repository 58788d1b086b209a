//! Further processes in a running container, over the real programs.

mod pod;

use std::fs;
use std::path::Path;

use podling_runtime::model::process::{CapabilityMasks, ProcessSpec, Rlimit};
use podling_runtime::monitor::protocol::ExecRequest;
use podling_runtime::monitor::{ExecError, Stdio3};
use serde_json::json;

use pod::{Container, Pod, process, wait_until};

async fn sleeper(pod: &mut Pod, change: impl FnOnce(&mut Container)) -> Container {
    let mut container = pod.container("");
    container.args(&["/bin/sleep", "1000"]);
    change(&mut container);
    pod.launch(&container).await.expect("a launch");
    container
}

#[tokio::test]
async fn a_process_runs_in_the_container_and_its_code_comes_back() {
    let mut pod = Pod::start().await;
    let container = sleeper(&mut pod, |_| {}).await;
    let script = "hostname; echo err >&2; exit 9";
    let (output, code) = pod
        .exec(container.id(), process(&["sh", "-c", script]))
        .await
        .expect("an exec");
    assert_eq!((output.as_str(), code), ("test-pod\nerr\n", 9));
    let killed = process(&["sh", "-c", "kill -9 $$"]);
    assert_eq!(
        pod.exec(container.id(), killed).await.expect("an exec").1,
        137
    );
}

#[tokio::test]
async fn what_cannot_be_executed_is_an_error_in_the_words_users_know() {
    let mut pod = Pod::start().await;
    let container = sleeper(&mut pod, |_| {}).await;
    let cases = [
        (
            "nosuch",
            "/",
            127,
            "exec: \"nosuch\": executable file not found in $PATH",
        ),
        (
            "/no/such",
            "/",
            127,
            "exec: \"/no/such\": stat /no/such: no such file or directory",
        ),
        (
            "not-executable",
            "/",
            126,
            "exec: \"not-executable\": permission denied",
        ),
        (
            "true",
            "/no/cwd",
            128,
            "chdir to cwd (\"/no/cwd\") failed: No such file or directory",
        ),
    ];
    for (program, cwd, code, message) in cases {
        let mut process = process(&[program]);
        process.cwd = cwd.to_owned();
        match pod.exec(container.id(), process).await {
            Err(ExecError::Failed(failure)) => {
                assert_eq!(failure.code, code, "{failure}");
                assert!(failure.message.starts_with(message), "{failure}");
            }
            other => panic!("{program}: {other:?}"),
        }
    }
}

/// The confinement of the container of `row_1`.
fn confine(process: &mut ProcessSpec) {
    (process.uid, process.gid, process.groups) = (1000, 2000, vec![3000, 4000]);
    let mask = 1 << 10 | 1;
    process.capabilities = CapabilityMasks {
        bounding: mask,
        effective: mask,
        permitted: mask,
        inheritable: mask,
        ambient: mask,
    };
    process.umask = Some(0o27);
    process.seccomp = true;
    process.oom_score_adj = Some(500);
    process.rlimits = vec![Rlimit {
        resource: libc::RLIMIT_NOFILE as i32,
        soft: 100,
        hard: 200,
    }];
}

#[tokio::test]
async fn row_1_a_process_is_confined_as_the_first_one_is() {
    let mut pod = Pod::start().await;
    let caps = json!(["CAP_NET_BIND_SERVICE", "CAP_CHOWN"]);
    for no_new_privs in [true, false] {
        let container = sleeper(&mut pod, |container| {
            let process = &mut container.spec["process"];
            process["user"] =
                json!({"uid": 1000, "gid": 2000, "additionalGids": [3000, 4000], "umask": 0o27});
            process["capabilities"] = json!({"bounding": caps, "effective": caps,
                "permitted": caps, "inheritable": caps, "ambient": caps});
            process["noNewPrivileges"] = json!(no_new_privs);
            process["oomScoreAdj"] = json!(500);
            process["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]);
            container.spec["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 42}]});
        })
        .await;
        let mut same = process(&["cat", "/proc/self/status", "/proc/self/limits"]);
        same.no_new_privs = no_new_privs;
        confine(&mut same);
        let first = pod.status(container.id()).await;
        let Some(podling_runtime::monitor::protocol::ContainerStatus::Running { pid, .. }) = first
        else {
            panic!("{first:?}")
        };
        let (exec, code) = pod
            .exec(container.id(), same.clone())
            .await
            .expect("an exec");
        assert_eq!(code, 0, "{exec}");
        let first = fs::read_to_string(format!("/proc/{pid}/status")).expect("its status")
            + &fs::read_to_string(format!("/proc/{pid}/limits")).expect("its limits");
        for name in [
            "Umask",
            "Uid",
            "Gid",
            "Groups",
            "CapInh",
            "CapPrm",
            "CapEff",
            "CapBnd",
            "CapAmb",
            "NoNewPrivs",
            "Seccomp:",
            "Seccomp_filters",
            "Max open files",
            "SigBlk",
            "SigIgn",
            "SigCgt",
        ] {
            let line = |text: &str| {
                text.lines()
                    .find(|line| line.starts_with(name))
                    .map(str::to_owned)
                    .expect(name)
            };
            assert_eq!(line(&exec), line(&first), "no_new_privs {no_new_privs}");
        }
        same.args = ["cat", "/proc/self/oom_score_adj", "/proc/self/cgroup"]
            .map(str::to_owned)
            .to_vec();
        let (exec, _) = pod
            .exec(container.id(), same.clone())
            .await
            .expect("an exec");
        assert!(exec.starts_with("500\n"), "{exec}");
        // Its own cgroup is below the container's, which is the root that the container sees.
        let is_inside = |line: &str| line.ends_with(":/") || line.contains(":/exec-");
        assert!(exec.lines().skip(1).any(is_inside), "{exec}");
        same.args = ["sh", "-c", "mkdir /tmp/x || busybox mkdir /tmp/x"]
            .map(str::to_owned)
            .to_vec();
        let (exec, code) = pod.exec(container.id(), same).await.expect("an exec");
        assert_ne!(code, 0);
        assert!(
            exec.contains("No message of desired type"),
            "errno 42 of the filter: {exec}"
        );
    }
}

#[tokio::test]
async fn only_the_three_streams_are_open_in_a_process_and_in_the_first_one() {
    let mut pod = Pod::start().await;
    let container = sleeper(&mut pod, |_| {}).await;
    let list = process(&["sh", "-c", "ls /proc/self/fd /proc/1/fd"]);
    let (output, _) = pod.exec(container.id(), list).await.expect("an exec");
    // 3 is the directory that ls itself reads.
    assert_eq!(
        output,
        "/proc/1/fd:\n0\n1\n2\n\n/proc/self/fd:\n0\n1\n2\n3\n"
    );
}

#[tokio::test]
async fn a_working_directory_outside_of_the_container_is_refused() {
    let mut pod = Pod::start().await;
    let container = sleeper(&mut pod, |_| {}).await;
    for fd in 3..24 {
        let mut process = process(&["pwd"]);
        process.cwd = format!("/proc/self/fd/{fd}");
        let result = pod.exec(container.id(), process).await;
        assert!(
            matches!(result, Err(ExecError::Failed(_))),
            "{fd}: {result:?}"
        );
    }
}

#[tokio::test]
async fn dropping_an_exec_kills_its_process() {
    let mut pod = Pod::start().await;
    let container = sleeper(&mut pod, |_| {}).await;
    let request = ExecRequest {
        container_id: container.id().clone(),
        process: process(&["sh", "-c", "sleep 1000; true"]),
        tty: false,
    };
    let exec = pod
        .client
        .exec(request, Stdio3::default())
        .await
        .expect("an exec");
    let path = format!("/proc/{}", exec.pid());
    assert!(Path::new(&path).exists());
    drop(exec);
    wait_until(|| !Path::new(&path).exists()).await;
}

/// Leaves its parent, its group and its session, and lets go of every stream.
const DAEMON: &str = "busybox setsid sh -c 'sleep 1000 & sleep 1000' </dev/null >/dev/null 2>&1 &";

/// How many processes of this name run in the container.
async fn running(pod: &Pod, container: &Container, name: &str) -> usize {
    let list = process(&["ps", "-o", "args"]);
    let (output, _) = pod.exec(container.id(), list).await.expect("an exec");
    output.lines().filter(|line| *line == name).count()
}

/// Cgroups below the container's own.
fn subgroups(container: &Container) -> usize {
    let dirs = container.request.cgroup_dirs.iter();
    let below = |dir: &std::path::PathBuf| {
        let entries = fs::read_dir(dir).expect("a cgroup").flatten();
        entries.filter(|entry| entry.path().is_dir()).count()
    };
    dirs.map(below).sum()
}

#[tokio::test]
async fn dropping_an_exec_kills_also_what_made_itself_a_daemon() {
    let mut pod = Pod::start().await;
    let container = sleeper(&mut pod, |container| {
        container.args(&["/bin/sleep", "2000"])
    })
    .await;
    let script = format!("for i in 1 2 3 4 5; do {DAEMON} done; touch /tmp/ready; sleep 1000");
    let request = ExecRequest {
        container_id: container.id().clone(),
        process: process(&["sh", "-c", &script]),
        tty: false,
    };
    let exec = pod.client.exec(request, Stdio3::default()).await;
    let exec = exec.expect("an exec");
    let upper = container.request.overlay.upper.clone();
    wait_until(|| upper.join("tmp/ready").exists()).await;
    drop(exec);
    wait_until(|| subgroups(&container) == 0).await;
    assert_eq!(running(&pod, &container, "sleep 1000").await, 0);
}

#[tokio::test]
async fn a_process_that_forks_without_end_is_killed_all_the_same() {
    let mut pod = Pod::start().await;
    let container = sleeper(&mut pod, |_| {}).await;
    let script =
        "touch /tmp/ready; f() { busybox setsid sh -c 'usleep 500; exit' & }; while :; do f; done";
    let request = ExecRequest {
        container_id: container.id().clone(),
        process: process(&["sh", "-c", script]),
        tty: false,
    };
    let exec = pod.client.exec(request, Stdio3::default()).await;
    let exec = exec.expect("an exec");
    let upper = container.request.overlay.upper.clone();
    wait_until(|| upper.join("tmp/ready").exists()).await;
    drop(exec);
    wait_until(|| subgroups(&container) == 0).await;
}

#[tokio::test]
async fn what_a_process_left_running_on_purpose_stays_until_its_container_ends() {
    let mut pod = Pod::start().await;
    let container = sleeper(&mut pod, |container| {
        container.args(&["/bin/sleep", "2000"])
    })
    .await;
    let (_, code) = pod
        .exec(container.id(), process(&["sh", "-c", DAEMON]))
        .await
        .expect("an exec");
    assert_eq!(code, 0);
    // It may not have come as far when its parent has ended.
    while running(&pod, &container, "sleep 1000").await < 2 {}
    wait_until(|| subgroups(&container) == 1).await;
    pod.exec(container.id(), process(&["busybox", "killall", "sleep"]))
        .await
        .expect("an exec");
    // The next exec removes what the earlier ones have left empty.
    let removed = async || {
        running(&pod, &container, "").await;
        subgroups(&container) == 0
    };
    while !removed().await {}
    pod.client.kill(container.id()).await.expect("a kill");
    assert_eq!(pod.ended(container.id()).await.code, 137);
}

#[tokio::test]
async fn execs_that_end_leave_no_cgroup() {
    let mut pod = Pod::start().await;
    let container = sleeper(&mut pod, |_| {}).await;
    for _ in 0..100 {
        pod.exec(container.id(), process(&["true"]))
            .await
            .expect("an exec");
    }
    wait_until(|| subgroups(&container) == 0).await;
}

#[tokio::test]
async fn an_exec_ends_with_its_container() {
    let mut pod = Pod::start().await;
    let container = sleeper(&mut pod, |_| {}).await;
    let request = ExecRequest {
        container_id: container.id().clone(),
        process: process(&["sleep", "1000"]),
        tty: false,
    };
    let mut exec = pod
        .client
        .exec(request.clone(), Stdio3::default())
        .await
        .expect("an exec");
    pod.client.kill(container.id()).await.expect("a kill");
    assert_eq!(exec.wait().await.expect("a code"), 137);
    pod.ended(container.id()).await;
    pod.client
        .exec(request, Stdio3::default())
        .await
        .expect_err("it has ended");
}
