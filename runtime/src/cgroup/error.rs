//! Why something could not be done to a cgroup.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use super::CgroupPath;

/// Why something could not be done to a cgroup.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// The machine has none.
    #[error("no cgroup hierarchy is mounted")]
    NoHierarchies,
    /// Its directory could not be made.
    #[error("cannot create cgroup {path}")]
    Create {
        /// Which.
        path: CgroupPath,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Processes live in a parent, where v2 allows none.
    #[error("cannot enable controllers {controllers} below {directory}: processes are in it")]
    Occupied {
        /// The parent's directory.
        directory: PathBuf,
        /// What was to be enabled.
        controllers: String,
    },
    /// What systemd has delegated lacks controllers.
    #[error(
        "{directory} lacks the controllers {controllers}: systemd has not delegated them; \
         DisableControllers= of a slice above, or the kernel's command line, may say why"
    )]
    NotDelegated {
        /// The scope's directory.
        directory: PathBuf,
        /// What it lacks.
        controllers: String,
    },
    /// A process could not be moved.
    #[error("cannot move process {pid} into cgroup {path}")]
    House {
        /// Where to.
        path: CgroupPath,
        /// Which.
        pid: u32,
        /// Why.
        source: io::Error,
    },
    /// A limit was not accepted.
    #[error("cannot limit cgroup {path}")]
    Limit {
        /// Which.
        path: CgroupPath,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A file of the unified hierarchy was not accepted.
    #[error("cannot write {value:?} to {file}")]
    Key {
        /// The file.
        file: PathBuf,
        /// What was written.
        value: String,
        /// Why not.
        source: io::Error,
    },
    /// The device rules could not be put in force.
    #[error("cannot restrict the devices of cgroup {path}")]
    Devices {
        /// Which.
        path: CgroupPath,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Its processes could not be listed.
    #[error("cannot list the processes of cgroup {path}")]
    Members {
        /// Which.
        path: CgroupPath,
        /// Why.
        source: io::Error,
    },
    /// It is still there.
    #[error("cannot remove cgroup {path}")]
    Remove {
        /// Which.
        path: CgroupPath,
        /// Why.
        source: io::Error,
    },
}
