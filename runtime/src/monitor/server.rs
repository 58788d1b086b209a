//! The monitor's loop: one thread, one epoll set, nothing that waits anywhere else.
//!
//! ```text
//! epoll ─► Signals       children have ended: `endings`
//!          Listener      a new connection
//!          Connection    a request: `requests`; or its client has left
//!          Output        what a container prints: `outputs`, `attachments`
//!          LaunchReport  podling-launch is done: `launches`
//!          ExecReport    a process was executed, or not: `execs`
//! ```
//!
//! A source is taken out of the table while it is handled and put back if it stays: keys are never
//! used twice, so an event that comes late for something gone finds nothing.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use rustix::thread::ThreadNameSpaceType;

use super::attachments::Attachment;
use super::container::Container;
use super::execs::Exec;
use super::exits::ExitRecords;
use super::launch_group;
use super::protocol::{MonitorEvent, MonitorState, Reply};
use super::source::{Fate, Role, Source};
use super::wire;
use crate::model::ContainerId;
use crate::sys::epoll::{Epoll, EventFlags};
use crate::sys::process::{Child, Reaped};
use crate::sys::seqpacket;

/// How long a shutdown may take before the monitor leaves all the same.
pub(super) const SHUTDOWN: Duration = Duration::from_secs(10);

/// What a monitor needs from its surroundings.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// podling-launch, open.
    pub(super) launch: OwnedFd,
    /// A directory of the host's procfs.
    pub(super) host_proc: OwnedFd,
    /// The mount namespace that the monitor was started in.
    pub(super) host_mounts: OwnedFd,
    /// The namespaces that a container may have of its own.
    pub(super) namespaces: ThreadNameSpaceType,
    /// Where exit records go.
    pub(super) exits: ExitRecords,
    /// Where the socket is.
    pub(super) run_dir: PathBuf,
    /// The cgroup directories of the pod itself.
    pub(super) cgroup_dirs: Vec<PathBuf>,
}

/// The monitor of one sandbox.
#[derive(Debug)]
pub(super) struct Monitor {
    pub(super) surroundings: Surroundings,
    pub(super) epoll: Epoll,
    next_key: u64,
    pub(super) sources: BTreeMap<u64, Source>,
    pub(super) pause: Option<Child>,
    pub(super) containers: BTreeMap<ContainerId, Container>,
    /// By the key of the connection that asked.
    pub(super) execs: BTreeMap<u64, Exec>,
    /// How many there have been.
    pub(super) execs_begun: u64,
    /// By the key of the connection that asked.
    pub(super) attachments: BTreeMap<u64, Attachment>,
    /// What launches have left that are over.
    pub(super) launch_groups: Vec<launch_group::Ending>,
    /// Children that ended before anybody said what they are.
    pub(super) strays: Vec<Reaped>,
    pub(super) stopping: Option<Stopping>,
}

/// The monitor is asked to leave.
#[derive(Debug)]
pub(super) struct Stopping {
    pub(super) asked_by: Vec<u64>,
    pub(super) deadline: Instant,
}

impl Monitor {
    /// A monitor whose pause runs.
    pub(super) fn new(surroundings: Surroundings, pause: Child) -> io::Result<Self> {
        Ok(Self {
            surroundings,
            epoll: Epoll::new()?,
            next_key: 0,
            sources: BTreeMap::new(),
            pause: Some(pause),
            containers: BTreeMap::new(),
            execs: BTreeMap::new(),
            execs_begun: 0,
            attachments: BTreeMap::new(),
            launch_groups: Vec::new(),
            strays: Vec::new(),
            stopping: None,
        })
    }

    /// Serves until a shutdown is complete.
    pub(super) fn run(&mut self, signals: OwnedFd, listener: OwnedFd) -> io::Result<()> {
        self.watch(Source::Signals(signals))?;
        self.watch(Source::Listener(listener))?;
        while !self.is_done() {
            let timeout = self
                .next_deadline()
                .map(|at| at.saturating_duration_since(Instant::now()));
            for key in self.epoll.wait(timeout)? {
                self.on_ready(key);
            }
            self.on_deadlines(Instant::now());
        }
        self.leave();
        Ok(())
    }

    /// Adds a source and returns its key.
    pub(super) fn watch(&mut self, source: Source) -> io::Result<u64> {
        let key = self.next_key;
        self.next_key += 1;
        self.epoll.add(source.fd(), key, EventFlags::IN)?;
        self.sources.insert(key, source);
        Ok(key)
    }

    /// Handles what is ready behind `key`.
    pub(super) fn on_ready(&mut self, key: u64) {
        let mut source = match self.sources.remove(&key) {
            None => return,
            Some(Source::Connection {
                socket,
                role: Role::Fresh,
            }) => {
                return self.on_request(key, socket);
            }
            Some(source) => source,
        };
        let fate = match &mut source {
            Source::Signals(fd) => self.on_signals(fd.as_fd()),
            Source::Listener(fd) => self.on_connections(fd.as_fd()),
            Source::Connection { role, .. } => self.on_client_gone(key, *role),
            Source::Output {
                pipe,
                container,
                stream,
                lines,
            } => self.on_output(pipe.as_fd(), container, *stream, lines),
            Source::LaunchReport { socket, container } => {
                self.on_launch_report(socket.as_fd(), container)
            }
            Source::ExecReport { socket, exec } => self.on_exec_report(socket.as_fd(), *exec),
        };
        match fate {
            Fate::Stays => {
                self.sources.insert(key, source);
            }
            Fate::Ends => self.release(&source),
        }
    }

    /// Stops watching a source that is about to be closed.
    ///
    /// Closing alone is not enough: a process that was just forked has a copy until it executes,
    /// and as long the kernel would go on to report the source.
    pub(super) fn release(&self, source: &Source) {
        if let Err(error) = self.epoll.remove(source.fd()) {
            eprintln!("cannot stop watching a descriptor: {error}");
        }
    }

    /// Takes a source out and closes it.
    pub(super) fn close(&mut self, key: u64) {
        if let Some(source) = self.sources.remove(&key) {
            self.release(&source);
        }
    }

    /// Everything that clients may know.
    pub(super) fn state(&self) -> MonitorState {
        MonitorState {
            pause: self.pause.as_ref().map(|pause| pause.pid),
            containers: self.containers.values().map(Container::report).collect(),
        }
    }

    /// Says something to the connection `key`; whether it was still there to hear.
    ///
    /// A client that does not read gets nothing: there is nothing to wait for.
    pub(super) fn tell(&self, key: u64, reply: &Reply) -> bool {
        self.tell_with(key, reply, &[])
    }

    /// The same, with descriptors.
    pub(super) fn tell_with(&self, key: u64, reply: &Reply, fds: &[BorrowedFd<'_>]) -> bool {
        match self.sources.get(&key) {
            Some(Source::Connection { socket, .. }) => {
                wire::send(socket.as_fd(), reply, fds).is_ok()
            }
            _ => false,
        }
    }

    /// Answers the connection `key`, if its client still waits, and closes it.
    pub(super) fn answer(&mut self, key: u64, reply: &Reply) {
        self.tell(key, reply);
        self.close(key);
    }

    /// Tells every subscriber; one whose socket is full is cut off.
    pub(super) fn publish(&mut self, event: &MonitorEvent) {
        let reply = Reply::Event(event.clone());
        let is_subscriber = |source: &Source| {
            matches!(
                source,
                Source::Connection {
                    role: Role::Subscriber,
                    ..
                }
            )
        };
        let keys: Vec<u64> = self
            .sources
            .iter()
            .filter(|(_, source)| is_subscriber(source))
            .map(|(key, _)| *key)
            .collect();
        for key in keys {
            if !self.tell(key, &reply) {
                self.close(key);
            }
        }
    }

    fn on_connections(&mut self, listener: BorrowedFd<'_>) -> Fate {
        while let Ok(socket) = seqpacket::accept(listener) {
            if let Err(error) = self.watch(Source::Connection {
                socket,
                role: Role::Fresh,
            }) {
                eprintln!("cannot watch a connection: {error}");
            }
        }
        Fate::Stays
    }

    /// A client that has sent its request has nothing more to say: it has closed.
    fn on_client_gone(&mut self, key: u64, role: Role) -> Fate {
        match role {
            Role::Exec => self.on_exec_client_gone(key),
            Role::Attachment => drop(self.attachments.remove(&key)),
            Role::Fresh | Role::Waiting | Role::Subscriber => {}
        }
        Fate::Ends
    }

    fn next_deadline(&self) -> Option<Instant> {
        let stopping = self.stopping.as_ref().map(|stopping| stopping.deadline);
        self.containers
            .values()
            .filter_map(Container::deadline)
            .chain(self.execs.values().filter_map(Exec::deadline))
            .chain(self.launch_groups.iter().map(launch_group::Ending::due))
            .chain(stopping)
            .min()
    }

    fn is_done(&self) -> bool {
        let Some(stopping) = &self.stopping else {
            return false;
        };
        let runs = self.pause.is_some()
            || !self.execs.is_empty()
            || !self.launch_groups.is_empty()
            || self.containers.values().any(Container::is_active);
        !runs || stopping.deadline <= Instant::now()
    }

    fn leave(&mut self) {
        let _ = std::fs::remove_file(self.surroundings.run_dir.join(super::client::SOCKET));
        for key in self
            .stopping
            .take()
            .map(|stopping| stopping.asked_by)
            .unwrap_or_default()
        {
            self.answer(key, &Reply::Done);
        }
    }
}

/// Nanoseconds since the epoch.
pub(super) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
