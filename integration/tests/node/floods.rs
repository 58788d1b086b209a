//! Commands and containers that print more than anybody wants to hear.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;
use std::{env, iter};

use podling_integration::harness::requests::{self, Running};
use podling_integration::harness::wait::{DEADLINE, wait_until};
use podling_integration::harness::{Cri, Node, processes};
use podling_proto::runtime::v1 as cri;
use tokio::time;

use crate::streaming::node_with_pod;

const MIB: u64 = 1 << 20;
/// What is kept of each stream of a command.
const KEPT: usize = 16 << 20;
/// What the daemon may take for it, in KiB: both streams as they are kept, and once more in the message.
const DAEMON_ROOM: u64 = 48 << 10;
/// What may stay of it, in KiB.
const DAEMON_SLACK: u64 = 4 << 10;
/// What the monitor may take, in KiB: output of commands does not pass it.
const MONITOR_SLACK: u64 = 256;

/// Rotations of a log while it is written; PODLING_TEST_ROTATIONS changes it.
const ROTATIONS: usize = 4;
/// The time from one to the next.
const CADENCE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_gigabyte_of_a_commands_output_takes_the_memory_of_what_is_answered() {
    let (node, client, pod) = node_with_pod().await;
    let monitors = processes::monitors(node.root(), &node.range().cgroup());
    let all: Vec<u32> = iter::once(node.daemon_pid()).chain(monitors).collect();
    let before: Vec<u64> = all.iter().copied().map(processes::resident).collect();
    all.iter().copied().for_each(processes::forget_peak);

    let half = 512 * MIB;
    let script = format!("head -c {half} /dev/zero >&2 & head -c {half} /dev/zero; wait");
    let request = cri::ExecSyncRequest {
        container_id: pod.container.clone(),
        cmd: ["sh", "-c", &script].map(str::to_owned).to_vec(),
        timeout: 0,
    };
    let runtime = client.runtime.clone();
    let answer = runtime
        .max_decoding_message_size(3 * KEPT)
        .exec_sync(request)
        .await;
    let answer = answer.expect("it ends well").into_inner();
    assert_eq!(answer.exit_code, 0);
    assert_eq!((answer.stdout.len(), answer.stderr.len()), (KEPT, KEPT));
    drop(answer);

    let grown = |(pid, before): (&u32, &u64)| processes::peak(*pid).saturating_sub(*before);
    let grown: Vec<u64> = all.iter().zip(&before).map(grown).collect();
    println!("1 GiB of output: the daemon and the monitor have grown by {grown:?} KiB");
    assert!(grown[0] <= DAEMON_ROOM, "daemon: {grown:?} KiB");
    assert!(grown[1] <= MONITOR_SLACK, "monitor: {grown:?} KiB");
    wait_until(DEADLINE, "the daemon lets go of it", || {
        processes::resident(all[0]) <= before[0] + DAEMON_SLACK
    })
    .await;
    remove(&client, &pod).await;
    node.stop().await;
}

#[tokio::test]
async fn every_line_is_logged_once_however_often_the_log_is_rotated() {
    let rotations = env::var("PODLING_TEST_ROTATIONS").ok();
    let rotations = rotations.and_then(|text| text.parse().ok());
    let rotations = rotations.unwrap_or(ROTATIONS);
    let node = Node::start().await;
    let image = node.import_debian("busybox").await;
    let client = node.cri().await;
    let logs = node.folder().join("logs");
    let mut sandbox = requests::sandbox("loud", &node.range().cgroup());
    sandbox.log_directory = logs.display().to_string();
    let mut container = requests::container(&image, &["seq", "1", "1000000000"]);
    container.log_path = "0.log".to_owned();
    let pod = requests::run_pod(&client, sandbox, container).await;
    let pod = pod.expect("a pod");

    let log = logs.join("0.log");
    let rotated = logs.join("0.log.rotated");
    let mut next = 1;
    let mut cadence = time::interval(CADENCE);
    for _ in 0..rotations {
        cadence.tick().await;
        wait_until(DEADLINE, "something is printed", || {
            fs::metadata(&log).is_ok_and(|log| log.len() > 0)
        })
        .await;
        // As the kubelet does it.
        fs::rename(&log, &rotated).expect("a rotation");
        let request = cri::ReopenContainerLogRequest {
            container_id: pod.container.clone(),
        };
        let reopened = client.runtime.clone().reopen_container_log(request).await;
        reopened.expect("the log is opened anew");
        next = check(&rotated, next);
        fs::remove_file(&rotated).expect("it is there");
    }
    let request = cri::StopContainerRequest {
        container_id: pod.container.clone(),
        timeout: 0,
    };
    let stopped = client.runtime.clone().stop_container(request).await;
    stopped.expect("it is stopped");
    let end = check(&log, next);
    println!("{rotations} rotations, {} lines, each once", end - 1);
    remove(&client, &pod).await;
    node.stop().await;
}

/// Every line of a log is the number that is due; returns the next.
fn check(log: &Path, mut due: u64) -> u64 {
    let file = File::open(log).expect("a log");
    for line in BufReader::with_capacity(1 << 20, file).lines() {
        let line = line.expect("text");
        let mut words = line.splitn(4, ' ').skip(2);
        let (tag, number) = (words.next(), words.next());
        // What was killed may have been cut off in the middle of its last line.
        if tag == Some("P") {
            continue;
        }
        assert_eq!(number, Some(due.to_string().as_str()), "{line}");
        due += 1;
    }
    due
}

async fn remove(client: &Cri, pod: &Running) {
    let removed = requests::remove_pod(client, &pod.sandbox).await;
    removed.expect("a removal");
}
