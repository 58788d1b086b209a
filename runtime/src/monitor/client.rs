//! The daemon's side of a monitor: start one, ask it, listen to it.
//!
//! Every call opens a connection of its own, so a client is only a path: cloning is free, calls do
//! not wait for each other, and a client outlives a restart of the daemon.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::process::Command;

use super::error::{ExecError, LaunchError, MonitorError};
use super::protocol::{
    ExecCall, ExecRequest, LaunchRequest, Launched, MonitorEvent, MonitorState, PauseStarted,
    Reply, Request, SandboxSpec, Stream,
};
use super::wire;
use crate::model::ContainerId;
use crate::sys::{lock, seqpacket};

/// Name of the lock file in a run directory.
pub(super) const LOCK: &str = "lock";
/// Name of the socket in a run directory.
pub(super) const SOCKET: &str = "monitor.sock";

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

/// Talks to the monitor of one sandbox.
#[derive(Clone, Debug)]
pub struct MonitorClient {
    run_dir: PathBuf,
}

/// Whether the monitor of `run_dir` lives.
pub fn is_alive(run_dir: &Path) -> io::Result<bool> {
    lock::is_held(&run_dir.join(LOCK))
}

impl MonitorClient {
    /// Starts a monitor in `run_dir` (which exists) and waits until its pause runs.
    ///
    /// The monitor gets its end of a socket as stdin and the lock as stdout: it holds the lock from
    /// its first instruction on, and no descriptor has to be made inheritable in this process.
    pub async fn spawn(
        run_dir: &Path,
        monitor: &Path,
        spec: &SandboxSpec,
    ) -> Result<(Self, PauseStarted), MonitorError> {
        let path = run_dir.join(LOCK);
        let lock = lock::acquire(&path).map_err(|source| MonitorError::Lock { path, source })?;
        let client = Self::open(run_dir);
        let spawned = |source| MonitorError::Spawn {
            path: monitor.to_owned(),
            source,
        };
        let (ours, theirs) = seqpacket::pair().map_err(spawned)?;
        let child = Command::new(monitor)
            .env_clear()
            .current_dir(run_dir)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::from(lock))
            .spawn()
            .map_err(spawned)?;
        rustix::io::ioctl_fionbio(&ours, true).map_err(|errno| spawned(errno.into()))?;
        let connection = client.connection(ours)?;
        connection.send(spec, &[]).await?;
        let started = match connection.receive().await? {
            Reply::Started(started) => started,
            other => return Err(unexpected(other)),
        };
        // Whoever drops a child leaves it to tokio's reaper, which is what a daemon wants here.
        drop(child);
        Ok((client, started))
    }

    /// A client for the monitor of `run_dir`; nothing is connected yet.
    pub fn open(run_dir: &Path) -> Self {
        Self {
            run_dir: run_dir.to_owned(),
        }
    }

    /// What runs and what has ended.
    pub async fn state(&self) -> Result<MonitorState, MonitorError> {
        match self.call(&Request::State).await? {
            Reply::State(state) => Ok(state),
            other => Err(unexpected(other)),
        }
    }

    /// Creates and starts a container; its program has been executed when this returns.
    pub async fn launch(&self, request: LaunchRequest) -> Result<Launched, LaunchError> {
        match self.call(&Request::Launch(request)).await? {
            Reply::Launched(launched) => Ok(launched),
            Reply::LaunchFailed(failure) => Err(LaunchError::Failed(failure)),
            other => Err(unexpected(other).into()),
        }
    }

    /// Sends a signal to a container's first process.
    pub async fn signal(&self, id: &ContainerId, signal: i32) -> Result<(), MonitorError> {
        self.done(&Request::Signal {
            container_id: id.clone(),
            signal,
        })
        .await
    }

    /// Kills everything that runs in a container.
    pub async fn kill(&self, id: &ContainerId) -> Result<(), MonitorError> {
        self.done(&Request::Kill {
            container_id: id.clone(),
        })
        .await
    }

    /// Opens a container's log file anew; on an error the old one stays in use.
    pub async fn reopen_log(&self, id: &ContainerId) -> Result<(), MonitorError> {
        self.done(&Request::ReopenLog {
            container_id: id.clone(),
        })
        .await
    }

    /// Forgets an ended container, its record on disk included.
    pub async fn forget(&self, id: &ContainerId) -> Result<(), MonitorError> {
        self.done(&Request::Forget {
            container_id: id.clone(),
        })
        .await
    }

    /// Kills everything and waits until the monitor is gone.
    pub async fn shutdown(&self) -> Result<(), MonitorError> {
        let connection = self.connect()?;
        connection.send(&Request::Shutdown, &[]).await?;
        match connection.receive().await? {
            Reply::Done => connection.closed().await,
            other => Err(unexpected(other)),
        }
    }

    /// Runs one more process in a container.
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
        match connection.receive().await? {
            Reply::ExecStarted { pid } => Ok(Exec { connection, pid }),
            Reply::ExecFailed(failure) => Err(failure.into()),
            other => Err(unexpected(other).into()),
        }
    }

    /// Hears every event from now on.
    pub async fn subscribe(&self) -> Result<Events, MonitorError> {
        let connection = self.connect()?;
        connection.send(&Request::Subscribe, &[]).await?;
        match connection.receive().await? {
            Reply::Done => Ok(Events { connection }),
            other => Err(unexpected(other)),
        }
    }

    async fn call(&self, request: &Request) -> Result<Reply, MonitorError> {
        let connection = self.connect()?;
        connection.send(request, &[]).await?;
        connection.receive().await
    }

    async fn done(&self, request: &Request) -> Result<(), MonitorError> {
        match self.call(request).await? {
            Reply::Done => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    fn connect(&self) -> Result<Connection, MonitorError> {
        let socket =
            seqpacket::connect(&self.run_dir, SOCKET).map_err(|source| MonitorError::Connect {
                run_dir: self.run_dir.clone(),
                source,
            })?;
        self.connection(socket)
    }

    fn connection(&self, socket: OwnedFd) -> Result<Connection, MonitorError> {
        let lost = |source| MonitorError::Lost {
            run_dir: self.run_dir.clone(),
            source,
        };
        Ok(Connection {
            run_dir: self.run_dir.clone(),
            socket: UnixStream::from_std(socket.into()).map_err(lost)?,
        })
    }
}

/// A process that runs in a container; dropping this kills it.
#[derive(Debug)]
pub struct Exec {
    connection: Connection,
    pid: i32,
}

impl Exec {
    /// Its pid on the host.
    pub fn pid(&self) -> i32 {
        self.pid
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

/// The events of one monitor.
#[derive(Debug)]
pub struct Events {
    connection: Connection,
}

impl Events {
    /// The next event; `None` when the monitor is gone, or has cut this subscriber because it was
    /// too slow (then the monitor still answers `state`). May be cancelled and called again.
    pub async fn next(&mut self) -> Option<MonitorEvent> {
        match self.connection.receive().await {
            Ok(Reply::Event(event)) => Some(event),
            Ok(_) | Err(_) => None,
        }
    }
}

#[derive(Debug)]
struct Connection {
    run_dir: PathBuf,
    /// SEQPACKET in truth: tokio only watches it, `wire` reads and writes.
    socket: UnixStream,
}

impl Connection {
    async fn send<T: serde::Serialize>(
        &self,
        body: &T,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), MonitorError> {
        self.socket
            .async_io(Interest::WRITABLE, || {
                wire::send(self.socket.as_fd(), body, fds)
            })
            .await
            .map_err(|source| self.lost(source))
    }

    async fn receive(&self) -> Result<Reply, MonitorError> {
        let received = self
            .socket
            .async_io(Interest::READABLE, || wire::receive(self.socket.as_fd()))
            .await;
        match received {
            Ok(Some(message)) => Ok(message.body),
            Ok(None) => Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
            Err(source) => Err(self.lost(source)),
        }
    }

    /// Waits until the other side has closed.
    async fn closed(&self) -> Result<(), MonitorError> {
        match self.receive().await {
            Ok(other) => Err(unexpected(other)),
            Err(_) => Ok(()),
        }
    }

    fn lost(&self, source: io::Error) -> MonitorError {
        MonitorError::Lost {
            run_dir: self.run_dir.clone(),
            source,
        }
    }
}

fn unexpected(reply: Reply) -> MonitorError {
    match reply {
        Reply::NoContainer { message } => MonitorError::NoContainer(message),
        Reply::Failed { message } => MonitorError::Failed(message),
        other => MonitorError::Failed(format!(
            "the monitor gave an answer that does not fit: {other:?}"
        )),
    }
}
