//! One container, as its monitor knows it.
//!
//! ```text
//! Launching ──► Running ──► Draining ──► Exited
//!     └► (gone: nothing runs, the failure was answered)
//! ```
//!
//! Draining: the process has ended, but its pipes may hold output, or be held open by something
//! that it started. The exit is announced when they have ended, or after `DRAIN`.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::log::LogFile;
use super::protocol::{ContainerReport, ContainerStatus, ExitRecord};
use crate::model::ContainerId;
use crate::sys::process::Child;
use crate::sys::subgroup::Subgroup;
use crate::sys::terminal::Terminal;

/// How long a launch may take.
pub(super) const LAUNCH: Duration = Duration::from_secs(60);
/// How long pipes are read after the process has ended.
pub(super) const DRAIN: Duration = Duration::from_secs(2);
/// How soon a record that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// One container.
#[derive(Debug)]
pub(super) struct Container {
    /// Which one.
    pub(super) id: ContainerId,
    /// Its bundle.
    pub(super) bundle: PathBuf,
    /// Its cgroup directories.
    pub(super) cgroup_dirs: Vec<PathBuf>,
    /// Its log.
    pub(super) log: LogFile,
    /// Output streams that have not ended.
    pub(super) open_streams: usize,
    /// How its stdin is reached.
    pub(super) input: Input,
    /// Its terminal. Both sides are held while it runs: reading a terminal whose slave nobody has
    /// open fails, and a container may close it and open it again.
    pub(super) terminal: Option<Terminal>,
    /// What an OCI runtime keeps of it, while a failed launch may leave it behind.
    pub(super) oci_state: Option<PathBuf>,
    /// Cgroups of ended execs that have left something running.
    pub(super) subgroups: Vec<Subgroup>,
    /// How far it is.
    pub(super) phase: Phase,
}

/// How a container's stdin is reached.
#[derive(Debug)]
pub(super) enum Input {
    /// Not at all: it is /dev/null, or was closed.
    Closed,
    /// Through this pipe, which stays open whoever comes and goes.
    Pipe(OwnedFd),
    /// Through this pipe, which the first client gets and thereby ends.
    Once(OwnedFd),
    /// Through the terminal.
    Terminal,
}

/// How far a container is.
#[derive(Debug)]
pub(super) enum Phase {
    /// podling-launch is at work.
    Launching {
        /// It.
        helper: Child,
        /// When it is given up.
        deadline: Instant,
        /// The connection that asked.
        asked_by: u64,
        /// Where podling-launch and the OCI runtime work that it runs, if it does.
        group: Option<Subgroup>,
    },
    /// It runs.
    Running {
        /// Its first process.
        pid: i32,
        /// The same.
        pidfd: OwnedFd,
        /// Nanoseconds since the epoch.
        started_at: i64,
    },
    /// It has ended; its output has not.
    Draining {
        /// What will be announced.
        record: ExitRecord,
        /// When it is announced at the latest.
        deadline: Instant,
    },
    /// It has ended.
    Exited {
        /// What was announced.
        record: ExitRecord,
        /// When to try again to write the record, if it could not be written.
        retry: Option<Instant>,
    },
}

impl Phase {
    /// Takes the group of a launch out.
    pub(super) fn take_group(&mut self) -> Option<Subgroup> {
        match self {
            Self::Launching { group, .. } => group.take(),
            Self::Running { .. } | Self::Draining { .. } | Self::Exited { .. } => None,
        }
    }

    /// An exit that is announced; `saved` says whether its record is on disk.
    pub(super) fn exited(record: ExitRecord, saved: &std::io::Result<()>, now: Instant) -> Self {
        Self::Exited {
            record,
            retry: saved.is_err().then(|| now + RETRY),
        }
    }
}

impl Container {
    /// When something is to be done about it though nothing happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Launching { deadline, .. } | Phase::Draining { deadline, .. } => Some(*deadline),
            Phase::Exited { retry, .. } => *retry,
            Phase::Running { .. } => None,
        }
    }

    /// Whether it has not ended, or its end is not announced.
    pub(super) fn is_active(&self) -> bool {
        !matches!(self.phase, Phase::Exited { .. })
    }

    /// Lets go of what only a container that runs needs.
    pub(super) fn settle(&mut self) {
        self.log = LogFile::none();
        self.input = Input::Closed;
        self.terminal = None;
        self.subgroups = Vec::new();
        self.cgroup_dirs = Vec::new();
        self.bundle = PathBuf::new();
    }

    /// What clients are told.
    pub(super) fn report(&self) -> ContainerReport {
        let status = match &self.phase {
            Phase::Launching { .. } => ContainerStatus::Launching,
            Phase::Running {
                pid, started_at, ..
            } => ContainerStatus::Running {
                pid: *pid,
                started_at: *started_at,
            },
            // Until the exit is announced the container counts as running, so that nobody reads
            // its log before it is complete.
            Phase::Draining { record, .. } => ContainerStatus::Running {
                pid: record.pid,
                started_at: record.started_at,
            },
            Phase::Exited { record, .. } => ContainerStatus::Exited(record.clone()),
        };
        ContainerReport {
            id: self.id.clone(),
            status,
        }
    }
}
