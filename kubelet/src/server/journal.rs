//! What services of the machine say: from its journal, or from files of their names.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use http::header;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;

use super::log_query::{Choice, arguments, files_of, split};
use super::system_logs::read_file;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Chunks on their way to a slow reader, and their size.
const QUEUE: usize = 4;
const CHUNK: usize = 64 << 10;
const JOURNAL: &str = "journalctl";

type Chunks = mpsc::Sender<io::Result<Bytes>>;

/// What services say, as it is read.
pub(super) fn show(root: &Path, services: Vec<String>, choice: Choice) -> Response {
    let (chunks, body) = mpsc::channel(QUEUE);
    let root = root.to_owned();
    // It ends with the reader, who takes what it sends, or with its time.
    tokio::spawn(async move {
        let telling = tell(&root, &services, &choice, &chunks);
        if timeout(PATIENCE, telling).await.is_err() {
            say(&chunks, "\ncontext error: context deadline exceeded\n").await;
        }
    });
    let head = [(header::CONTENT_TYPE, "text/plain;charset=UTF-8")];
    (head, Body::from_stream(ReceiverStream::new(body))).into_response()
}

async fn tell(root: &Path, services: &[String], choice: &Choice, chunks: &Chunks) {
    let units = units().await;
    let (_, others) = split(services, &units);
    if others.is_empty() {
        return tell_journal(services, choice, chunks).await;
    }
    if *choice != Choice::default() {
        let names: Vec<_> = others.iter().map(|name| name.as_str()).collect();
        let words = format!(
            "\noptions present and query resolved to log files for [{}]\ntry without specifying options\n",
            names.join(" ")
        );
        return say(chunks, &words).await;
    }
    for service in others {
        let found = files_of(service);
        let root = root.to_owned();
        let read = move || found.iter().find_map(|file| read_file(&root, file));
        match tokio::task::spawn_blocking(read).await.ok().flatten() {
            Some(text) => drop(chunks.send(Ok(text.into())).await),
            None => say(chunks, &format!("\nlog not found for {service}\n")).await,
        }
    }
}

/// The units of the journal; none where there is no journal.
async fn units() -> String {
    let mut command = Command::new(JOURNAL);
    command.args(["--field", "_SYSTEMD_UNIT"]);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    match output.await {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
        _ => String::new(),
    }
}

async fn tell_journal(services: &[String], choice: &Choice, chunks: &Chunks) {
    let mut command = Command::new(JOURNAL);
    command
        .args(arguments(services, choice))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let Ok(mut child) = command.spawn() else {
        return say(chunks, "\nerror: journal output not available\n").await;
    };
    let (out, complaints) = (child.stdout.take(), child.stderr.take());
    tokio::join!(pass_on(out, chunks), pass_on(complaints, chunks));
    // Why it failed is in what it said.
    let _ = child.wait().await;
}

/// Passes on what comes, until its end or until the reader has left.
async fn pass_on(from: Option<impl AsyncRead + Unpin>, chunks: &Chunks) {
    let Some(mut from) = from else { return };
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        match from.read_buf(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                if chunks.send(Ok(chunk.into())).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn say(chunks: &Chunks, words: &str) {
    // A reader that has left needs no more.
    let _ = chunks.send(Ok(words.to_owned().into())).await;
}
