//! Clients at the streams of a container without a terminal.

mod pod;

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use podling_runtime::monitor::protocol::{ContainerStatus, Detached};
use podling_runtime::monitor::{AttachStreams, Attachment, MonitorError};

use pod::{Container, Pod, wait_until};

const ALL: AttachStreams = AttachStreams {
    stdin: true,
    stdout: true,
    stderr: true,
};
const OUTPUT: AttachStreams = AttachStreams {
    stdin: false,
    ..ALL
};

/// Prints what it reads, and "end" when its stdin has ended.
const ECHO: &str = "while read line; do echo $line; echo err $line >&2; done; echo end";

/// When a container's stdin ends.
#[derive(Clone, Copy, PartialEq)]
enum Ends {
    WithFirstClient,
    Never,
}

async fn with_stdin(pod: &mut Pod, ends: Ends, script: &str) -> Container {
    let mut container = pod.container(script);
    container.request.stdin = true;
    container.request.stdin_once = ends == Ends::WithFirstClient;
    pod.launch(&container).await.expect("a launch");
    container
}

async fn attach(pod: &Pod, container: &Container, streams: AttachStreams) -> Attachment {
    let attachment = pod.client.attach(container.id(), streams).await;
    attachment.expect("an attachment")
}

fn write(stdin: &Option<OwnedFd>, text: &str) {
    let stdin = stdin.as_ref().expect("a stdin").try_clone();
    let mut stdin = fs::File::from(stdin.expect("a copy"));
    stdin.write_all(text.as_bytes()).expect("a write");
}

/// Reads to the end.
async fn all(fd: Option<OwnedFd>) -> String {
    let fd = fd.expect("an output");
    rustix::io::ioctl_fionbio(&fd, false).expect("a blocking pipe");
    let read = move || {
        let mut text = String::new();
        fs::File::from(fd).read_to_string(&mut text).expect("UTF-8");
        text
    };
    tokio::task::spawn_blocking(read).await.expect("a reader")
}

#[tokio::test]
async fn every_client_reads_all_and_all_end_with_the_container() {
    let mut pod = Pod::start().await;
    let container = with_stdin(&mut pod, Ends::WithFirstClient, ECHO).await;
    let mut writer = attach(&pod, &container, ALL).await;
    let mut readers = Vec::new();
    for _ in 0..5 {
        readers.push(attach(&pod, &container, OUTPUT).await);
    }
    write(&writer.stdin, "1\n2\n");
    drop(writer.stdin.take());
    assert_eq!(all(writer.stdout.take()).await, "1\n2\nend\n");
    for mut reader in readers {
        assert_eq!(all(reader.stdout.take()).await, "1\n2\nend\n");
        assert_eq!(all(reader.stderr.take()).await, "err 1\nerr 2\n");
        let why = reader.detached().await.expect("a reason");
        assert_eq!(why, Detached::ContainerEnded);
    }
    assert_eq!(pod.ended(container.id()).await.code, 0);
    assert!(pod.log().contains("stdout F end\n"));
}

#[tokio::test]
async fn stdin_stays_open_whoever_comes_and_goes() {
    let mut pod = Pod::start().await;
    let container = with_stdin(&mut pod, Ends::Never, ECHO).await;
    for round in ["1", "2"] {
        let client = attach(&pod, &container, ALL).await;
        write(&client.stdin, &format!("{round}\n"));
        drop(client);
        pod.wait_for_log(&format!("stdout F {round}\n")).await;
    }
    assert!(!pod.log().contains("end"));
    let status = pod.status(container.id()).await;
    assert!(matches!(status, Some(ContainerStatus::Running { .. })));
}

#[tokio::test]
async fn stdin_that_opens_once_ends_with_its_first_client() {
    let mut pod = Pod::start().await;
    let container = with_stdin(&mut pod, Ends::WithFirstClient, ECHO).await;
    let watcher = attach(&pod, &container, OUTPUT).await;
    let first = attach(&pod, &container, ALL).await;
    let second = attach(&pod, &container, ALL).await;
    assert!(second.stdin.is_none(), "it is the first one's");
    drop(watcher);
    write(&first.stdin, "1\n");
    drop(first);
    assert_eq!(all(second.stdout).await, "1\nend\n");
    assert_eq!(pod.ended(container.id()).await.code, 0);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off_and_holds_up_nobody() {
    let mut pod = Pod::start().await;
    let container = with_stdin(
        &mut pod,
        Ends::WithFirstClient,
        "read x; seq 1 300000; echo end",
    )
    .await;
    let mut slow = attach(&pod, &container, OUTPUT).await;
    let mut quick = attach(&pod, &container, ALL).await;
    let output = tokio::spawn(all(quick.stdout.take()));
    drop(quick.stdin.take());
    let why = slow.detached().await.expect("a reason");
    assert_eq!(why, Detached::TooSlow);
    assert_eq!(pod.ended(container.id()).await.code, 0);
    assert!(pod.log().ends_with("stdout F 300000\nstdout F end\n"));
    // A reader on a busy machine may be slow too; what it has got has no gap.
    let output = output.await.expect("a reader");
    let whole = output.rfind('\n').map_or("", |end| &output[..=end]);
    assert!(whole.starts_with("1\n2\n3\n"));
    let expected: String = (1..=300_000).map(|n| format!("{n}\n")).collect();
    assert!((expected + "end\n").starts_with(whole));
}

#[tokio::test]
async fn clients_that_leave_are_forgotten() {
    let mut pod = Pod::start().await;
    let container = with_stdin(
        &mut pod,
        Ends::Never,
        "while :; do echo x; usleep 1000; done",
    )
    .await;
    let stat = fs::read_to_string(format!("/proc/{}/stat", pod.pause)).expect("pause");
    let monitor = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.split(' ').nth(1))
        .expect("a parent")
        .to_owned();
    let fds = || {
        fs::read_dir(format!("/proc/{monitor}/fd"))
            .expect("its descriptors")
            .count()
    };
    let before = fds();
    for _ in 0..200 {
        drop(attach(&pod, &container, ALL).await);
    }
    wait_until(|| fds() <= before).await;
}

#[tokio::test]
async fn only_what_runs_can_be_attached_to() {
    let mut pod = Pod::start().await;
    let record = pod.run("true").await;
    let error = pod
        .client
        .attach(&record.container_id, OUTPUT)
        .await
        .expect_err("it has ended");
    assert!(matches!(error, MonitorError::NoContainer(_)), "{error}");
}
