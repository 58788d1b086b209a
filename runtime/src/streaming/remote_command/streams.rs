//! The streams of one command, told apart.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::version::Version;
use crate::streaming::sessions::Wanted;
use crate::streaming::spdy::Opened;
use crate::streaming::stream::{Incoming, Outgoing};

/// How many channels a command has over a WebSocket.
pub(in crate::streaming) const CHANNELS: u8 = 5;

/// The streams of one command.
#[derive(Debug)]
pub(in crate::streaming) struct Streams {
    /// Tells how it ended.
    pub(super) error: Outgoing,
    /// What the client types.
    pub(super) stdin: Option<Incoming>,
    /// What the command says.
    pub(super) stdout: Option<Outgoing>,
    /// What it complains of.
    pub(super) stderr: Option<Outgoing>,
    /// Sizes of the client's terminal.
    pub(super) resize: Option<Incoming>,
}

/// The streams that a client opens one by one. `None` when it leaves, or is too slow.
pub(in crate::streaming) async fn from_opened(
    mut opened: mpsc::Receiver<Opened>,
    wanted: Wanted,
    version: Version,
    limit: Duration,
) -> Option<Streams> {
    let mut collected = Collected::default();
    let complete = async {
        while !collected.is_complete(wanted, version) {
            collected.take(opened.recv().await?);
        }
        Some(())
    };
    timeout(limit, complete).await.ok()??;
    Some(Streams {
        error: collected.error?,
        stdin: collected.stdin,
        stdout: collected.stdout,
        stderr: collected.stderr,
        resize: collected.resize,
    })
}

#[derive(Default)]
struct Collected {
    error: Option<Outgoing>,
    stdin: Option<Incoming>,
    stdout: Option<Outgoing>,
    stderr: Option<Outgoing>,
    resize: Option<Incoming>,
}

impl Collected {
    /// Of a type that comes twice the last counts; one that is none is left alone.
    fn take(&mut self, opened: Opened) {
        match opened.headers.get("streamtype") {
            Some("error") => self.error = Some(opened.outgoing),
            Some("stdin") => self.stdin = Some(opened.incoming),
            Some("stdout") => self.stdout = Some(opened.outgoing),
            Some("stderr") => self.stderr = Some(opened.outgoing),
            Some("resize") => self.resize = Some(opened.incoming),
            _ => {}
        }
    }

    fn is_complete(&self, wanted: Wanted, version: Version) -> bool {
        let wants_resize = wanted.tty && version.has_resize();
        self.error.is_some()
            && (!wanted.stdin || self.stdin.is_some())
            && (!wanted.stdout || self.stdout.is_some())
            && (!wanted.stderr || self.stderr.is_some())
            && (!wants_resize || self.resize.is_some())
    }
}

/// The streams that the channels of a WebSocket are. `None` when there are too few.
pub(in crate::streaming) async fn from_channels(
    channels: Vec<(Incoming, Outgoing)>,
    wanted: Wanted,
) -> Option<Streams> {
    let mut channels = channels.into_iter();
    let (stdin, _) = channels.next()?;
    let (_, stdout) = channels.next()?;
    let (_, stderr) = channels.next()?;
    let (_, error) = channels.next()?;
    let (resize, _) = channels.next()?;
    let mut streams = Streams {
        error,
        stdin: Some(stdin).filter(|_| wanted.stdin),
        stdout: Some(stdout).filter(|_| wanted.stdout),
        stderr: Some(stderr).filter(|_| wanted.stderr),
        resize: Some(resize).filter(|_| wanted.tty),
    };
    // Clients take an empty message as the sign that everything is there.
    let first = match (&mut streams.stdout, &mut streams.stderr) {
        (Some(stdout), _) => stdout,
        (None, Some(stderr)) => stderr,
        (None, None) => &mut streams.error,
    };
    first.greet().await.ok()?;
    Some(streams)
}
