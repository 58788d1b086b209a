//! One WebSocket connection: messages in, messages out, each on the channel of its first byte.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;

use podling_streams::websocket::{Decoder, Place, Received, put_close, put_message, put_pong};

use crate::streaming::connection::{Activity, Ended, Finishing, Peer};
use crate::streaming::stream::{self, CHUNK, Ends, Incoming, Message, OUTBOX, Outgoing};
use crate::streaming::window::{Keeping, Window};

/// The channel whose messages close another, in the fifth version of the channel protocol.
const CLOSE_CHANNEL: u8 = 255;
/// How much of a channel may wait for its reader.
const BUFFERED: u32 = 64 << 10;
/// Answers of the reader that may wait for the writer.
const ANSWERS: usize = 8;
const NORMAL: u16 = 1000;

/// How messages are assigned to streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::streaming) enum Layout {
    /// By their first byte.
    Channels,
    /// By their first byte; a client can close a channel.
    ClosableChannels,
    /// All belong to one.
    Tunnel,
}

/// Both halves of a session over `io`, and its first `channels` channels.
pub(in crate::streaming) fn open<I: AsyncRead + AsyncWrite>(
    io: I,
    peer: Peer,
    layout: Layout,
    channels: u8,
) -> (Reader<I>, Writer<I>, Vec<(Incoming, Outgoing)>) {
    let (read, write) = tokio::io::split(io);
    let (outbox, messages) = mpsc::channel(OUTBOX);
    let (answers, owed) = mpsc::channel(ANSWERS);
    let make = |channel: u8| {
        let window = Window::new(0, Keeping::Unknown);
        let (ends, incoming, outgoing) =
            stream::open(channel.into(), BUFFERED, window, outbox.clone());
        (ends, (incoming, outgoing))
    };
    let (channels, streams) = (0..channels).map(make).unzip();
    let reader = Reader {
        io: read,
        peer,
        layout,
        decoder: Decoder::new(),
        current: Current::Unknown,
        channels,
        answers,
        _outbox: outbox,
    };
    let writer = Writer {
        io: write,
        layout,
        buffer: BytesMut::new(),
        answers: owed,
        messages,
    };
    (reader, writer, streams)
}

/// Takes what the client sends to where it belongs.
#[derive(Debug)]
pub(in crate::streaming) struct Reader<I> {
    io: ReadHalf<I>,
    peer: Peer,
    layout: Layout,
    decoder: Decoder,
    current: Current,
    channels: Vec<Ends>,
    answers: mpsc::Sender<Bytes>,
    /// So that the writer's end comes when it is told to, and not with the last stream.
    _outbox: mpsc::Sender<Message>,
}

/// Where the message goes that is being received.
#[derive(Clone, Copy, Debug)]
enum Current {
    /// Its first byte has not come yet.
    Unknown,
    /// To a channel.
    Channel(u8),
    /// It names a channel that is closed.
    Closing,
}

impl<I: AsyncRead + AsyncWrite> Reader<I> {
    /// Reads until the client leaves or breaks the protocol.
    pub(in crate::streaming) async fn run(mut self, activity: &Activity) -> Ended {
        loop {
            match self.decoder.pull() {
                Ok(Some(received)) => {
                    if let Err(ended) = self.on_received(received).await {
                        return ended;
                    }
                    continue;
                }
                Ok(None) => {}
                Err(error) => return Ended::Broken(error.to_string()),
            }
            let buffer = self.decoder.buffer();
            buffer.reserve(CHUNK);
            match self.io.read_buf(buffer).await {
                Ok(0) | Err(_) => return Ended::Left,
                Ok(_) => activity.note(),
            }
        }
    }

    async fn on_received(&mut self, received: Received) -> Result<(), Ended> {
        match received {
            Received::Ping(payload) => {
                let sent = self.peer.unless_gone(self.answers.send(payload)).await?;
                sent.map_err(|_| Ended::Left)
            }
            Received::Pong => Ok(()),
            Received::Close => Err(Ended::Left),
            Received::Data { place, bytes } => {
                if place == Place::First {
                    self.current = match self.layout {
                        Layout::Tunnel => Current::Channel(0),
                        Layout::Channels | Layout::ClosableChannels => Current::Unknown,
                    };
                }
                self.on_data(&bytes).await
            }
        }
    }

    async fn on_data(&mut self, mut bytes: &[u8]) -> Result<(), Ended> {
        while let Some((first, rest)) = bytes.split_first() {
            match self.current {
                Current::Channel(channel) => return self.deliver(channel, bytes).await,
                Current::Closing => {
                    if let Some(ends) = self.channels.get_mut(usize::from(*first)) {
                        ends.pipe = None;
                    }
                }
                Current::Unknown => {
                    let closes = self.layout == Layout::ClosableChannels && *first == CLOSE_CHANNEL;
                    self.current = match closes {
                        true => Current::Closing,
                        false => Current::Channel(*first),
                    };
                }
            }
            bytes = rest;
        }
        Ok(())
    }

    /// Bytes for channels that are none, or that nobody reads, are dropped.
    async fn deliver(&mut self, channel: u8, bytes: &[u8]) -> Result<(), Ended> {
        let ends = self.channels.get_mut(usize::from(channel));
        if let Some(ends) = ends
            && let Some(pipe) = &mut ends.pipe
            && self.peer.unless_gone(pipe.write_all(bytes)).await?.is_err()
        {
            ends.pipe = None;
        }
        Ok(())
    }
}

/// Sends what the users of streams have to say.
#[derive(Debug)]
pub(in crate::streaming) struct Writer<I> {
    io: WriteHalf<I>,
    layout: Layout,
    buffer: BytesMut,
    answers: mpsc::Receiver<Bytes>,
    messages: mpsc::Receiver<Message>,
}

impl<I: AsyncRead + AsyncWrite> Writer<I> {
    /// Writes until the client does not take it any more. Once it is to finish and everything has
    /// been written, says good-bye and waits for the client to leave.
    pub(in crate::streaming) async fn run(
        mut self,
        finishing: &Finishing,
        activity: &Activity,
    ) -> Ended {
        loop {
            tokio::select! {
                biased;
                Some(payload) = self.answers.recv() => put_pong(&payload, &mut self.buffer),
                Some(message) = self.messages.recv() => self.put(&message),
                () = finishing.begun() => break,
            }
            if self.flush().await.is_err() {
                return Ended::Left;
            }
            activity.note();
        }
        put_close(NORMAL, &mut self.buffer);
        if self.flush().await.is_err() || self.io.shutdown().await.is_err() {
            return Ended::Left;
        }
        std::future::pending().await
    }

    /// Ends, aborts and credit have no form here: the whole connection ends when all is said.
    fn put(&mut self, message: &Message) {
        let Message::Data { stream, bytes } = message else {
            return;
        };
        match self.layout {
            Layout::Tunnel => put_message(&[], bytes, &mut self.buffer),
            Layout::Channels | Layout::ClosableChannels => {
                let channel = u8::try_from(*stream).expect("channels are opened by a byte");
                put_message(&[channel], bytes, &mut self.buffer);
            }
        }
    }

    async fn flush(&mut self) -> std::io::Result<()> {
        self.io.write_all(&self.buffer).await?;
        self.buffer.clear();
        self.io.flush().await
    }
}
