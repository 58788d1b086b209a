//! Logs under containers that print as fast as they can.

mod pod;

use std::fs;
use std::path::{Path, PathBuf};

use podling_runtime::monitor::MonitorError;
use serde_json::json;

use pod::{Container, Pod, process, wait_until};

/// Renames the log and has it opened anew, again and again while the container runs; the files, in
/// order.
async fn rotate(pod: &Pod, container: &Container) -> Vec<PathBuf> {
    let path = container.request.log_path.clone().expect("a log");
    let mut files = Vec::new();
    loop {
        let rotated = path.with_extension(files.len().to_string());
        fs::rename(&path, &rotated).expect("a rotation");
        files.push(rotated);
        if pod.client.reopen_log(container.id()).await.is_err() {
            return files;
        }
    }
}

/// The lines of log files without their stamps.
fn lines(files: &[PathBuf]) -> Vec<String> {
    let whole = files
        .iter()
        .map(|file| fs::read_to_string(file).expect("a log"));
    let text: String = whole.collect();
    let content = |line: &str| line.splitn(4, ' ').nth(3).expect("a whole line").to_owned();
    text.split_terminator('\n').map(content).collect()
}

async fn assert_complete(pod: &Pod, container: &Container, last: usize, end: &str) {
    pod.launch(container).await.expect("a launch");
    let files = rotate(pod, container).await;
    assert!(files.len() > 10, "{} rotations", files.len());
    pod.ended(container.id()).await;
    let lines = lines(&files);
    assert_eq!(lines.len(), last);
    for (number, line) in (1..).zip(&lines) {
        assert_eq!(*line, format!("{number}{end}"));
    }
}

#[tokio::test]
async fn rotation_loses_and_doubles_no_line_of_a_container_that_prints_without_pause() {
    let mut pod = Pod::start().await;
    let container = pod.container("seq 1 200000");
    assert_complete(&pod, &container, 200_000, "").await;
}

#[tokio::test]
async fn rotation_loses_and_doubles_no_line_of_a_terminal() {
    let mut pod = Pod::start().await;
    let mut container = pod.container("seq 1 50000");
    container.request.tty = true;
    container.spec["process"]["terminal"] = json!(true);
    assert_complete(&pod, &container, 50_000, "\r").await;
}

#[tokio::test]
async fn a_log_that_cannot_be_opened_anew_makes_no_file() {
    let mut pod = Pod::start().await;
    let record = pod.run("true").await;
    let path = pod.dir.path().join("logs/c/0.log");
    fs::remove_file(&path).expect("the log");
    let error = pod.client.reopen_log(&record.container_id).await;
    let error = error.expect_err("it has ended");
    assert!(matches!(error, MonitorError::NoContainer(_)), "{error}");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_container_that_prints_without_end_holds_up_no_other_and_takes_no_memory() {
    let mut pod = Pod::start().await;
    let monitor = parent(pod.pause);
    let mut loud = pod.container("yes");
    loud.args(&["/bin/busybox", "yes"]);
    let log = pod.dir.path().join("logs/loud/0.log");
    loud.request.log_path = Some(log.clone());
    pod.launch(&loud).await.expect("a launch");
    wait_until(|| fs::metadata(&log).is_ok_and(|log| log.len() > 50 << 20)).await;
    for _ in 0..10 {
        let quiet = pod.container("echo quiet; exit 4");
        pod.launch(&quiet).await.expect("a launch");
        assert_eq!(pod.ended(quiet.id()).await.code, 4);
        pod.exec(loud.id(), process(&["true"]))
            .await
            .expect("an exec");
        // The disk is not to be filled.
        fs::File::create(&log).expect("an empty log");
    }
    pod.client.kill(loud.id()).await.expect("a kill");
    pod.ended(loud.id()).await;
    assert_eq!(pod.log(), "stdout F quiet\n".repeat(10));
    let anonymous = anonymous_kib(monitor);
    assert!(
        anonymous < 1024,
        "the monitor has {anonymous} KiB of its own"
    );
}

fn parent(pid: i32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let after_name = stat.rsplit_once(") ").expect("a name").1;
    let parent = after_name.split(' ').nth(1).expect("a parent");
    parent.parse().expect("a pid")
}

fn anonymous_kib(pid: i32) -> u64 {
    let path = Path::new("/proc")
        .join(pid.to_string())
        .join("smaps_rollup");
    let text = fs::read_to_string(path).expect("its memory");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Anonymous:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    kib.expect("a number").parse().expect("a number")
}
