//! Runtime handlers: who makes the containers of a pod, by the name that a RuntimeClass gives.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An OCI runtime on this machine that makes containers in place of podling's own launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OciRuntime {
    /// The handler's name.
    pub name: String,
    /// The program, by its absolute path: it has the command line of runc.
    pub program: PathBuf,
    /// How many seconds it may take for each of its commands.
    pub time_limit: u32,
}

impl OciRuntime {
    /// How long it may take for each of its commands.
    pub fn time_limit(&self) -> Duration {
        Duration::from_secs(self.time_limit.into())
    }
}

/// What a handler can do for its pods beyond what every handler can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandlerFeatures {
    /// Mounts that are read-only with everything mounted below them.
    pub recursive_read_only: bool,
    /// User namespaces.
    pub user_namespaces: bool,
}
