//! The descriptors that a monitor watches.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::log::Lines;
use super::protocol::Stream;
use crate::model::ContainerId;

/// A descriptor that is watched.
#[derive(Debug)]
pub(super) enum Source {
    /// Children have ended, or the monitor is to leave.
    Signals(OwnedFd),
    /// A client connects.
    Listener(OwnedFd),
    /// A client says something, or has left.
    Connection {
        /// To it.
        socket: OwnedFd,
        /// What it is for.
        role: Role,
    },
    /// A container prints.
    Output {
        /// A pipe, or the master of its terminal.
        pipe: OwnedFd,
        /// Which container.
        container: ContainerId,
        /// Which of its streams; a terminal counts as stdout.
        stream: Stream,
        /// What it prints, as lines of its log.
        lines: Lines,
    },
    /// podling-launch is done.
    LaunchReport {
        /// To it.
        socket: OwnedFd,
        /// The container that it makes.
        container: ContainerId,
    },
    /// A process was executed in a container, or not.
    ExecReport {
        /// To the helper and to the process.
        socket: OwnedFd,
        /// Which exec.
        exec: u64,
    },
}

/// What becomes of a source that was handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is watched on.
    Stays,
    /// It is closed.
    Ends,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Its request has not come.
    Fresh,
    /// It waits for an answer.
    Waiting,
    /// It waits for the end of a process, and closing it kills that.
    Exec,
    /// It gets what a container prints.
    Attachment,
    /// It gets every event.
    Subscriber,
}

impl Source {
    /// What is watched.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Signals(fd) | Self::Listener(fd) => fd.as_fd(),
            Self::Output { pipe, .. } => pipe.as_fd(),
            Self::Connection { socket, .. }
            | Self::LaunchReport { socket, .. }
            | Self::ExecReport { socket, .. } => socket.as_fd(),
        }
    }
}
