//! The daemon's side of a monitor: start one, ask it, listen to it.
//!
//! Every call opens a connection of its own, so a client is only a path: cloning is free, calls do
//! not wait for each other, and a client outlives a restart of the daemon.

mod attachment;
mod connection;
mod exec;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};

pub use self::attachment::{AttachStreams, Attachment};
use self::connection::{Connection, unexpected};
pub use self::exec::{Exec, Stdio3};
use super::error::{LaunchError, MonitorError};
use super::protocol::{
    LaunchRequest, Launched, MonitorEvent, MonitorState, PauseStarted, Reply, Request, SandboxSpec,
};
use crate::model::ContainerId;
use crate::sys::{lock, seqpacket};

/// Name of the lock file in a run directory.
pub(super) const LOCK: &str = "lock";
/// Name of the socket in a run directory.
pub(super) const SOCKET: &str = "monitor.sock";

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
    pub async fn spawn(
        run_dir: &Path,
        monitor: &Path,
        spec: &SandboxSpec,
    ) -> Result<(Self, PauseStarted), MonitorError> {
        Self::prepare(run_dir, monitor)?.begin(spec).await
    }

    /// Starts a monitor in `run_dir` (which exists) that does nothing yet.
    ///
    /// The monitor gets its end of a socket as stdin and the lock as stdout: it holds the lock from
    /// its first instruction on, and no descriptor has to be made inheritable in this process.
    pub fn prepare(run_dir: &Path, monitor: &Path) -> Result<Prepared, MonitorError> {
        let path = run_dir.join(LOCK);
        let lock = lock::acquire(&path).map_err(|source| MonitorError::Lock { path, source })?;
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
        let connection = Connection::over(run_dir, ours)?;
        Ok(Prepared {
            client: Self::open(run_dir),
            connection,
            child,
        })
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
        Connection::over(&self.run_dir, socket)
    }
}

/// A monitor that waits to be told what to do. It ends when this is dropped before.
#[derive(Debug)]
pub struct Prepared {
    client: MonitorClient,
    connection: Connection,
    child: Child,
}

impl Prepared {
    /// Its process; `None` when that has ended already.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Tells it, and waits until its pause runs.
    pub async fn begin(
        self,
        spec: &SandboxSpec,
    ) -> Result<(MonitorClient, PauseStarted), MonitorError> {
        let Self {
            client,
            connection,
            child,
        } = self;
        connection.send(spec, &[]).await?;
        let started = match connection.receive().await? {
            Reply::Started(started) => started,
            other => return Err(unexpected(other)),
        };
        // Whoever drops a child leaves it to tokio's reaper, which is what a daemon wants here.
        drop(child);
        Ok((client, started))
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
