//! Exec and attach: a process on one side, a client's streams on the other.
//!
//! ```text
//! streams ─► run: start the process ─► copy until it has ended ─► tell how, on the error stream
//! ```
//!
//! Every copy waits for the slower side, so what waits in between is a few chunks.

mod resize;
mod status;
mod streams;
mod version;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub(super) use streams::{CHANNELS, Streams, from_channels, from_opened};
pub(super) use version::Version;

use super::sessions::{Process, SessionError, Sink, Source, TerminalSize};
use super::stream::{CHUNK, Incoming, Outgoing};
use resize::Sizes;
use status::Outcome;

/// How long silent output is waited for after the process has ended, when something that it left
/// running holds its streams open.
const DRAIN: Duration = Duration::from_secs(1);

/// Runs what `start` starts on a client's streams, and tells the client how it ended.
pub(super) async fn run(
    streams: Streams,
    version: Version,
    start: impl Future<Output = Result<Process, SessionError>>,
) {
    let Streams {
        mut error,
        stdin,
        stdout,
        stderr,
        resize,
    } = streams;
    let outcome = match start.await {
        Ok(process) => copy(process, stdin, stdout, stderr, resize).await,
        Err(reason) => Outcome::Failed(reason.to_string()),
    };
    let text = match version.tells_status() {
        true => outcome.to_json(),
        false => outcome.to_text(),
    };
    // With the client gone there is nobody to tell.
    let _ = error.write(Bytes::from(text)).await;
    error.finish().await;
}

async fn copy(
    process: Process,
    stdin: Option<Incoming>,
    stdout: Option<Outgoing>,
    stderr: Option<Outgoing>,
    sizes: Option<Incoming>,
) -> Outcome {
    let Process {
        stdin: sink,
        stdout: out,
        stderr: err,
        resize,
        ended,
    } = process;
    let has_ended = CancellationToken::new();
    let outputs = async {
        tokio::join!(
            output(out, stdout, &has_ended),
            output(err, stderr, &has_ended)
        )
    };
    let end = async {
        let code = ended.await;
        has_ended.cancel();
        code
    };
    let inputs = async {
        tokio::join!(input(stdin, sink), follow_sizes(sizes, resize));
        std::future::pending().await
    };
    let code = tokio::select! {
        (code, _) = async { tokio::join!(end, outputs) } => code,
        // What a client says is no reason to end.
        never = inputs => never,
    };
    match code {
        Ok(0) => Outcome::Succeeded,
        Ok(code) => Outcome::Exited(code),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

/// Copies what a client types, up to its end of it.
async fn input(from: Option<Incoming>, to: Option<Sink>) {
    let (Some(mut from), Some(mut to)) = (from, to) else {
        return;
    };
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = from.read(&mut buffer).await;
        // A process that has closed its input does not want the rest.
        if count == 0 || to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
        if to.flush().await.is_err() {
            break;
        }
    }
    // It is closed in any case.
    let _ = to.shutdown().await;
}

/// Copies what a process says. With nobody to hear it, it is read all the same: the process must
/// not notice.
async fn output(from: Option<Source>, mut to: Option<Outgoing>, has_ended: &CancellationToken) {
    if let Some(mut from) = from {
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(CHUNK);
            tokio::select! {
                biased;
                read = from.read_buf(&mut buffer) => if !matches!(read, Ok(1..)) { break },
                () = silence_after(has_ended) => break,
            }
            let said = buffer.split().freeze();
            if let Some(client) = &mut to
                && client.write(said).await.is_err()
            {
                to = None;
            }
        }
    }
    if let Some(to) = to {
        to.finish().await;
    }
}

async fn silence_after(has_ended: &CancellationToken) {
    has_ended.cancelled().await;
    sleep(DRAIN).await;
}

async fn follow_sizes(from: Option<Incoming>, resize: Option<Box<dyn Fn(TerminalSize) + Send>>) {
    let (Some(mut from), Some(resize)) = (from, resize) else {
        return;
    };
    let mut sizes = Sizes::default();
    let mut buffer = [0; 1024];
    loop {
        let count = from.read(&mut buffer).await;
        match sizes.read(&buffer[..count]) {
            Ok(sizes) if count > 0 => sizes.into_iter().for_each(&resize),
            // The end, or something that no later size can be found behind.
            Ok(_) | Err(_) => return,
        }
    }
}
