//! What a client wants to be tied to. The URL of each try is another one: it is good for one
//! connection.

use crate::cri::{Runtime, RuntimeError, StreamSet};
use crate::model::{ContainerId, SandboxId};

/// What a client wants to be tied to.
#[derive(Clone, Debug)]
pub(super) enum Aim {
    /// A command, once somebody connects.
    Exec {
        container: ContainerId,
        command: Vec<String>,
        streams: StreamSet,
    },
    /// A container's own process.
    Attach {
        container: ContainerId,
        streams: StreamSet,
    },
    /// Ports of a sandbox.
    PortForward { sandbox: SandboxId, ports: Vec<i32> },
}

impl Aim {
    /// Where the runtime waits for one connection.
    pub(super) async fn url(&self, runtime: &dyn Runtime) -> Result<String, RuntimeError> {
        match self.clone() {
            Self::Exec {
                container,
                command,
                streams,
            } => runtime.exec_url(container, command, streams).await,
            Self::Attach { container, streams } => runtime.attach_url(container, streams).await,
            Self::PortForward { sandbox, ports } => runtime.port_forward_url(sandbox, ports).await,
        }
    }

    /// The streams of a process; ports have none that are known beforehand.
    pub(super) fn streams(&self) -> Option<StreamSet> {
        match self {
            Self::Exec { streams, .. } | Self::Attach { streams, .. } => Some(*streams),
            Self::PortForward { .. } => None,
        }
    }
}
