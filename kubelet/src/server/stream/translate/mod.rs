//! Between a client that speaks WebSocket and a runtime that speaks only SPDY.
//!
//! ```text
//! client ──WebSocket──► client.rs ──frames──► runtime
//!        ◄──messages── runtime.rs ◄──SPDY────
//! ```
//!
//! Two languages of clients are translated: the channels of which one can be closed, and SPDY in a
//! tunnel, which is only unwrapped. What either side says is understood by pure code; here bytes are
//! moved. Whoever does not read what he is sent is not read from.

mod client;
mod runtime;

#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tracing::debug;

use crate::cri::StreamSet;

/// How much is read at once.
const BATCH: usize = 32 << 10;
/// Batches that may wait for whoever is to read them.
const QUEUE: usize = 4;

/// The channels of a process in a client's messages: the first byte of each.
mod channel {
    pub(super) const STDIN: u8 = 0;
    pub(super) const STDOUT: u8 = 1;
    pub(super) const STDERR: u8 = 2;
    pub(super) const ERROR: u8 = 3;
    pub(super) const RESIZE: u8 = 4;
    /// Names another, on which nothing follows.
    pub(super) const CLOSE: u8 = 255;
}

/// The channels that a process has, and under which number SPDY knows each.
#[derive(Clone, Debug)]
struct Channels(Vec<(u8, u32)>);

impl Channels {
    /// Streams of a client have odd numbers.
    fn of(streams: StreamSet) -> Self {
        let wanted = [
            (channel::ERROR, true),
            (channel::STDIN, streams.stdin),
            (channel::STDOUT, streams.stdout),
            (channel::STDERR, streams.stderr),
            (channel::RESIZE, streams.tty),
        ];
        let channels = wanted.into_iter().filter(|(_, is_wanted)| *is_wanted);
        Self(
            channels
                .map(|(channel, _)| channel)
                .zip((1..).step_by(2))
                .collect(),
        )
    }

    fn id(&self, channel: u8) -> Option<u32> {
        let found = self.0.iter().find(|(known, _)| *known == channel);
        found.map(|(_, id)| *id)
    }
}

/// What is to be said because of what was heard.
#[derive(Debug, Default)]
struct Said {
    to_client: BytesMut,
    to_runtime: BytesMut,
    /// Whether nothing follows from whoever was heard.
    is_over: bool,
}

/// Understands one side.
trait Ear {
    /// Why it does not.
    type Nonsense: std::error::Error;
    /// Where bytes are appended that come from it.
    fn buffer(&mut self) -> &mut BytesMut;
    /// What they mean.
    fn hear(&mut self) -> Result<Said, Self::Nonsense>;
}

/// Words on their way to one side.
enum Word {
    Say(Bytes),
    HangUp,
}

/// Ways to both sides.
#[derive(Clone)]
struct Lines {
    client: mpsc::Sender<Word>,
    runtime: mpsc::Sender<Word>,
}

impl Lines {
    /// What a side does not want to hear any more is lost.
    async fn say(&self, said: Said) {
        for (line, bytes) in [
            (&self.client, said.to_client),
            (&self.runtime, said.to_runtime),
        ] {
            if !bytes.is_empty() {
                let _ = line.send(Word::Say(bytes.freeze())).await;
            }
        }
    }
}

/// Translates until either side has nothing more to say. `streams` are those of a process; without
/// them SPDY comes in a tunnel.
pub(super) async fn run<C, R>(client: C, runtime: R, streams: Option<StreamSet>)
where
    C: AsyncRead + AsyncWrite,
    R: AsyncRead + AsyncWrite,
{
    let (from_client, to_client) = tokio::io::split(client);
    let (from_runtime, to_runtime) = tokio::io::split(runtime);
    let (client_line, client_words) = mpsc::channel(QUEUE);
    let (runtime_line, runtime_words) = mpsc::channel(QUEUE);
    let lines = Lines {
        client: client_line,
        runtime: runtime_line,
    };
    let channels = streams.map(Channels::of);
    let mut client_ear = client::Client::new(channels.clone());
    let runtime_ear = runtime::Runtime::new(channels);
    lines.say(client_ear.begin()).await;
    let answering = async {
        let hearing = async {
            listen(from_runtime, runtime_ear, &lines).await;
            lines.say(runtime::good_bye()).await;
            let _ = lines.client.send(Word::HangUp).await;
        };
        tokio::join!(hearing, speak(to_client, client_words));
    };
    let commanding = async {
        speak(to_runtime, runtime_words).await;
        // A runtime that takes no more may still have something to say.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        // The client is gone: so is its process, with the runtime's connection.
        () = listen(from_client, client_ear, &lines) => {}
        // All has been said.
        () = answering => {}
        () = commanding => {}
    }
}

/// Hears a side out.
async fn listen(mut from: impl AsyncRead + Unpin, mut ear: impl Ear, lines: &Lines) {
    loop {
        ear.buffer().reserve(BATCH);
        match from.read_buf(ear.buffer()).await {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => return debug!(%error, "a stream broke off"),
        }
        let said = match ear.hear() {
            Ok(said) => said,
            Err(error) => return debug!(%error, "a stream is not understood"),
        };
        let is_over = said.is_over;
        lines.say(said).await;
        if is_over {
            return;
        }
    }
}

/// Says everything to a side, until it hangs up or is hung up on.
async fn speak(mut to: impl AsyncWrite + Unpin, mut words: mpsc::Receiver<Word>) {
    while let Some(Word::Say(bytes)) = words.recv().await {
        let said = async {
            to.write_all(&bytes).await?;
            to.flush().await
        };
        if let Err(error) = said.await {
            return debug!(%error, "a stream broke off");
        }
    }
    // Nobody is left to whom it would matter.
    let _ = to.shutdown().await;
}
