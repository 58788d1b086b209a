//! What a client holds for a while: a process that it runs in a container, or its streams.

use serde::{Deserialize, Serialize};

use crate::model::ContainerId;
use crate::model::process::ProcessSpec;

/// A process to be run in a running container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecRequest {
    /// Which container.
    pub container_id: ContainerId,
    /// The process, with its whole confinement.
    pub process: ProcessSpec,
    /// Whether it gets a terminal; then no streams are passed.
    pub tty: bool,
}

/// An `ExecRequest` and what the descriptors beside it are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecCall {
    /// The request.
    pub request: ExecRequest,
    /// The streams passed, in the order of the descriptors; the others are /dev/null.
    pub streams: Vec<Stream>,
}

/// A standard stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// Descriptor 0.
    Stdin,
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

/// Why a process could not be run in a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ExecFailure {
    /// What went wrong, for people.
    pub message: String,
    /// 127: no such program; 126: cannot be executed; 128: anything else.
    pub code: i32,
}

/// Connect to the streams of a running container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachCall {
    /// Which container.
    pub container_id: ContainerId,
    /// Whether stdin is wanted, or a way to set the terminal's size.
    pub stdin: bool,
    /// The outputs wanted, in the order of the descriptors: pipes, which the monitor writes to.
    pub outputs: Vec<Stream>,
}

/// Why a client is not attached any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Detached {
    /// The container has ended; all of its output was delivered.
    ContainerEnded,
    /// The client did not read fast enough: the container does not wait for it.
    TooSlow,
}
