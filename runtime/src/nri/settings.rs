//! What the interface is told at start.

use std::path::PathBuf;
use std::time::Duration;

/// How long a plugin may take to register, unless something else is said.
pub const REGISTRATION_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a plugin may take over one request, unless something else is said.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// Which plugins there can be, and how long they may take.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where plugins connect; `None` when none can.
    pub socket: Option<Socket>,
    /// Where plugins lie that are started with the runtime.
    pub plugin_dir: PathBuf,
    /// Where their configurations lie.
    pub config_dir: PathBuf,
    /// How long a plugin may take to register.
    pub registration_timeout: Duration,
    /// How long a plugin may take over one request.
    pub request_timeout: Duration,
}

/// The socket that plugins connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Socket {
    /// The usual one: without it the runtime goes on.
    Usual(PathBuf),
    /// One that somebody has asked for: without it the runtime does not start.
    Asked(PathBuf),
}
