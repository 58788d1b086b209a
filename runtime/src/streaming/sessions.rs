//! What the streaming server needs of the runtime: a role, in words of its own.

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::metrics::{SessionKind, Underway};

/// What a client was promised, kept behind a token until it connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Run a command in a container.
    Exec(ExecCall),
    /// Join the streams of a container's first process.
    Attach(AttachCall),
    /// Reach ports of a pod.
    PortForward(PortForwardCall),
}

/// A command to be run in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecCall {
    /// Which container.
    pub container: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Which streams.
    pub wanted: Wanted,
}

/// A container's first process to be joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachCall {
    /// Which container.
    pub container: String,
    /// Which streams.
    pub wanted: Wanted,
}

/// Ports of a pod to be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortForwardCall {
    /// Which sandbox.
    pub sandbox: String,
    /// The ports, where they are known before; otherwise the client names them as it goes.
    pub ports: Vec<u16>,
}

/// The streams that a client asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Standard input.
    pub stdin: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
    /// A terminal in place of pipes.
    pub tty: bool,
}

/// Rows and columns of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// Bytes that come.
pub type Source = Box<dyn AsyncRead + Send + Unpin>;
/// Bytes that go.
pub type Sink = Box<dyn AsyncWrite + Send + Unpin>;

/// A running process and its streams. Dropping `ended` leaves it: a process that was started for its
/// client ends then.
pub struct Process {
    /// Its standard input; dropped at the client's end of it.
    pub stdin: Option<Sink>,
    /// Its standard output, or what its terminal shows.
    pub stdout: Option<Source>,
    /// Its standard error.
    pub stderr: Option<Source>,
    /// Changes the size of its terminal.
    pub resize: Option<Box<dyn Fn(TerminalSize) + Send>>,
    /// Its exit code; zero of one that was only joined.
    pub ended: BoxFuture<'static, Result<i32, SessionError>>,
}

/// Both directions of a connection.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A pod whose ports can be reached.
pub trait Ports: Send + Sync {
    /// Connects to a port on the pod's loopback.
    fn connect(&self, port: u16) -> BoxFuture<'_, Result<Box<dyn Duplex>, SessionError>>;
    /// Waits for the pod's end.
    fn ended(&self) -> BoxFuture<'_, ()>;
}

/// Why something could not be begun, as a whole sentence: it goes to the client as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SessionError(pub String);

/// What clients stream with.
pub trait Sessions: Send + Sync {
    /// Runs a command.
    fn exec(&self, call: ExecCall) -> BoxFuture<'_, Result<Process, SessionError>>;
    /// Joins a container's first process.
    fn attach(&self, call: AttachCall) -> BoxFuture<'_, Result<Process, SessionError>>;
    /// The pod whose ports are to be reached.
    fn ports(&self, sandbox: &str) -> Result<Box<dyn Ports>, SessionError>;
    /// Counts a session for as long as the answer is there.
    fn underway(&self, _: SessionKind) -> Option<Underway> {
        None
    }
}
