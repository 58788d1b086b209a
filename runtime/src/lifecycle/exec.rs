//! Exec: run a command in a container on the streams of a client.

use std::io;
use std::os::fd::OwnedFd;

use futures::FutureExt;
use tokio::net::unix::pipe;

use super::bundle;
use super::descriptors::{resize, sink, source};
use super::error::LifecycleError;
use super::parts::Parts;
use super::pod::PodHandle;
use super::sessions::tell;
use crate::model::ContainerId;
use crate::model::process::ProcessSpec;
use crate::monitor::protocol::ExecRequest;
use crate::monitor::{Exec, MonitorClient, Stdio3};
use crate::streaming::{ExecCall, Process, SessionError, Sink, Source, Wanted};

/// What a terminal is taken for when the container does not say.
const TERM: &[u8] = b"TERM=xterm";

/// Runs a command; dropping what comes back ends it.
pub(super) async fn exec(parts: &Parts, call: ExecCall) -> Result<Process, LifecycleError> {
    let (pod, id) = parts.pods.container(&call.container)?;
    require_running(&pod, &id)?;
    let mut process = bundle::read_exec_process(&parts.layout.container_dir(&id), call.command)
        .map_err(|error| LifecycleError::failed("read what CreateContainer prepared", error))?;
    let wanted = call.wanted;
    if wanted.tty {
        name_terminal(&mut process);
    }
    let request = ExecRequest {
        container_id: id.clone(),
        process,
        tty: wanted.tty,
    };
    let cannot_connect = |error| LifecycleError::failed("connect the command's streams", error);
    let (stdio, mut streams) = match wanted.tty {
        true => Default::default(),
        false => pipes(wanted).map_err(cannot_connect)?,
    };
    let monitor = MonitorClient::open(&parts.layout.sandbox_run_dir(pod.id()));
    let mut exec = monitor
        .exec(request, stdio)
        .await
        .map_err(|error| LifecycleError::failed(format!("exec in container {id}"), error))?;
    if let Some(master) = exec.take_terminal() {
        streams = terminal(master, wanted).map_err(cannot_connect)?;
    }
    Ok(Process {
        stdin: streams.stdin,
        stdout: streams.stdout,
        stderr: streams.stderr,
        resize: streams.terminal.map(resize),
        ended: end_of(exec).boxed(),
    })
}

/// Refuses a container that does not run.
pub(super) fn require_running(pod: &PodHandle, id: &ContainerId) -> Result<(), LifecycleError> {
    let snapshot = pod.snapshot();
    let container = snapshot.containers.get(id);
    match container.and_then(|container| container.running_pid()) {
        Some(_) => Ok(()),
        None => Err(LifecycleError::WrongState(format!(
            "container {id} is not running"
        ))),
    }
}

fn name_terminal(process: &mut ProcessSpec) {
    if !process.env.iter().any(|entry| entry.starts_with(b"TERM=")) {
        process.env.push(TERM.to_vec());
    }
}

async fn end_of(mut exec: Exec) -> Result<i32, SessionError> {
    let lost = |error| tell(LifecycleError::failed("wait for the command's end", error));
    exec.wait().await.map_err(lost)
}

/// The daemon's ends of a command's streams.
#[derive(Default)]
struct Streams {
    stdin: Option<Sink>,
    stdout: Option<Source>,
    stderr: Option<Source>,
    terminal: Option<OwnedFd>,
}

/// Both directions of a terminal, as far as they are wanted.
fn terminal(master: OwnedFd, wanted: Wanted) -> io::Result<Streams> {
    let mut streams = Streams::default();
    if wanted.stdin {
        streams.stdin = Some(sink(master.try_clone()?)?);
    }
    if wanted.stdout {
        streams.stdout = Some(source(master.try_clone()?)?);
    }
    streams.terminal = Some(master);
    Ok(streams)
}

/// Pipes for the streams that are wanted; the others are /dev/null.
fn pipes(wanted: Wanted) -> io::Result<(Stdio3, Streams)> {
    let (mut stdio, mut streams) = (Stdio3::default(), Streams::default());
    if wanted.stdin {
        let (ours, theirs) = pipe::pipe()?;
        stdio.stdin = Some(theirs.into_blocking_fd()?);
        streams.stdin = Some(Box::new(ours));
    }
    if wanted.stdout {
        let (theirs, ours) = pipe::pipe()?;
        stdio.stdout = Some(theirs.into_blocking_fd()?);
        streams.stdout = Some(Box::new(ours));
    }
    if wanted.stderr {
        let (theirs, ours) = pipe::pipe()?;
        stdio.stderr = Some(theirs.into_blocking_fd()?);
        streams.stderr = Some(Box::new(ours));
    }
    Ok((stdio, streams))
}
