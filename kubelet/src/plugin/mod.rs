//! Programs whose sockets are found in a directory: each is asked what it is, and shown to the door of
//! its kind.
//!
//! ```text
//! plugins_registry/NAME.sock ─► watcher ── Comes, Leaves ──► door of DevicePlugin
//!                                  │                    └──► door of CSIPlugin
//!                                  └─ tells the plugin whether it was let in
//! ```

mod watcher;
mod wire;

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::sync::{mpsc, oneshot};

pub(crate) use watcher::run;

/// A plugin, as it says what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Introduction {
    /// The resource or the driver.
    pub(crate) name: String,
    /// Where it serves.
    pub(crate) endpoint: PathBuf,
    /// The versions of its contract that it speaks.
    pub(crate) versions: Vec<String>,
    /// Where it was found.
    pub(crate) socket: PathBuf,
}

/// Why a plugin is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is of no use as it is.
    ForGood(String),
    /// It may be of use later.
    ForNow(String),
}

impl Refusal {
    fn why(&self) -> &str {
        match self {
            Self::ForGood(why) | Self::ForNow(why) => why,
        }
    }
}

/// What happens at a door.
#[derive(Debug)]
pub(crate) enum Knock {
    /// A plugin wants to be known, and is told whether it is.
    Comes(Introduction, oneshot::Sender<Result<(), Refusal>>),
    /// A socket is gone.
    Leaves(PathBuf),
}

/// Who has use for plugins, by their kind.
pub(crate) type Doors = BTreeMap<&'static str, mpsc::Sender<Knock>>;
