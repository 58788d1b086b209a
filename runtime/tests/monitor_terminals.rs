//! Terminals: of containers, and of further processes in them.

mod pod;

use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use podling_runtime::model::process::ProcessSpec;
use podling_runtime::monitor::protocol::ExecRequest;
use podling_runtime::monitor::{AttachStreams, Exec, ExecError, Stdio3};
use podling_runtime::sys::terminal;
use serde_json::json;

use pod::{Container, Pod, process, wait_until};

fn with_terminal(pod: &mut Pod, script: &str) -> Container {
    let mut container = pod.container(script);
    container.request.tty = true;
    container.spec["process"]["terminal"] = json!(true);
    container
}

async fn exec(pod: &Pod, container: &Container, process: ProcessSpec) -> Result<Exec, ExecError> {
    let request = ExecRequest {
        container_id: container.id().clone(),
        process,
        tty: true,
    };
    pod.client.exec(request, Stdio3::default()).await
}

/// Reads what a terminal shows until its last process has closed it.
async fn shown(master: OwnedFd) -> String {
    rustix::io::ioctl_fionbio(&master, false).expect("a blocking terminal");
    let read = move || {
        let mut bytes = Vec::new();
        // It ends with EIO.
        let _ = fs::File::from(master).read_to_end(&mut bytes);
        String::from_utf8(bytes).expect("UTF-8 output")
    };
    tokio::task::spawn_blocking(read).await.expect("a reader")
}

#[tokio::test]
async fn an_exec_gets_a_terminal_of_the_containers_own_that_controls_its_session() {
    let mut pod = Pod::start().await;
    let container = pod.container("sleep 1000");
    pod.launch(&container).await.expect("a launch");
    let script = "busybox tty; busybox stat -c %u:%a $(busybox tty); echo to the terminal > /dev/tty; \
                  read line; busybox stty size; echo got $line; exit 4";
    let mut process = process(&["sh", "-c", script]);
    process.uid = 1000;
    let mut exec = exec(&pod, &container, process).await.expect("an exec");
    let master = exec.take_terminal().expect("a terminal");
    assert!(exec.take_terminal().is_none());
    // It looks at the size when it has read the line.
    terminal::resize(master.as_fd(), 33, 99).expect("a size");
    rustix::io::write(&master, b"hello\n").expect("a line");
    let shown = shown(master).await;
    assert_eq!(exec.wait().await.expect("a code"), 4);
    let lines: Vec<&str> = shown
        .split("\r\n")
        .filter(|line| *line != "hello")
        .collect();
    assert_eq!(
        lines,
        [
            "/dev/pts/0",
            "1000:620",
            "to the terminal",
            "33 99",
            "got hello",
            ""
        ],
        "{shown:?}"
    );
}

#[tokio::test]
async fn a_resized_terminal_tells_its_processes() {
    let mut pod = Pod::start().await;
    let container = pod.container("sleep 1000");
    pod.launch(&container).await.expect("a launch");
    let script =
        "trap 'busybox stty size; exit 0' WINCH; echo ready; while :; do usleep 1000; done";
    let mut exec = exec(&pod, &container, process(&["sh", "-c", script]))
        .await
        .expect("an exec");
    let master = exec.take_terminal().expect("a terminal");
    let resizer = master.try_clone().expect("a copy");
    let mut buffer = [0; 7];
    rustix::io::ioctl_fionbio(&master, false).expect("a blocking terminal");
    fs::File::from(master.try_clone().expect("a copy"))
        .read_exact(&mut buffer)
        .expect("it prints");
    terminal::resize(resizer.as_fd(), 50, 120).expect("a size");
    drop(resizer);
    assert_eq!(shown(master).await, "50 120\r\n");
    assert_eq!(exec.wait().await.expect("a code"), 0);
}

#[tokio::test]
async fn a_client_that_leaves_hangs_its_session_up_before_it_is_killed() {
    let mut pod = Pod::start().await;
    let container = pod.container("sleep 1000");
    pod.launch(&container).await.expect("a launch");
    let script =
        "trap 'echo saved > /tmp/saved; exit' HUP; touch /tmp/ready; while :; do usleep 1000; done";
    let exec = exec(&pod, &container, process(&["sh", "-c", script]))
        .await
        .expect("an exec");
    let upper = container.request.overlay.upper.clone();
    wait_until(|| upper.join("tmp/ready").exists()).await;
    let path = format!("/proc/{}", exec.pid());
    drop(exec);
    wait_until(|| !Path::new(&path).exists()).await;
    assert_eq!(
        fs::read_to_string(upper.join("tmp/saved")).expect("the trap has run"),
        "saved\n"
    );
}

#[tokio::test]
async fn what_is_no_devpts_gives_no_terminal() {
    let mut pod = Pod::start().await;
    let mut container = pod.container("sleep 1000");
    let mounts = container.spec["mounts"].as_array_mut().expect("mounts");
    for mount in mounts.iter_mut() {
        if mount["destination"] == "/dev/pts" {
            *mount = json!({"destination": "/dev/pts", "type": "tmpfs", "source": "tmpfs",
                "options": ["nosuid", "noexec", "mode=755", "size=64k"]});
        }
    }
    pod.launch(&container).await.expect("a launch");
    for trick in [
        "busybox mkfifo /dev/pts/ptmx",
        "busybox rm /dev/pts/ptmx; busybox ln -s /etc/passwd /dev/pts/ptmx",
    ] {
        pod.exec(container.id(), process(&["sh", "-c", trick]))
            .await
            .expect("an exec");
        let refused = exec(&pod, &container, process(&["true"])).await;
        let Err(ExecError::Failed(failure)) = refused else {
            panic!("{refused:?}")
        };
        assert!(failure.message.contains("not a devpts"), "{failure}");
    }
}

#[tokio::test]
async fn a_container_with_a_terminal_sees_it_as_its_console() {
    let mut pod = Pod::start().await;
    let script = "busybox tty; busybox stat -c %u:%t /dev/console; echo console > /dev/console; \
                  echo tty > /dev/tty; echo err >&2; ls -l /proc/self/fd/0; exit 3";
    let mut container = with_terminal(&mut pod, script);
    container.spec["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    pod.launch(&container).await.expect("a launch");
    assert_eq!(pod.ended(container.id()).await.code, 3);
    let log = pod.log();
    let lines: Vec<&str> = log.split_terminator('\n').collect();
    assert_eq!(
        &lines[..5],
        [
            "stdout F /dev/pts/0\r",
            "stdout F 1000:88\r",
            "stdout F console\r",
            "stdout F tty\r",
            "stdout F err\r",
        ],
        "{log:?}"
    );
    assert!(lines[5].ends_with("-> /dev/pts/0\r"), "{log:?}");
}

#[tokio::test]
async fn a_terminal_that_its_container_closes_for_a_while_is_read_on() {
    let mut pod = Pod::start().await;
    let script =
        "echo before; exec >/dev/null 2>&1 </dev/null; usleep 20000; echo after > /dev/console";
    let container = with_terminal(&mut pod, script);
    pod.launch(&container).await.expect("a launch");
    assert_eq!(pod.ended(container.id()).await.code, 0);
    assert_eq!(pod.log(), "stdout F before\r\nstdout F after\r\n");
}

#[tokio::test]
async fn all_that_a_terminal_shows_is_logged_however_much_comes_at_the_end() {
    let mut pod = Pod::start().await;
    let container = with_terminal(&mut pod, "seq 1 20000");
    pod.launch(&container).await.expect("a launch");
    assert_eq!(pod.ended(container.id()).await.code, 0);
    let expected: String = (1..=20_000).map(|n| format!("stdout F {n}\r\n")).collect();
    assert_eq!(pod.log(), expected);
}

#[tokio::test]
async fn who_attaches_to_a_terminal_types_reads_and_resizes() {
    let mut pod = Pod::start().await;
    let mut container = with_terminal(&mut pod, "read line; busybox stty size; echo got $line");
    container.request.stdin = true;
    pod.launch(&container).await.expect("a launch");
    let streams = AttachStreams {
        stdin: true,
        stdout: true,
        stderr: true,
    };
    let mut attachment = pod
        .client
        .attach(container.id(), streams)
        .await
        .expect("an attachment");
    assert!(attachment.stderr.is_none(), "a terminal has one output");
    let terminal = attachment.terminal.take().expect("a terminal");
    terminal::resize(terminal.as_fd(), 11, 22).expect("a size");
    let stdin = attachment.stdin.take().expect("a way to type");
    fs::File::from(stdin).write_all(b"x\n").expect("a line");
    let stdout = attachment.stdout.take().expect("what it shows");
    assert_eq!(shown(stdout).await, "x\r\n11 22\r\ngot x\r\n");
    pod.ended(container.id()).await;
    // The size was shown by a second program, so what was typed is echoed first.
    assert!(pod.log().ends_with("stdout F got x\r\n"), "{}", pod.log());
}

#[tokio::test]
async fn a_terminal_without_stdin_is_not_typed_on() {
    let mut pod = Pod::start().await;
    let container = with_terminal(&mut pod, "sleep 1000");
    pod.launch(&container).await.expect("a launch");
    let streams = AttachStreams {
        stdin: true,
        stdout: true,
        stderr: false,
    };
    let attachment = pod
        .client
        .attach(container.id(), streams)
        .await
        .expect("an attachment");
    assert!(attachment.stdin.is_none());
    assert!(attachment.terminal.is_some());
}
