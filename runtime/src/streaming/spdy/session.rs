//! One SPDY connection: frames in, streams out.
//!
//! A reader and a writer, both in the task of whoever serves the connection. The reader never waits
//! for the writer's data, only for room for the answers that it owes: a client that does not read is
//! not read from.

use std::collections::HashMap;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;

use podling_streams::spdy::{
    Decoder, DeflatedHeaders, Frame, Headers, INITIAL_WINDOW, ResetStatus, Rest, encode,
};

use crate::streaming::connection::{Activity, Ended, Finishing, Peer};
use crate::streaming::stream::{self, Ends, Incoming, Message, OUTBOX, Outgoing};
use crate::streaming::window::{Keeping, Window};

/// Streams that a connection may have at once; two of them make one forwarded connection.
const STREAM_LIMIT: usize = 2048;
/// Answers of the reader that may wait for the writer.
const ANSWERS: usize = 32;
/// How much is read at once, and written at once if there is as much.
const BATCH: usize = 32 << 10;

/// A stream that the client has opened.
#[derive(Debug)]
pub(in crate::streaming) struct Opened {
    /// Its number.
    pub(in crate::streaming) id: u32,
    /// What it is for.
    pub(in crate::streaming) headers: Headers,
    /// What the client sends on it.
    pub(in crate::streaming) incoming: Incoming,
    /// What is sent to the client on it.
    pub(in crate::streaming) outgoing: Outgoing,
}

/// Both halves of a session over `io`, and the streams that its client opens.
pub(in crate::streaming) fn open<I: AsyncRead + AsyncWrite>(
    io: I,
    peer: Peer,
) -> (Reader<I>, Writer<I>, mpsc::Receiver<Opened>) {
    let (read, write) = tokio::io::split(io);
    let (outbox, messages) = mpsc::channel(OUTBOX);
    let (answers, owed) = mpsc::channel(ANSWERS);
    let (opened, streams) = mpsc::channel(1);
    let reader = Reader {
        io: read,
        peer,
        decoder: Decoder::new(),
        streams: HashMap::new(),
        last: 0,
        initial_window: INITIAL_WINDOW,
        keeping: Keeping::Unknown,
        opened: Some(opened),
        answers,
        outbox,
    };
    let writer = Writer {
        io: write,
        headers: DeflatedHeaders::default(),
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
    decoder: Decoder,
    streams: HashMap<u32, Ends>,
    /// The highest stream that was opened.
    last: u32,
    /// What the client grants to new streams.
    initial_window: u32,
    keeping: Keeping,
    /// `None` once the client has said that it opens no more.
    opened: Option<mpsc::Sender<Opened>>,
    answers: mpsc::Sender<Frame>,
    outbox: mpsc::Sender<Message>,
}

impl<I: AsyncRead + AsyncWrite> Reader<I> {
    /// Reads until the client leaves or breaks the protocol.
    pub(in crate::streaming) async fn run(mut self, activity: &Activity) -> Ended {
        loop {
            match self.decoder.pull() {
                Ok(Some(frame)) => {
                    if let Err(ended) = self.on_frame(frame).await {
                        return ended;
                    }
                    continue;
                }
                Ok(None) => {}
                Err(error) => return Ended::Broken(error.to_string()),
            }
            let buffer = self.decoder.buffer();
            buffer.reserve(BATCH);
            match self.io.read_buf(buffer).await {
                Ok(0) | Err(_) => return Ended::Left,
                Ok(_) => activity.note(),
            }
        }
    }

    async fn on_frame(&mut self, frame: Frame) -> Result<(), Ended> {
        match frame {
            Frame::SynStream { id, headers, rest } => self.on_opened(id, headers, rest).await,
            Frame::Data { id, bytes, rest } => self.on_data(id, &bytes, rest).await,
            Frame::Headers { id, rest } => self.on_data(id, &[], rest).await,
            Frame::RstStream { id, .. } => {
                if let Some(ends) = self.streams.remove(&id) {
                    ends.shared.reset();
                }
                Ok(())
            }
            Frame::WindowUpdate { id, delta } => self.on_credit(id, delta).await,
            Frame::Settings { initial_window } => {
                self.on_settings(initial_window);
                Ok(())
            }
            // Even ones would be answers to our own, and there are none.
            Frame::Ping { id } if id % 2 == 1 => self.answer(Frame::Ping { id }).await,
            Frame::GoAway { .. } => {
                self.opened = None;
                Ok(())
            }
            Frame::Ping { .. } | Frame::SynReply { .. } => Ok(()),
        }
    }

    async fn on_opened(&mut self, id: u32, headers: Headers, rest: Rest) -> Result<(), Ended> {
        if id.is_multiple_of(2) || id <= self.last {
            return self.refuse(id, ResetStatus::ProtocolError).await;
        }
        self.last = id;
        self.streams.retain(|_, ends| !ends.is_over());
        let opened = match &self.opened {
            Some(opened) if self.streams.len() < STREAM_LIMIT => opened.clone(),
            _ => return self.refuse(id, ResetStatus::RefusedStream).await,
        };
        // Waits until the user has taken the one before; without a user there is no stream.
        let permit = match self.peer.unless_gone(opened.reserve()).await? {
            Ok(permit) => permit,
            Err(_) => return self.refuse(id, ResetStatus::RefusedStream).await,
        };
        let window = Window::new(self.initial_window, self.keeping);
        let (mut ends, incoming, outgoing) =
            stream::open(id, INITIAL_WINDOW, window, self.outbox.clone());
        if rest == Rest::Ended {
            ends.pipe = None;
        }
        self.streams.insert(id, ends);
        // Before anything can be sent on the stream: a client drops data that comes before it.
        self.answer(Frame::SynReply { id }).await?;
        permit.send(Opened {
            id,
            headers,
            incoming,
            outgoing,
        });
        Ok(())
    }

    async fn on_data(&mut self, id: u32, bytes: &[u8], rest: Rest) -> Result<(), Ended> {
        let Some(ends) = self.streams.get_mut(&id) else {
            return match id > self.last {
                true => self.refuse(id, ResetStatus::InvalidStream).await,
                // It was closed while this was under way.
                false => Ok(()),
            };
        };
        if let Some(pipe) = &mut ends.pipe {
            let written = self.peer.unless_gone(pipe.write_all(bytes)).await?;
            if written.is_err() || rest == Rest::Ended {
                ends.pipe = None;
            }
        }
        Ok(())
    }

    async fn on_credit(&mut self, id: u32, delta: u32) -> Result<(), Ended> {
        self.keep_windows();
        let Some(ends) = self.streams.get(&id) else {
            return Ok(());
        };
        if ends
            .shared
            .change_window(|window| window.grow(delta))
            .is_ok()
        {
            return Ok(());
        }
        ends.shared.reset();
        self.streams.remove(&id);
        self.refuse(id, ResetStatus::FlowControlError).await
    }

    fn on_settings(&mut self, initial_window: Option<u32>) {
        let Some(after) = initial_window else { return };
        self.keep_windows();
        let before = std::mem::replace(&mut self.initial_window, after);
        for ends in self.streams.values() {
            ends.shared
                .change_window(|window| window.resettle(before, after));
        }
    }

    fn keep_windows(&mut self) {
        if self.keeping == Keeping::Unknown {
            self.keeping = Keeping::Kept;
            let streams = self.streams.values();
            streams.for_each(|ends| ends.shared.change_window(Window::keep));
        }
    }

    async fn refuse(&mut self, id: u32, status: ResetStatus) -> Result<(), Ended> {
        let status = status as u32;
        self.answer(Frame::RstStream { id, status }).await
    }

    async fn answer(&mut self, frame: Frame) -> Result<(), Ended> {
        let sent = self.peer.unless_gone(self.answers.send(frame)).await?;
        sent.map_err(|_| Ended::Left)
    }
}

/// Sends what the users of streams have to say, and the reader's answers before it.
#[derive(Debug)]
pub(in crate::streaming) struct Writer<I> {
    io: WriteHalf<I>,
    headers: DeflatedHeaders,
    buffer: BytesMut,
    answers: mpsc::Receiver<Frame>,
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
                Some(frame) = self.answers.recv() => self.put(&frame),
                Some(message) = self.messages.recv() => self.put(&frame_of(message)),
                () = finishing.begun() => break,
            }
            self.put_waiting();
            if self.flush().await.is_err() {
                return Ended::Left;
            }
            activity.note();
        }
        self.put(&Frame::GoAway { last: 0 });
        if self.flush().await.is_err() || self.io.shutdown().await.is_err() {
            return Ended::Left;
        }
        std::future::pending().await
    }

    /// Adds what waits already, up to one batch.
    fn put_waiting(&mut self) {
        while self.buffer.len() < BATCH {
            let frame = match self.answers.try_recv() {
                Ok(frame) => frame,
                Err(_) => match self.messages.try_recv() {
                    Ok(message) => frame_of(message),
                    Err(_) => return,
                },
            };
            self.put(&frame);
        }
    }

    fn put(&mut self, frame: &Frame) {
        encode(frame, &mut self.headers, &mut self.buffer);
    }

    async fn flush(&mut self) -> std::io::Result<()> {
        self.io.write_all(&self.buffer).await?;
        self.buffer.clear();
        self.io.flush().await
    }
}

fn frame_of(message: Message) -> Frame {
    match message {
        Message::Data { stream, bytes } => Frame::Data {
            id: stream,
            bytes,
            rest: Rest::Open,
        },
        Message::End { stream } => Frame::Data {
            id: stream,
            bytes: bytes::Bytes::new(),
            rest: Rest::Ended,
        },
        Message::Abort { stream } => Frame::RstStream {
            id: stream,
            status: ResetStatus::Cancel as u32,
        },
        Message::Credit { stream, count } => Frame::WindowUpdate {
            id: stream,
            delta: count,
        },
    }
}
