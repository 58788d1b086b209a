//! Logs set aside, packed and removed.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use jiff::Timestamp;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::files::{make_room, rename};
use super::plan::{Plan, plan};
use super::{Policy, Rotator, names};
use crate::config::Configuration;
use crate::cri::fake::FakeRuntime;
use crate::cri::{
    ContainerConfig, ContainerMetadata, Containers, ImageReference, SandboxConfig, Sandboxes,
};
use crate::labels;

fn noon() -> Timestamp {
    "2026-01-31T12:00:00.9Z".parse().unwrap()
}

fn planned(beside: &[&str], max_files: usize) -> Plan {
    let beside: Vec<_> = beside.iter().map(|name| (*name).to_owned()).collect();
    plan("0.log", &beside, max_files, noon())
}

/// Five rotated logs, the newest of them plain.
const FIVE: [&str; 7] = [
    "0.log",
    "0.log.20260131-110000.gz",
    "0.log.20260131-110100.gz",
    "0.log.20260131-110200.gz",
    "0.log.20260131-110300.gz",
    "0.log.20260131-110400",
    "10.log.20260131-110500",
];

#[test]
fn what_is_done_to_the_files_of_a_full_log() {
    let aside = "0.log.20260131-120000";
    let rows: [(&str, Plan, Plan); 6] = [
        (
            "the first time it is only set aside",
            planned(&["0.log", "1.log.20260131-130000"], 5),
            told(&[], &[], &[], aside),
        ),
        (
            "the plain one is packed now, and the oldest of too many go",
            planned(&FIVE, 5),
            told(
                &[],
                &["0.log.20260131-110000.gz", "0.log.20260131-110100.gz"],
                &["0.log.20260131-110400"],
                aside,
            ),
        ),
        (
            "of two files none but the written and the newest rotated stays",
            planned(&["0.log.20260131-110000.gz", "0.log.20260131-110400"], 2),
            told(
                &[],
                &["0.log.20260131-110000.gz", "0.log.20260131-110400"],
                &[],
                aside,
            ),
        ),
        (
            "what was not packed to its end goes, and is packed again",
            planned(&["0.log.20260131-110400", "0.log.20260131-110400.tmp"], 5),
            told(
                &["0.log.20260131-110400.tmp"],
                &[],
                &["0.log.20260131-110400"],
                aside,
            ),
        ),
        (
            "what is packed already goes as it was",
            planned(&["0.log.20260131-110400", "0.log.20260131-110400.gz"], 5),
            told(&["0.log.20260131-110400"], &[], &[], aside),
        ),
        (
            "a clock that went back makes no name that is not the last",
            planned(&["0.log.20260131-130000.gz", "0.log.20260131-130001"], 5),
            told(
                &[],
                &[],
                &["0.log.20260131-130001"],
                "0.log.20260131-130002",
            ),
        ),
    ];
    for (sentence, found, expected) in rows {
        assert_eq!(found, expected, "{sentence}");
    }
}

fn told(unused: &[&str], excess: &[&str], pack: &[&str], aside: &str) -> Plan {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Plan {
        unused: owned(unused),
        excess: owned(excess),
        pack: owned(pack),
        aside: aside.to_owned(),
    }
}

#[test]
fn only_what_was_set_aside_from_a_log_is_its_rotated_file() {
    for (name, expected) in [
        ("0.log.20260131-110000", true),
        ("0.log.20260131-110000.gz", true),
        ("0.log.20260131-110000.tmp", false),
        ("0.log", false),
        ("10.log.20260131-110000", false),
    ] {
        assert_eq!(names::is_rotated(name, "0.log"), expected, "{name}");
    }
}

#[test]
fn a_packed_log_is_the_plain_one_to_the_byte_with_its_mode() {
    let directory = TempDir::new().unwrap();
    let log = directory.path().join("0.log");
    let (plain, content) = (log.with_file_name("0.log.1"), "a line\n".repeat(100_000));
    fs::write(&plain, &content).unwrap();
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o640)).unwrap();
    fs::write(log.with_file_name("0.log.1.tmp"), "half").unwrap();
    fs::write(log.with_file_name("0.log.0.gz"), "old").unwrap();
    let plan = told(&["0.log.1.tmp"], &["0.log.0.gz"], &["0.log.1"], "");
    make_room(&log, &plan).unwrap();
    let packed = log.with_file_name("0.log.1.gz");
    assert_eq!(listed(directory.path()), ["0.log.1.gz"]);
    assert_eq!(unpacked(&packed), content);
    let mode = fs::metadata(&packed).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    // The same plan again has nothing left to do but what is missing.
    fs::write(&plain, "").unwrap();
    make_room(&log, &plan).unwrap();
}

#[test]
fn nothing_is_overwritten() {
    let directory = TempDir::new().unwrap();
    let (from, to) = (directory.path().join("a"), directory.path().join("b"));
    fs::write(&from, "a").unwrap();
    fs::write(&to, "b").unwrap();
    rename(&from, &to).expect_err("there is something");
    assert_eq!(fs::read_to_string(&to).unwrap(), "b");
}

#[test]
fn sizes_are_quantities_and_a_negative_one_turns_rotation_off() {
    let with = |size: &str| {
        Policy::of(&Configuration {
            container_log_max_size: size.to_owned(),
            ..Configuration::default()
        })
    };
    let usual = with("10Mi").unwrap();
    assert_eq!(
        (usual.max_size, usual.max_files, usual.workers),
        (10 << 20, 5, 1)
    );
    assert_eq!(usual.interval, Duration::from_secs(10));
    assert_eq!(with("1k").unwrap().max_size, 1000);
    assert_eq!(with("-1"), None);
}

/// A container whose log is in a directory, and who looks after it.
struct Logged {
    runtime: FakeRuntime,
    rotator: Rotator,
    log: PathBuf,
    directory: TempDir,
}

impl Logged {
    async fn start() -> Self {
        let (runtime, directory) = (FakeRuntime::new(), TempDir::new().unwrap());
        runtime.load("image");
        let sandbox = SandboxConfig {
            log_directory: directory.path().display().to_string(),
            ..SandboxConfig::default()
        };
        let id = runtime.run_sandbox(sandbox.clone()).await.unwrap();
        let config = ContainerConfig {
            metadata: ContainerMetadata {
                name: "web".to_owned(),
                ..ContainerMetadata::default()
            },
            image: ImageReference::as_written("image"),
            labels: [(labels::POD_UID.to_owned(), "u".to_owned())].into(),
            log_path: "0.log".to_owned(),
            ..ContainerConfig::default()
        };
        let container = runtime.create_container(id, config, sandbox).await.unwrap();
        runtime.start_container(container).await.unwrap();
        let log = directory.path().join("0.log");
        fs::write(&log, "").unwrap();
        let policy = Policy {
            max_size: 10,
            max_files: 3,
            workers: 1,
            interval: Duration::from_secs(10),
        };
        Self {
            rotator: Rotator::new(Arc::new(runtime.clone()), Arc::new(runtime.clock()), policy),
            runtime,
            log,
            directory,
        }
    }

    async fn round(&mut self) {
        self.rotator.learn().await.unwrap();
        self.rotator.look(&CancellationToken::new()).await;
    }

    fn fill(&self, word: &str) {
        fs::write(&self.log, word.repeat(10)).unwrap();
    }

    /// The contents of all files, the oldest first.
    fn contents(&self) -> Vec<String> {
        let all = listed(self.directory.path()).into_iter();
        let mut all: Vec<_> = all.filter(|name| name != "0.log").collect();
        all.push("0.log".to_owned());
        let read = |name: &String| {
            let path = self.directory.path().join(name);
            if name.ends_with(".gz") {
                unpacked(&path)
            } else {
                fs::read_to_string(path).unwrap()
            }
        };
        all.iter()
            .map(|name| read(name).chars().take(1).collect())
            .collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_log_is_set_aside_and_the_oldest_of_three_files_goes() {
    let mut logged = Logged::start().await;
    logged.round().await;
    assert_eq!(listed(logged.directory.path()), ["0.log"]);
    for (word, expected) in [
        ("a", &["a", ""][..]),
        ("b", &["a", "b", ""]),
        ("c", &["b", "c", ""]),
    ] {
        logged.fill(word);
        logged.round().await;
        assert_eq!(logged.contents(), expected, "{word}");
    }
    let names = listed(logged.directory.path());
    let packed: Vec<_> = names.iter().map(|name| name.ends_with(".gz")).collect();
    assert_eq!(packed, [false, true, false], "{names:?}");
    assert_eq!(logged.runtime.calls("ContainerStatus"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_not_begun_anew_is_put_back() {
    let mut logged = Logged::start().await;
    logged.fill("a");
    logged.runtime.fail_next("ReopenContainerLog", "no");
    logged.round().await;
    assert_eq!(listed(logged.directory.path()), ["0.log"]);
    assert_eq!(logged.contents(), ["a"]);
    logged.round().await;
    assert_eq!(logged.contents(), ["a", ""]);
}

#[tokio::test(start_paused = true)]
async fn a_log_set_aside_by_a_kubelet_that_died_is_begun_anew() {
    let mut logged = Logged::start().await;
    logged.fill("a");
    let aside = logged.log.with_file_name("0.log.20260131-110000");
    fs::rename(&logged.log, &aside).unwrap();
    logged.round().await;
    assert_eq!(logged.contents(), ["a", ""]);
    assert!(aside.exists(), "it is left plain");
}

#[tokio::test(start_paused = true)]
async fn the_log_of_a_container_that_has_ended_stays() {
    let mut logged = Logged::start().await;
    logged.fill("a");
    logged.runtime.exit("web", 0);
    logged.round().await;
    assert_eq!(listed(logged.directory.path()), ["0.log"]);
}

fn listed(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    let file = fs::File::open(path).unwrap();
    MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}
