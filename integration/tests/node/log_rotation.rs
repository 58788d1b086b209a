//! A log that the kubelet rotates while it is written and read.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flate2::read::MultiGzDecoder;
use podling_integration::harness::programs::program;

use crate::{configured, pod, shell};

const LINES: u64 = 20_000;
/// Small enough for several rotations, many enough files that none goes.
const CONFIGURATION: &str = "containerLogMaxSize: 100Ki
containerLogMaxFiles: 50
containerLogMonitorInterval: 3s
";

#[tokio::test]
async fn no_byte_of_a_rotated_log_is_lost_on_disk_or_to_who_follows_it() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let node = configured(root.path(), CONFIGURATION).await;
    let image = node.import_debian("busybox").await;
    let script = format!(
        "i=0; while [ $i -lt {LINES} ]; do n=0; while [ $n -lt 400 ]; do i=$((i+1)); n=$((n+1)); \
         echo \"{}\"; done; sleep 0.3; done",
        line("$i")
    );
    let mut spec = shell(&image, &script);
    spec["restartPolicy"] = "Never".into();
    node.manifest("loud.yaml", &pod("loud", spec));
    node.wait_pod("loud", "runs", |pod| pod.phase() == "Running")
        .await;
    let follower = Command::new(program("podling"))
        .arg("--root")
        .arg(node.root())
        .args(["logs", "-f", "loud"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("podling starts");
    let loud = node
        .wait_pod("loud", "has ended", |pod| pod.phase() == "Succeeded")
        .await;
    let followed = follower.wait_with_output().expect("it ends with the pod");

    let expected: String = (1..=LINES).map(|n| line(&n.to_string()) + "\n").collect();
    assert!(followed.status.success());
    assert!(
        followed.stdout == expected.as_bytes(),
        "{} of {} bytes were followed",
        followed.stdout.len(),
        expected.len()
    );

    let logs = format!("default_{}_{}/main", loud.name(), loud.uid());
    let mut files: Vec<PathBuf> = fs::read_dir(node.root().join("var/log/pods").join(logs))
        .expect("the pod's logs")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    // `0.log.…` sorts behind `0.log`, which is the newest.
    files.sort();
    files.rotate_left(1);
    let packed = files.iter().filter(|file| is_packed(file)).count();
    assert!(packed >= 2, "{files:?}");
    assert_eq!(packed, files.len() - 2, "one plain beside it: {files:?}");
    let written: String = files.iter().map(content).collect();
    let said: Vec<&str> = written
        .lines()
        .map(|line| line.splitn(4, ' ').nth(3).expect("four words"))
        .collect();
    assert!(
        said.join("\n") + "\n" == expected,
        "{} lines on disk",
        said.len()
    );
    node.stop().await;
}

fn line(number: &str) -> String {
    format!("line {number} {}", "-".repeat(60))
}

fn is_packed(file: &Path) -> bool {
    file.extension().is_some_and(|end| end == "gz")
}

fn content(file: &PathBuf) -> String {
    let mut text = String::new();
    let plain = File::open(file).expect("it can be opened");
    if is_packed(file) {
        MultiGzDecoder::new(plain).read_to_string(&mut text)
    } else {
        { plain }.read_to_string(&mut text)
    }
    .expect("it can be read");
    text
}
