//! Attach: join the streams of a container's first process.

use futures::FutureExt;

use super::descriptors::{resize, sink, source};
use super::error::LifecycleError;
use super::exec::require_running;
use super::parts::Parts;
use super::sessions::tell;
use crate::monitor::protocol::Detached;
use crate::monitor::{AttachStreams, Attachment, MonitorClient};
use crate::streaming::{AttachCall, Process, SessionError};

/// Joins a container's streams; dropping what comes back leaves them.
pub(super) async fn attach(parts: &Parts, call: AttachCall) -> Result<Process, LifecycleError> {
    let (pod, id) = parts.pods.container(&call.container)?;
    require_running(&pod, &id)?;
    let monitor = MonitorClient::open(&parts.layout.sandbox_run_dir(pod.id()));
    let streams = AttachStreams {
        stdin: call.wanted.stdin,
        stdout: call.wanted.stdout,
        stderr: call.wanted.stderr,
    };
    let cannot_attach = || format!("attach to container {id}");
    let mut attachment = monitor
        .attach(&id, streams)
        .await
        .map_err(|error| LifecycleError::failed(cannot_attach(), error))?;
    let mut connect = || {
        Ok((
            attachment.stdin.take().map(sink).transpose()?,
            attachment.stdout.take().map(source).transpose()?,
            attachment.stderr.take().map(source).transpose()?,
        ))
    };
    let (stdin, stdout, stderr) = connect()
        .map_err(|error: std::io::Error| LifecycleError::failed(cannot_attach(), error))?;
    Ok(Process {
        stdin,
        stdout,
        stderr,
        resize: attachment.terminal.take().map(resize),
        ended: end_of(attachment).boxed(),
    })
}

async fn end_of(mut attachment: Attachment) -> Result<i32, SessionError> {
    match attachment.detached().await {
        Ok(Detached::ContainerEnded) => Ok(0),
        Ok(Detached::TooSlow) => Err(SessionError(
            "the container's output was not read fast enough, and it does not wait".to_owned(),
        )),
        Err(error) => Err(tell(LifecycleError::failed("stay attached", error))),
    }
}
