//! A client at the streams of a container.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::pipe::{PipeFlags, pipe_with};

use super::MonitorClient;
use super::connection::{Connection, unexpected};
use crate::model::ContainerId;
use crate::monitor::error::MonitorError;
use crate::monitor::protocol::{AttachCall, Detached, Reply, Request, Stream};

/// The streams that a client wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttachStreams {
    /// To write to the container's stdin.
    pub stdin: bool,
    /// To read what it prints to stdout, or to its terminal.
    pub stdout: bool,
    /// To read what it prints to stderr.
    pub stderr: bool,
}

/// The streams of a container, as one of any number of clients has them. No descriptor here blocks.
/// Dropping this with its descriptors detaches.
#[derive(Debug)]
pub struct Attachment {
    connection: Connection,
    /// What is written here the container reads. To close it ends the container's stdin if it was
    /// created with `stdin_once`. `None` when it was not asked for, or the container has no stdin
    /// (any more).
    pub stdin: Option<OwnedFd>,
    /// What the container prints from now on; ends with the attachment.
    pub stdout: Option<OwnedFd>,
    /// The same of stderr. A terminal has none.
    pub stderr: Option<OwnedFd>,
    /// The master of the container's terminal, for its size. Not to be read: what it shows comes
    /// through `stdout`.
    pub terminal: Option<OwnedFd>,
}

impl MonitorClient {
    /// Connects to the streams of a running container.
    pub async fn attach(
        &self,
        id: &ContainerId,
        streams: AttachStreams,
    ) -> Result<Attachment, MonitorError> {
        let connection = self.connect()?;
        let lost = |source| connection.lost(source);
        let (stdout, stdout_writer) = output().map_err(lost)?;
        let (stderr, stderr_writer) = output().map_err(lost)?;
        let writers = [
            (streams.stdout, Stream::Stdout, stdout_writer),
            (streams.stderr, Stream::Stderr, stderr_writer),
        ];
        let (outputs, fds): (Vec<Stream>, Vec<OwnedFd>) = writers
            .into_iter()
            .filter_map(|(is_wanted, stream, fd)| is_wanted.then_some((stream, fd)))
            .unzip();
        let borrowed: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
        let call = AttachCall {
            container_id: id.clone(),
            stdin: streams.stdin,
            outputs,
        };
        connection.send(&Request::Attach(call), &borrowed).await?;
        drop(fds);
        let mut message = connection.receive_message().await?;
        let Reply::Attached { terminal, stdin } = message.body else {
            return Err(unexpected(message.body));
        };
        let way_in = message.fds.pop();
        if let Some(fd) = &way_in {
            rustix::io::ioctl_fionbio(fd, true).map_err(|errno| lost(errno.into()))?;
        }
        // One descriptor stands for both.
        let stdin = way_in.as_ref().filter(|_| stdin).map(OwnedFd::try_clone);
        Ok(Attachment {
            stdin: stdin.transpose().map_err(lost)?,
            stdout: streams.stdout.then_some(stdout),
            // A terminal has one output, and a pipe that nothing comes through would only confuse.
            stderr: (streams.stderr && !terminal).then_some(stderr),
            terminal: way_in.filter(|_| terminal),
            connection,
        })
    }
}

impl Attachment {
    /// Waits until the monitor ends it, and says why. What the container printed before that can
    /// still be read. May be cancelled and called again.
    pub async fn detached(&mut self) -> Result<Detached, MonitorError> {
        match self.connection.receive().await? {
            Reply::Detached(why) => Ok(why),
            other => Err(unexpected(other)),
        }
    }
}

/// A pipe for an output: its reading end, which does not block, and its writing end.
fn output() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&reader, true)?;
    Ok((reader, writer))
}
