//! A pod from its first process to its last, over the real programs.

mod pod;

use std::fs;
use std::path::Path;
use std::time::Duration;

use podling_runtime::monitor::protocol::{
    ContainerStatus, MonitorEvent, PauseFilter, PodNamespace, Reply, Request,
};
use podling_runtime::monitor::{MonitorClient, MonitorError, is_alive, wire};
use podling_runtime::sys::seqpacket;
use std::os::fd::AsFd;

use pod::{Pod, process, wait_until};

fn status_line(pid: i32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a living process");
    let line = status
        .lines()
        .find(|line| line.starts_with(name))
        .expect("the line");
    line.split_once(':')
        .expect("a colon")
        .1
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[tokio::test]
async fn a_container_runs_logs_and_its_exit_is_recorded() {
    let mut pod = Pod::start().await;
    let record = pod
        .run("echo out; echo err >&2; printf unended; exit 7")
        .await;
    assert_eq!((record.code, record.oom_killed), (7, false));
    let log = pod.log();
    let mut lines: Vec<&str> = log.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["stderr F err", "stdout F out", "stdout P unended"]);
    let path = pod
        .run_dir()
        .join(format!("exits/{}.json", record.container_id));
    let stored = fs::read_to_string(&path).expect("the record on disk");
    assert!(stored.contains("\"code\":7"), "{stored}");
    pod.client
        .forget(&record.container_id)
        .await
        .expect("forgotten");
    assert!(!path.exists());
    assert_eq!(pod.status(&record.container_id).await, None);
}

#[tokio::test]
async fn every_line_arrives_once_and_in_order_while_nobody_is_connected() {
    let mut pod = Pod::start().await;
    let record = pod
        .run("for i in $(seq 1 300); do echo $i; usleep 500; done")
        .await;
    assert_eq!(record.code, 0);
    let numbers: Vec<String> = pod
        .log()
        .lines()
        .map(|line| line.replace("stdout F ", ""))
        .collect();
    assert_eq!(
        numbers,
        (1..=300).map(|n| n.to_string()).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn output_is_never_lost_however_much_there_is_at_the_end() {
    let mut pod = Pod::start().await;
    pod.run("seq 1 50000").await;
    let log = pod.log();
    assert_eq!(log.lines().count(), 50_000);
    assert_eq!(log.lines().next_back(), Some("stdout F 50000"));
}

#[tokio::test]
async fn signals_reach_the_first_process_and_count_as_128_and_more() {
    let mut pod = Pod::start().await;
    let container = pod.container("trap 'exit 3' TERM; echo ready; while :; do usleep 1000; done");
    pod.launch(&container).await.expect("a launch");
    pod.wait_for_log("ready").await;
    pod.client
        .signal(container.id(), libc::SIGTERM)
        .await
        .expect("a signal");
    assert_eq!(pod.ended(container.id()).await.code, 3);
    pod.client
        .signal(container.id(), libc::SIGTERM)
        .await
        .expect("too late is no error");

    let container = pod.container("sleep 1000");
    pod.launch(&container).await.expect("a launch");
    pod.client.kill(container.id()).await.expect("a kill");
    assert_eq!(pod.ended(container.id()).await.code, 137);
}

#[tokio::test]
async fn what_a_container_leaves_in_a_shared_pid_namespace_ends_with_it() {
    let mut pod = Pod::start().await;
    let mut container = pod.container("sleep 1000 & sleep 1000 & echo started; exit 0");
    let path = format!("/proc/{}/ns/pid", pod.pause);
    container.spec["linux"]["namespaces"][0] = serde_json::json!({"type": "pid", "path": path});
    pod.launch(&container).await.expect("a launch");
    assert_eq!(pod.ended(container.id()).await.code, 0);
    let procs = container.request.cgroup_dirs[0].join("cgroup.procs");
    wait_until(|| fs::read_to_string(&procs).expect("the cgroup").is_empty()).await;
    assert_eq!(pod.log(), "stdout F started\n");
}

#[tokio::test]
async fn subscribers_hear_of_exits_and_a_silent_one_stops_nobody() {
    let mut pod = Pod::start().await;
    let mut events = pod.client.subscribe().await.expect("a subscription");
    let _silent = pod.client.subscribe().await.expect("one that never reads");
    let record = pod.run("exit 5").await;
    assert_eq!(
        events.next().await,
        Some(MonitorEvent::ContainerExited(record))
    );
    pod.client.shutdown().await.expect("a shutdown");
    assert_eq!(events.next().await, Some(MonitorEvent::PauseExited));
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a_rotated_log_goes_on_in_a_new_file() {
    let mut pod = Pod::start().await;
    let mut container = pod.container("echo 1; read x; echo 2");
    container.request.stdin = true;
    pod.launch(&container).await.expect("a launch");
    pod.wait_for_log("1").await;
    let path = container.request.log_path.clone().expect("a log");
    fs::rename(&path, path.with_extension("old")).expect("a rotation");
    pod.client
        .reopen_log(container.id())
        .await
        .expect("a new file");
    assert_eq!(fs::read_to_string(&path).expect("the new file"), "");
    pod.client.kill(container.id()).await.expect("a kill");
    pod.ended(container.id()).await;
}

#[tokio::test]
async fn nonsense_is_answered_and_disturbs_nobody() {
    let pod = Pod::start().await;
    for nonsense in [&b"{"[..], b"\"NoSuchRequest\"", b"@", b"\xff"] {
        let socket = seqpacket::connect(&pod.run_dir(), "monitor.sock").expect("a connection");
        seqpacket::send(socket.as_fd(), nonsense, &[]).expect("a send");
        rustix::io::ioctl_fionbio(&socket, false).expect("a blocking socket");
        let reply = wire::receive::<Reply>(socket.as_fd())
            .expect("a reply")
            .expect("not closed");
        assert!(matches!(reply.body, Reply::Failed { .. }), "{reply:?}");
    }
    let state = pod.client.state().await.expect("the state");
    assert_eq!(state.pause, Some(pod.pause));
}

#[tokio::test]
async fn an_unknown_container_is_said_to_be_unknown() {
    let mut pod = Pod::start().await;
    let container = pod.container("true");
    let error = pod
        .client
        .signal(container.id(), 9)
        .await
        .expect_err("not launched");
    assert!(matches!(error, MonitorError::NoContainer(_)), "{error}");
}

#[tokio::test]
async fn pause_is_pid_1_without_privileges_in_an_empty_root() {
    let pod = Pod::with(|spec| {
        spec.sysctls
            .insert("net/ipv4/ip_forward".to_owned(), "1".to_owned());
    })
    .await
    .expect("a pod");
    assert_eq!(status_line(pod.pause, "NSpid"), format!("{} 1", pod.pause));
    assert_eq!(status_line(pod.pause, "Uid"), "65535 65535 65535 65535");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status_line(pod.pause, set), "0000000000000000", "{set}");
    }
    assert_eq!(status_line(pod.pause, "NoNewPrivs"), "1");
    let root = fs::read_dir(format!("/proc/{}/root", pod.pause)).expect("pause's root");
    assert_eq!(root.count(), 0);
    let mounts = fs::read_to_string(format!("/proc/{}/mounts", pod.pause)).expect("its mounts");
    assert_eq!(mounts.lines().count(), 1, "{mounts}");
}

#[tokio::test]
async fn a_sysctl_that_does_not_exist_is_named() {
    let started = Pod::with(|spec| {
        drop(
            spec.sysctls
                .insert("net/core/no_such".to_owned(), "1".to_owned()),
        )
    });
    let error = started.await.err().expect("no such sysctl").to_string();
    assert!(error.contains("sysctl net.core.no_such"), "{error}");
}

#[tokio::test]
async fn a_pod_on_the_hosts_namespaces_has_none_of_its_own() {
    let pod = Pod::with(|spec| {
        spec.network = PodNamespace::Host;
        spec.ipc = PodNamespace::Host;
        spec.pid = PodNamespace::Host;
    })
    .await
    .expect("a pod");
    for name in ["net", "ipc", "pid", "uts"] {
        let of = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/{name}")).expect("a namespace");
        assert_eq!(of(&pod.pause.to_string()), of("self"), "{name}");
    }
}

#[tokio::test]
async fn a_shutdown_ends_everything_and_gives_the_lock_back() {
    let mut pod = Pod::start().await;
    let container = pod.container("sleep 1000");
    let pid = pod.launch(&container).await.expect("a launch");
    assert!(is_alive(&pod.run_dir()).expect("the lock"));
    pod.client.shutdown().await.expect("a shutdown");
    wait_until(|| !is_alive(&pod.run_dir()).expect("the lock")).await;
    for pid in [pid, pod.pause] {
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }
    let record = pod.run_dir().join(format!("exits/{}.json", container.id()));
    assert!(
        fs::read_to_string(record)
            .expect("a record")
            .contains("\"code\":137")
    );
    let error = MonitorClient::open(&pod.run_dir())
        .state()
        .await
        .expect_err("nobody listens");
    assert!(matches!(error, MonitorError::Connect { .. }));
}

#[tokio::test]
async fn a_pod_that_cannot_start_says_why_and_leaves_no_monitor() {
    let started = Pod::with(|spec| spec.pause = "/no/such/pause".into()).await;
    let error = started.err().expect("no pause").to_string();
    assert!(error.contains("/no/such/pause"), "{error}");
}

#[tokio::test]
async fn when_the_monitor_is_killed_nothing_of_the_pod_survives_it() {
    let mut pod = Pod::start().await;
    let container = pod.container("sleep 1000");
    let pid = pod.launch(&container).await.expect("a launch");
    let monitor: i32 = status_line(pod.pause, "PPid").parse().expect("a pid");
    let monitor = podling_runtime::sys::process::open(monitor).expect("the monitor");
    podling_runtime::sys::process::kill(monitor.as_fd()).expect("a kill");
    let is_gone = |pid: i32| {
        fs::read_to_string(format!("/proc/{pid}/status"))
            .is_ok_and(|status| status.contains("State:\tZ"))
            || !Path::new(&format!("/proc/{pid}")).exists()
    };
    wait_until(|| is_gone(pid) && is_gone(pod.pause)).await;
    wait_until(|| !is_alive(&pod.run_dir()).expect("the lock")).await;
}

#[tokio::test]
async fn the_state_survives_its_clients_and_large_requests_arrive() {
    let mut pod = Pod::start().await;
    let container = pod.container("sleep 1000");
    pod.launch(&container).await.expect("a launch");
    let other = MonitorClient::open(&pod.run_dir());
    let state = other.state().await.expect("the state");
    assert!(matches!(
        state.containers[0].status,
        ContainerStatus::Running { .. }
    ));
    let mut large = process(&["/bin/sh", "-c", "echo ${#BIG}"]);
    large
        .env
        .push([b"BIG=".to_vec(), vec![b'x'; 100_000]].concat());
    let (output, code) = pod.exec(container.id(), large).await.expect("an exec");
    assert_eq!((output.as_str(), code), ("100000\n", 0));
}

#[tokio::test]
async fn a_client_that_hangs_up_early_leaves_the_launch_alone() {
    let mut pod = Pod::start().await;
    let container = pod.container("sleep 1000");
    let json = serde_json::to_vec(&container.spec).expect("JSON");
    fs::write(container.request.bundle.join("config.json"), json).expect("config.json");
    let socket = seqpacket::connect(&pod.run_dir(), "monitor.sock").expect("a connection");
    wire::send(
        socket.as_fd(),
        &Request::Launch(container.request.clone()),
        &[],
    )
    .expect("a send");
    drop(socket);
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !matches!(
        pod.status(container.id()).await,
        Some(ContainerStatus::Running { .. })
    ) {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A pause without a C library, whose start-up would call more than pause does. What it calls first
/// is a number of its own.
fn bare_pause(first_call: libc::c_long) -> String {
    let (ppoll, pause) = (libc::SYS_ppoll, "for (;;) call(PPOLL);");
    format!(
        "static long call(long number) {{
            register long first asm(\"rdi\") = 0, second asm(\"rsi\") = 0;
            register long third asm(\"rdx\") = 0, fourth asm(\"r10\") = 0;
            asm volatile(\"syscall\" : \"+a\"(number) : \"r\"(first), \"r\"(second), \"r\"(third), \"r\"(fourth)
                : \"rcx\", \"r11\", \"memory\");
            return number;
        }}
        enum {{ PPOLL = {ppoll} }};
        void _start(void) {{ call({first_call}); {pause} }}"
    )
}

async fn filtered_pause(first_call: libc::c_long) -> Pod {
    let dir = tempfile::tempdir().expect("a directory");
    let (source, program) = (dir.path().join("pause.c"), dir.path().join("pause"));
    fs::write(&source, bare_pause(first_call)).expect("a source file");
    pod::gcc(&["-static", "-nostdlib"], &source, &program);
    let pod = Pod::with(|spec| {
        spec.filter = PauseFilter::Own;
        spec.pause = program;
    });
    pod.await.expect("a pod")
}

#[cfg(target_arch = "x86_64")]
#[tokio::test]
async fn pause_may_do_what_pause_does_and_dies_of_anything_else() {
    let pod = filtered_pause(libc::SYS_getpid).await;
    assert_eq!(status_line(pod.pause, "Seccomp"), "2");
    assert_eq!(status_line(pod.pause, "Seccomp_filters"), "1");
    let pod = filtered_pause(libc::SYS_getuid).await;
    let path = format!("/proc/{}", pod.pause);
    wait_until(|| !Path::new(&path).exists()).await;
}
