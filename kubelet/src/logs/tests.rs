//! Logs read as `kubectl logs` shows them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::line::{Stream, parse};
use super::{LogOptions, StreamChoice, newest, previous, send};

const LOG: &str = "2026-01-01T00:00:01.000000001Z stdout F one\n\
                   2026-01-01T00:00:02.000000002Z stderr F two\n\
                   2026-01-01T00:00:03.000000003Z stdout P thr\n\
                   2026-01-01T00:00:03.000000004Z stdout F ee\n\
                   2026-01-01T00:00:04.000000005Z stdout F four\n";

async fn read(log: &str, options: LogOptions) -> String {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("0.log");
    fs::write(&path, log).unwrap();
    let (chunks, mut taken) = mpsc::channel(64);
    send(&path, options, || true, chunks).await;
    let mut text = Vec::new();
    while let Some(chunk) = taken.recv().await {
        text.extend_from_slice(&chunk.unwrap());
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn a_line_is_taken_apart() {
    let line = parse(b"2026-01-01T00:00:01Z stdout F a b  c \n").unwrap();
    assert_eq!(line.time, "2026-01-01T00:00:01Z");
    assert_eq!(line.stream, Stream::Stdout);
    assert!(line.is_whole);
    assert_eq!(line.content, b"a b  c ");
}

#[test]
fn an_empty_line_and_one_with_more_tags_are_lines() {
    assert_eq!(parse(b"t stdout F \n").unwrap().content, b"");
    assert_eq!(parse(b"t stdout F\n").unwrap().content, b"");
    assert!(!parse(b"t stderr P:x said\n").unwrap().is_whole);
}

#[test]
fn what_no_runtime_wrote_is_no_line() {
    for line in [
        &b""[..],
        b"\n",
        b"nonsense\n",
        b"t stdin F x\n",
        b"t stdout X x\n",
    ] {
        assert_eq!(parse(line), None);
    }
}

#[tokio::test]
async fn parts_of_a_line_are_joined() {
    assert_eq!(
        read(LOG, LogOptions::default()).await,
        "one\ntwo\nthree\nfour\n"
    );
}

#[tokio::test]
async fn one_stream_alone_can_be_asked_for() {
    let options = LogOptions {
        stream: StreamChoice::Only(Stream::Stderr),
        ..LogOptions::default()
    };
    assert_eq!(read(LOG, options).await, "two\n");
}

#[tokio::test]
async fn timestamps_are_as_the_runtime_wrote_them() {
    let options = LogOptions {
        timestamps: true,
        tail_lines: Some(1),
        ..LogOptions::default()
    };
    assert_eq!(
        read(LOG, options).await,
        "2026-01-01T00:00:04.000000005Z four\n"
    );
}

#[tokio::test]
async fn the_tail_counts_lines_of_the_file() {
    let tails = [
        (0, ""),
        (1, "four\n"),
        (2, "ee\nfour\n"),
        (99, "one\ntwo\nthree\nfour\n"),
    ];
    for (lines, expected) in tails {
        let options = LogOptions {
            tail_lines: Some(lines),
            ..LogOptions::default()
        };
        assert_eq!(read(LOG, options).await, expected, "{lines}");
    }
}

#[tokio::test]
async fn the_tail_of_a_long_log_is_found() {
    let log: String = (0..20_000)
        .map(|n| format!("2026-01-01T00:00:00Z stdout F line {n}\n"))
        .collect();
    let options = LogOptions {
        tail_lines: Some(3000),
        ..LogOptions::default()
    };
    let text = read(&log, options).await;
    assert_eq!(text.lines().count(), 3000);
    assert!(text.starts_with("line 17000\n"), "{}", &text[..20]);
}

#[tokio::test]
async fn what_was_said_before_a_time_is_left_out() {
    let since = Some("2026-01-01T00:00:03Z".parse().unwrap());
    let options = LogOptions {
        since,
        ..LogOptions::default()
    };
    assert_eq!(read(LOG, options).await, "three\nfour\n");
}

#[tokio::test]
async fn a_limit_of_bytes_is_kept() {
    let options = LogOptions {
        limit_bytes: Some(6),
        ..LogOptions::default()
    };
    assert_eq!(read(LOG, options).await, "one\ntw");
}

/// A log that is followed.
struct Follower {
    path: PathBuf,
    has_ended: Arc<AtomicBool>,
    taken: mpsc::Receiver<std::io::Result<Bytes>>,
    _directory: TempDir,
}

impl Follower {
    fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("0.log");
        fs::write(&path, "").unwrap();
        let has_ended = Arc::new(AtomicBool::new(false));
        let (chunks, taken) = mpsc::channel(64);
        let options = LogOptions {
            follow: true,
            ..LogOptions::default()
        };
        let (log, ended) = (path.clone(), Arc::clone(&has_ended));
        tokio::spawn(async move {
            send(&log, options, || ended.load(Ordering::SeqCst), chunks).await;
        });
        Self {
            path,
            has_ended,
            taken,
            _directory: directory,
        }
    }

    async fn next(&mut self) -> String {
        let chunk = self.taken.recv().await.expect("more is to come").unwrap();
        String::from_utf8(chunk.to_vec()).unwrap()
    }
}

fn say(path: &Path, words: &str) {
    let mut file = fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    writeln!(file, "2026-01-01T00:00:00Z stdout F {words}").unwrap();
}

#[tokio::test]
async fn a_followed_log_goes_on_and_ends_with_its_container() {
    let mut follower = Follower::start();
    say(&follower.path, "first");
    assert_eq!(follower.next().await, "first\n");
    say(&follower.path, "second");
    assert_eq!(follower.next().await, "second\n");
    say(&follower.path, "last");
    follower.has_ended.store(true, Ordering::SeqCst);
    assert_eq!(follower.next().await, "last\n");
    assert!(follower.taken.recv().await.is_none());
}

#[tokio::test]
async fn a_followed_log_survives_its_rotation() {
    let mut follower = Follower::start();
    say(&follower.path, "before");
    assert_eq!(follower.next().await, "before\n");

    let rotated = follower.path.with_extension("log.20260101-000000");
    fs::rename(&follower.path, &rotated).unwrap();
    say(&rotated, "written after the rename");
    say(&follower.path, "in the new file");

    let mut text = follower.next().await;
    if !text.contains("new file") {
        text += &follower.next().await;
    }
    assert_eq!(text, "written after the rename\nin the new file\n");
}

#[tokio::test]
async fn reading_ends_when_nobody_listens() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("0.log");
    fs::write(&path, LOG).unwrap();
    let (chunks, taken) = mpsc::channel(1);
    drop(taken);
    send(
        &path,
        LogOptions {
            follow: true,
            ..LogOptions::default()
        },
        || false,
        chunks,
    )
    .await;
}

#[tokio::test]
async fn the_newest_log_and_the_one_before_are_found_by_number() {
    let directory = TempDir::new().unwrap();
    for name in [
        "2.log",
        "10.log",
        "9.log",
        "10.log.20260101-000000",
        "x.log",
    ] {
        fs::write(directory.path().join(name), "").unwrap();
    }
    let number = |file: Option<super::LogFile>| file.map(|file| file.restart_count);
    assert_eq!(number(newest(directory.path()).await.unwrap()), Some(10));
    assert_eq!(number(previous(directory.path()).await.unwrap()), Some(9));
    let nowhere = directory.path().join("nowhere");
    assert_eq!(number(newest(&nowhere).await.unwrap()), None);
}

/// Sets the log aside under this name, and packs what is plain before it, as a rotation does.
fn set_aside(log: &Path, stamp: &str) {
    for entry in fs::read_dir(log.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with("0.log.") && !name.ends_with(".gz") {
            pack(&path);
        }
    }
    fs::rename(log, log.with_file_name(format!("0.log.{stamp}"))).unwrap();
}

fn pack(path: &Path) {
    let packed = fs::File::create(format!("{}.gz", path.display())).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    encoder.write_all(&fs::read(path).unwrap()).unwrap();
    encoder.finish().unwrap();
    fs::remove_file(path).unwrap();
}

fn say_at(path: &Path, second: u32, words: &str) {
    let mut file = fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    writeln!(file, "2026-01-01T00:00:{second:02}Z stdout F {words}").unwrap();
}

#[tokio::test]
async fn whoever_reads_slower_than_a_log_is_rotated_misses_nothing() {
    let directory = TempDir::new().unwrap();
    let log = directory.path().join("0.log");
    // Long before, and not asked for.
    say_at(&log, 0, "earlier");
    set_aside(&log, "20260101-000000");
    say_at(&log, 1, "one");
    let (mut chain, mut source) = super::chain::Chain::open(&log).await.unwrap();
    let rotations = [
        ("20260101-000001", "two"),
        ("20260101-000002", "three"),
        ("20260101-000003", "four"),
        ("20260101-000004", "five"),
    ];
    for (second, (stamp, words)) in rotations.into_iter().enumerate() {
        set_aside(&log, stamp);
        say_at(&log, u32::try_from(second).unwrap() + 2, words);
    }
    let mut text = Vec::new();
    loop {
        loop {
            let block = source.read().await.unwrap();
            if block.is_empty() {
                break;
            }
            text.extend_from_slice(&block);
        }
        match chain.next().unwrap() {
            Some(next) => source = next,
            None => break,
        }
    }
    let text = String::from_utf8(text).unwrap();
    let words: Vec<_> = text
        .lines()
        .filter_map(|line| line.rsplit(' ').next())
        .collect();
    assert_eq!(words, ["one", "two", "three", "four", "five"]);
}

#[tokio::test]
async fn a_reader_whose_file_has_gone_goes_on_with_the_oldest_that_is_left() {
    let directory = TempDir::new().unwrap();
    let log = directory.path().join("0.log");
    say_at(&log, 1, "one");
    let (mut chain, _source) = super::chain::Chain::open(&log).await.unwrap();
    set_aside(&log, "20260101-000001");
    say_at(&log, 2, "two");
    set_aside(&log, "20260101-000002");
    say_at(&log, 3, "three");
    fs::remove_file(directory.path().join("0.log.20260101-000001.gz")).unwrap();
    let mut next = chain.next().unwrap().expect("there is a later one");
    let block = next.read().await.unwrap();
    assert!(block.ends_with(b"two\n"));
    let mut last = chain.next().unwrap().expect("there is the written one");
    assert!(last.read().await.unwrap().ends_with(b"three\n"));
    assert!(chain.next().unwrap().is_none());
}

#[tokio::test]
async fn a_log_that_is_just_being_set_aside_is_read_where_it_is() {
    let directory = TempDir::new().unwrap();
    let log = directory.path().join("0.log");
    say_at(&log, 1, "one");
    set_aside(&log, "20260101-000001");
    assert_eq!(newest(directory.path()).await.unwrap().unwrap().path, log);
    let (mut chain, mut source) = super::chain::Chain::open(&log).await.unwrap();
    assert!(source.read().await.unwrap().ends_with(b"one\n"));
    assert!(chain.next().unwrap().is_none());
    say_at(&log, 2, "two");
    let mut next = chain.next().unwrap().expect("it was begun anew");
    assert!(next.read().await.unwrap().ends_with(b"two\n"));
}
