//! A client and a runtime in memory, each speaking its own language.

use std::time::Duration;

use podling_streams::spdy::{Decoder, DeflatedHeaders, Frame, Rest, encode};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

/// The far ends of a translation.
struct Conversation {
    client: DuplexStream,
    runtime: DuplexStream,
    decoder: Decoder,
    task: JoinHandle<()>,
}

impl Conversation {
    fn start(streams: Option<StreamSet>) -> Self {
        let ((client, near), (runtime, far)) = (duplex(1 << 16), duplex(1 << 16));
        Self {
            client,
            runtime,
            decoder: Decoder::new(),
            task: tokio::spawn(run(near, far, streams)),
        }
    }

    async fn frame(&mut self) -> Frame {
        loop {
            if let Some(frame) = self.decoder.pull().unwrap() {
                return frame;
            }
            self.runtime.read_buf(self.decoder.buffer()).await.unwrap();
        }
    }

    /// The runtime says something on a stream.
    async fn answer(&mut self, id: u32, words: &'static str, rest: Rest) {
        let bytes = Bytes::from_static(words.as_bytes());
        let mut out = BytesMut::new();
        encode(
            &Frame::Data { id, bytes, rest },
            &mut DeflatedHeaders::default(),
            &mut out,
        );
        self.runtime.write_all(&out).await.unwrap();
    }

    /// The client sends a message with an empty mask.
    async fn send(&mut self, payload: &[u8]) {
        let length = u8::try_from(payload.len()).unwrap();
        let head = [0x82, 0x80 | length, 0, 0, 0, 0];
        self.client
            .write_all(&[&head, payload].concat())
            .await
            .unwrap();
    }

    /// The next message that the client gets.
    async fn message(&mut self) -> Vec<u8> {
        let mut head = [0; 2];
        self.client.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; usize::from(head[1])];
        self.client.read_exact(&mut payload).await.unwrap();
        if head[0] == 0x88 {
            return b"close".to_vec();
        }
        payload
    }
}

const ALL: StreamSet = StreamSet {
    stdin: true,
    stdout: true,
    stderr: true,
    tty: false,
};

/// Opens the streams, and says which the runtime has seen.
async fn opened(conversation: &mut Conversation, count: usize) -> Vec<(u32, String)> {
    let mut seen = Vec::new();
    for _ in 0..count {
        match conversation.frame().await {
            Frame::SynStream { id, headers, .. } => {
                seen.push((id, headers.get("streamtype").unwrap().to_owned()));
            }
            other => panic!("{other:?}"),
        }
    }
    seen
}

#[tokio::test]
async fn a_process_is_streamed_between_a_websocket_and_spdy() {
    let mut conversation = Conversation::start(Some(ALL));
    let expected = [(1, "error"), (3, "stdin"), (5, "stdout"), (7, "stderr")];
    let expected = expected.map(|(id, name)| (id, name.to_owned()));
    assert_eq!(opened(&mut conversation, 4).await, expected);
    assert_eq!(conversation.message().await, [1], "there is a first word");
    conversation.send(b"\x00input").await;
    conversation.send(&[255, 0]).await;
    let data = |bytes: &'static str, rest| Frame::Data {
        id: 3,
        bytes: Bytes::from_static(bytes.as_bytes()),
        rest,
    };
    assert_eq!(conversation.frame().await, data("input", Rest::Open));
    assert_eq!(conversation.frame().await, data("", Rest::Ended));
    conversation.answer(5, "out", Rest::Open).await;
    assert_eq!(conversation.message().await, b"\x01out");
    conversation.answer(7, "err", Rest::Ended).await;
    assert_eq!(conversation.message().await, b"\x02err");
    conversation.answer(1, "{}", Rest::Ended).await;
    assert_eq!(conversation.message().await, b"\x03{}");
    conversation.answer(5, "", Rest::Ended).await;
    assert_eq!(conversation.message().await, b"close");
    conversation.task.await.unwrap();
}

#[tokio::test]
async fn a_terminal_has_a_stream_for_its_size_and_none_for_errors() {
    let terminal = StreamSet {
        stderr: false,
        tty: true,
        ..ALL
    };
    let mut conversation = Conversation::start(Some(terminal));
    let seen = opened(&mut conversation, 4).await;
    assert_eq!(seen[3], (7, "resize".to_owned()));
    conversation.send(b"\x04{\"Width\":97}").await;
    match conversation.frame().await {
        Frame::Data { id: 7, bytes, .. } => assert_eq!(&bytes[..], b"{\"Width\":97}"),
        other => panic!("{other:?}"),
    }
    // What only the runtime may say is not passed on.
    conversation.send(b"\x01no").await;
    conversation.send(b"\x00yes").await;
    match conversation.frame().await {
        Frame::Data { id: 3, bytes, .. } => assert_eq!(&bytes[..], b"yes"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn spdy_in_a_tunnel_is_unwrapped_and_wrapped() {
    let mut conversation = Conversation::start(None);
    conversation.send(b"there").await;
    let mut there = [0; 5];
    conversation.runtime.read_exact(&mut there).await.unwrap();
    assert_eq!(&there, b"there");
    conversation.runtime.write_all(b"back").await.unwrap();
    assert_eq!(conversation.message().await, b"back");
}

#[tokio::test]
async fn who_leaves_ends_the_other() {
    let Conversation {
        client,
        mut runtime,
        task,
        ..
    } = Conversation::start(Some(ALL));
    drop(client);
    task.await.unwrap();
    let mut rest = Vec::new();
    runtime.read_to_end(&mut rest).await.unwrap();

    let mut conversation = Conversation::start(Some(ALL));
    assert_eq!(conversation.message().await, [1]);
    let (gone, _) = duplex(1);
    drop(std::mem::replace(&mut conversation.runtime, gone));
    assert_eq!(conversation.message().await, b"close");
    timeout(Duration::from_secs(20), conversation.task)
        .await
        .unwrap()
        .unwrap();
}
