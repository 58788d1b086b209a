//! A person's terminal, or pipe, at one end, and a process in a container at the other.
//!
//! ```text
//! stdin ──thread──► channel 0 ─┐             ┌─ 1 ► stdout
//! SIGWINCH ───────► channel 4 ─┼─ WebSocket ─┼─ 2 ► stderr
//!                              │     v5      └─ 3 ► how it ended
//! ```

mod ending;
mod input;
mod terminal;
pub(crate) mod transfer;

use std::io::{self, Write};
use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};

pub(crate) use ending::Ending;
use input::Input;
pub(crate) use terminal::{RawMode, is_terminal};

use crate::kubelet::websocket::{Message, Receiver, Sender};

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ENDING: u8 = 3;
const RESIZE: u8 = 4;

/// The protocol that has these channels.
pub(crate) const PROTOCOL: &str = "v5.channel.k8s.io";

/// What is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// Standard input.
    pub(crate) stdin: bool,
    /// The terminal: raw, with its size.
    pub(crate) tty: bool,
}

/// What happened next.
enum Next {
    Came(Option<Message>),
    Typed(Option<Vec<u8>>),
    Resized,
}

/// Passes everything on until the process has ended, and says how.
pub(crate) async fn run(
    (mut sender, mut receiver): (Sender, Receiver),
    wishes: Wishes,
) -> io::Result<Ending> {
    // Put back when this returns; a process that is killed leaves its terminal as any does.
    let _raw = wishes.tty.then(RawMode::begin).transpose()?;
    let mut resizes = signal(SignalKind::window_change())?;
    let mut input = wishes.stdin.then(Input::begin);
    if wishes.tty {
        tell_size(&mut sender).await?;
    }
    let mut ending = None;
    loop {
        match next(&mut receiver, input.as_mut(), &mut resizes).await? {
            Next::Came(None) => return Ok(ending.unwrap_or(Ending::Unknown)),
            Next::Came(Some(Message::Ping(bytes))) => sender.pong(&bytes).await?,
            Next::Came(Some(Message::Data(ENDING, bytes))) => ending = Some(Ending::read(&bytes)),
            Next::Came(Some(Message::Data(channel, bytes))) => write(channel, &bytes)?,
            Next::Typed(Some(bytes)) => send(&mut sender, &bytes).await,
            Next::Typed(None) => {
                input = None;
                // A process that has ended needs no end of its input.
                let _ = sender.finish(STDIN).await;
            }
            Next::Resized if wishes.tty => tell_size(&mut sender).await?,
            Next::Resized => {}
        }
    }
}

/// Whatever comes first; each source keeps what was not taken from it.
async fn next(
    receiver: &mut Receiver,
    input: Option<&mut Input>,
    resizes: &mut Signal,
) -> io::Result<Next> {
    let typed = async {
        match input {
            Some(input) => input.next().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        came = receiver.next() => came.map(Next::Came),
        typed = typed => Ok(Next::Typed(typed)),
        _ = resizes.recv() => Ok(Next::Resized),
    }
}

/// A process that has ended takes no more; what it has said is still to be read.
async fn send(sender: &mut Sender, bytes: &[u8]) {
    let _ = sender.send(STDIN, bytes).await;
}

async fn tell_size(sender: &mut Sender) -> io::Result<()> {
    let Some((width, height)) = terminal::size() else {
        return Ok(());
    };
    let size = format!("{{\"Width\":{width},\"Height\":{height}}}");
    sender.send(RESIZE, size.as_bytes()).await
}

/// Writes through; a reader that has gone ends the command quietly.
fn write(channel: u8, bytes: &[u8]) -> io::Result<()> {
    let written = match channel {
        STDOUT => {
            let mut stdout = io::stdout().lock();
            stdout.write_all(bytes).and_then(|()| stdout.flush())
        }
        STDERR => io::stderr().write_all(bytes),
        _ => Ok(()),
    };
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => other,
    }
}

impl Ending {
    /// What this process comes to: the other's code, told as kubectl does.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Success => ExitCode::SUCCESS,
            Self::Code(code) => {
                eprintln!("command terminated with exit code {code}");
                u8::try_from(*code).map_or(ExitCode::FAILURE, ExitCode::from)
            }
            Self::Failure(message) => {
                eprintln!("podling: {message}");
                ExitCode::FAILURE
            }
            Self::Unknown => {
                eprintln!("podling: the stream ended, and nobody said how the process did");
                ExitCode::FAILURE
            }
        }
    }
}
