//! What can go wrong between the daemon and a monitor.

use std::io;
use std::path::PathBuf;

use super::protocol::{ExecFailure, LaunchFailure};

/// Why a monitor could not be started or did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// The lock could not be taken: another monitor lives, or the directory is unusable.
    #[error("cannot lock {path}")]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program could not be run.
    #[error("cannot run {path}")]
    Spawn {
        /// The program.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nobody listens.
    #[error("cannot reach the monitor in {run_dir}")]
    Connect {
        /// Its run directory.
        run_dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Sending or receiving failed.
    #[error("lost the monitor in {run_dir}")]
    Lost {
        /// Its run directory.
        run_dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It knows no such container.
    #[error("{0}")]
    NoContainer(String),
    /// It tried and failed.
    #[error("{0}")]
    Failed(String),
}

/// Why a container was not launched.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// It could not be started; nothing of it is left.
    #[error(transparent)]
    Failed(#[from] LaunchFailure),
    /// The monitor did not answer: whether the container runs is unknown until it does.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
}

/// Why a process was not run in a container.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// It could not be started.
    #[error(transparent)]
    Failed(#[from] ExecFailure),
    /// The monitor did not answer.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
}
