//! ExecSync: run a command in a container and collect what it says.

use std::io;
use std::pin::pin;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::time::{Instant, timeout_at};

use super::bundle;
use super::error::LifecycleError;
use super::exec::require_running;
use super::parts::Parts;
use super::pod::PodHandle;
use crate::model::ContainerId;
use crate::monitor::MonitorClient;
use crate::monitor::protocol::ExecRequest;
use crate::monitor::{Exec, MonitorError, Stdio3};

/// What is kept of each stream; the rest is read and dropped, so that the process never blocks
/// (CVE-2022-1708 was a runtime that kept everything).
const CAPTURE_LIMIT: usize = 16 << 20;
/// How long output is waited for after the process has ended, when something that it left running
/// holds its streams open.
const DRAIN: Duration = Duration::from_secs(1);

/// What most commands say fits into the first piece.
const FIRST_PIECE: usize = 16 << 10;
/// Large enough to go back to the kernel as soon as it is let go of.
const PIECE: usize = 1 << 20;

/// What came of a command.
#[derive(Debug, PartialEq, Eq)]
pub struct ExecOutcome {
    /// The first 16 MiB of standard output.
    pub stdout: Captured,
    /// The first 16 MiB of standard error.
    pub stderr: Captured,
    /// Exit code; 128 + n when signal n killed it.
    pub exit_code: i32,
}

/// What a command said, in pieces: they are filled one after the other and never moved.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Captured(Vec<Vec<u8>>);

impl Captured {
    /// How many bytes it is.
    pub fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces, in order.
    pub fn into_pieces(self) -> impl Iterator<Item = Vec<u8>> {
        self.0.into_iter()
    }

    /// A piece with room, as long as there may be more.
    fn room(&mut self) -> Option<&mut Vec<u8>> {
        let left = CAPTURE_LIMIT - self.len();
        if left == 0 {
            return None;
        }
        let is_full = |piece: &Vec<u8>| piece.len() == piece.capacity();
        if self.0.last().is_none_or(is_full) {
            let size = if self.0.is_empty() {
                FIRST_PIECE
            } else {
                PIECE
            };
            self.0.push(Vec::with_capacity(size.min(left)));
        }
        self.0.last_mut()
    }
}

impl FromIterator<Vec<u8>> for Captured {
    fn from_iter<T: IntoIterator<Item = Vec<u8>>>(pieces: T) -> Self {
        Self(pieces.into_iter().collect())
    }
}

/// Runs `command` in a running container. A `limit` of `None` waits for ever; at the limit the
/// command and what it started are killed.
pub(super) async fn exec_sync(
    parts: &Parts,
    pod: &PodHandle,
    id: &ContainerId,
    command: Vec<String>,
    limit: Option<Duration>,
) -> Result<ExecOutcome, LifecycleError> {
    require_running(pod, id)?;
    let process = bundle::read_exec_process(&parts.layout.container_dir(id), command)
        .map_err(|error| LifecycleError::failed("read what CreateContainer prepared", error))?;
    let request = ExecRequest {
        container_id: id.clone(),
        process,
        tty: false,
    };
    let (stdio, mut stdout, mut stderr) =
        pipes().map_err(|error| LifecycleError::failed("make pipes for the command", error))?;
    let monitor = MonitorClient::open(&parts.layout.sandbox_run_dir(pod.id()));
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    let running = async {
        let mut exec = monitor
            .exec(request, stdio)
            .await
            .map_err(|error| LifecycleError::failed(format!("exec in container {id}"), error))?;
        let (exit_code, stdout, stderr) =
            collect(&mut exec, &mut stdout, &mut stderr, deadline).await?;
        Ok(ExecOutcome {
            stdout,
            stderr,
            exit_code,
        })
    };
    let Some(deadline) = deadline else {
        return running.await;
    };
    // Dropping what runs closes its connection, at which the monitor kills it.
    match timeout_at(deadline, running).await {
        Ok(outcome) => outcome,
        Err(_) => Err(LifecycleError::DeadlineExceeded(format!(
            "command in container {id} timed out: killed after {:?}",
            limit.unwrap_or_default()
        ))),
    }
}

fn pipes() -> io::Result<(Stdio3, pipe::Receiver, pipe::Receiver)> {
    let (stdout, from_stdout) = pipe::pipe()?;
    let (stderr, from_stderr) = pipe::pipe()?;
    let stdio = Stdio3 {
        stdin: None,
        stdout: Some(stdout.into_blocking_fd()?),
        stderr: Some(stderr.into_blocking_fd()?),
    };
    Ok((stdio, from_stdout, from_stderr))
}

async fn collect(
    exec: &mut Exec,
    stdout: &mut pipe::Receiver,
    stderr: &mut pipe::Receiver,
    deadline: Option<Instant>,
) -> Result<(i32, Captured, Captured), LifecycleError> {
    let (mut out, mut err) = (Captured::default(), Captured::default());
    let exit_code = {
        let streams = async {
            tokio::join!(capture(stdout, &mut out), capture(stderr, &mut err));
        };
        let ended = async {
            let code = exec.wait().await;
            // A command that ended in time has not timed out, whatever it left running.
            let drained = Instant::now() + DRAIN;
            (
                code,
                deadline.map_or(drained, |deadline| drained.min(deadline)),
            )
        };
        until_drained(streams, ended).await?
    };
    Ok((exit_code, out, err))
}

/// Waits for the end of the process, and for the end of its streams but not beyond the deadline
/// that comes with the former.
async fn until_drained(
    streams: impl Future<Output = ()>,
    ended: impl Future<Output = (Result<i32, MonitorError>, Instant)>,
) -> Result<i32, LifecycleError> {
    let mut streams = pin!(streams);
    let mut ended = pin!(ended);
    let lost = |error| LifecycleError::failed("wait for the command's end", error);
    tokio::select! {
        () = &mut streams => ended.await.0.map_err(lost),
        (code, deadline) = &mut ended => {
            let code = code.map_err(lost)?;
            // What is still open then is held by something that the command left running.
            let _ = timeout_at(deadline, streams).await;
            Ok(code)
        }
    }
}

/// Reads to the end, keeping the beginning.
async fn capture(pipe: &mut pipe::Receiver, kept: &mut Captured) {
    while let Some(piece) = kept.room() {
        let read = pipe.read_buf(piece).await;
        if !matches!(read, Ok(1..)) {
            return;
        }
    }
    let mut dropped = vec![0; FIRST_PIECE];
    while let Ok(1..) = pipe.read(&mut dropped).await {}
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn the_beginning_is_kept_and_the_rest_is_read_all_the_same() {
        let (mut writer, mut reader) = pipe::pipe().expect("a pipe");
        let written = tokio::spawn(async move {
            let chunk = vec![b'x'; 1 << 20];
            for _ in 0..CAPTURE_LIMIT / chunk.len() + 8 {
                writer.write_all(&chunk).await.expect("somebody reads");
            }
        });
        let mut kept = Captured::default();
        capture(&mut reader, &mut kept).await;
        written.await.expect("all of it was read");
        assert_eq!(kept.len(), CAPTURE_LIMIT);
        let reserved: usize = kept.0.iter().map(Vec::capacity).sum();
        assert_eq!(reserved, CAPTURE_LIMIT);
        let mut bytes = kept.into_pieces().flatten();
        assert!(bytes.all(|byte| byte == b'x'));
    }

    #[tokio::test(start_paused = true)]
    async fn streams_that_stay_open_are_not_waited_for_without_end() {
        let ended = async { (Ok(3), Instant::now() + DRAIN) };
        let code = until_drained(std::future::pending(), ended).await;
        assert_eq!(code.expect("its code"), 3);
    }
}
