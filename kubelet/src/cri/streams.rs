//! Streams into pods: where the runtime waits for who wants to exec, attach or forward a port.

use super::Call;
use crate::model::{ContainerId, SandboxId};

/// Which streams of a process are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamSet {
    /// Its input.
    pub stdin: bool,
    /// Its output.
    pub stdout: bool,
    /// Its errors; a terminal has none of its own.
    pub stderr: bool,
    /// As a terminal.
    pub tty: bool,
}

/// Streams: each answer is a URL that is good for one connection.
pub trait Streams: Send + Sync {
    /// Runs a command once somebody connects.
    fn exec_url(
        &self,
        id: ContainerId,
        command: Vec<String>,
        streams: StreamSet,
    ) -> Call<'_, String>;
    /// The container's own process.
    fn attach_url(&self, id: ContainerId, streams: StreamSet) -> Call<'_, String>;
    /// Ports of the sandbox; those that a WebSocket client wants are named beforehand.
    fn port_forward_url(&self, id: SandboxId, ports: Vec<i32>) -> Call<'_, String>;
}
