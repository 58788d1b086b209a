//! A process that a client runs in a container.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::MonitorClient;
use super::connection::{Connection, unexpected};
use crate::monitor::error::{ExecError, MonitorError};
use crate::monitor::protocol::{ExecCall, ExecRequest, Reply, Request, Stream};

/// Descriptors for the standard streams of an exec; what is `None` is /dev/null.
#[derive(Debug, Default)]
pub struct Stdio3 {
    /// Descriptor 0.
    pub stdin: Option<OwnedFd>,
    /// Descriptor 1.
    pub stdout: Option<OwnedFd>,
    /// Descriptor 2.
    pub stderr: Option<OwnedFd>,
}

/// A process that runs in a container. Dropping this ends it and everything that it has started.
#[derive(Debug)]
pub struct Exec {
    connection: Connection,
    pid: i32,
    terminal: Option<OwnedFd>,
}

impl MonitorClient {
    /// Runs one more process in a container. One that gets a terminal gets no streams: the terminal
    /// is the container's, and its other side comes back.
    pub async fn exec(&self, request: ExecRequest, stdio: Stdio3) -> Result<Exec, ExecError> {
        let given = [
            (Stream::Stdin, stdio.stdin),
            (Stream::Stdout, stdio.stdout),
            (Stream::Stderr, stdio.stderr),
        ];
        let (streams, fds): (Vec<Stream>, Vec<OwnedFd>) = given
            .into_iter()
            .filter_map(|(stream, fd)| Some((stream, fd?)))
            .unzip();
        let connection = self.connect()?;
        let borrowed: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
        let call = Request::Exec(ExecCall { request, streams });
        connection.send(&call, &borrowed).await?;
        drop(fds);
        let mut message = connection.receive_message().await?;
        let terminal = message.fds.pop();
        if let Some(terminal) = &terminal {
            rustix::io::ioctl_fionbio(terminal, true)
                .map_err(|errno| connection.lost(errno.into()))?;
        }
        match message.body {
            Reply::ExecStarted { pid } => Ok(Exec {
                connection,
                pid,
                terminal,
            }),
            Reply::ExecFailed(failure) => Err(failure.into()),
            other => Err(unexpected(other).into()),
        }
    }
}

impl Exec {
    /// Its pid on the host.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The master of its terminal, which does not block: to read, to write, and to be resized. To
    /// close it hangs the process up. `None` without a terminal, or when it was taken before.
    pub fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.terminal.take()
    }

    /// Waits for its end: its code, or 128 + n when signal n killed it. May be cancelled and called
    /// again.
    pub async fn wait(&mut self) -> Result<i32, MonitorError> {
        match self.connection.receive().await? {
            Reply::ExecExited { code } => Ok(code),
            other => Err(unexpected(other)),
        }
    }
}
