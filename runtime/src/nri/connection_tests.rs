//! Both sides of a socket, one of them played.

use super::*;
use crate::nri::codec::Received;

const LIMIT: Duration = Duration::from_secs(60);

/// Reads messages as a plugin does.
struct Plugin {
    socket: UnixStream,
    decoder: Decoder,
}

impl Plugin {
    async fn next(&mut self) -> Received {
        let mut piece = [0; 100];
        loop {
            if let Some(message) = self.decoder.next().unwrap() {
                return message;
            }
            let length = self.socket.read(&mut piece).await.unwrap();
            assert_ne!(length, 0, "the runtime has closed the connection");
            self.decoder.feed(&piece[..length]);
        }
    }

    async fn send(&mut self, connection: u32, stream: u32, kind: Kind, data: Vec<u8>) {
        let message = Message {
            stream,
            kind,
            data: data.into(),
        };
        let bytes = codec::encode(connection, &message);
        self.socket.write_all(&bytes).await.unwrap();
    }
}

fn pair() -> (Connection, mpsc::Receiver<Request>, Plugin) {
    let (socket, other) = UnixStream::pair().unwrap();
    let (connection, requests) = open(socket, &TaskTracker::new());
    let plugin = Plugin {
        socket: other,
        decoder: Decoder::default(),
    };
    (connection, requests, plugin)
}

fn answer(payload: &[u8]) -> Vec<u8> {
    let response = ttrpc::Response {
        status: None,
        payload: payload.to_vec(),
    };
    response.encode_to_vec()
}

#[tokio::test]
async fn answers_reach_whoever_called_in_any_order() {
    let (connection, _requests, mut plugin) = pair();
    let call = |word: &'static str| {
        let connection = connection.clone();
        tokio::spawn(async move {
            let payload = word.as_bytes().to_vec();
            connection.call("s", "m", payload, LIMIT).await.unwrap()
        })
    };
    let calls = [call("first"), call("second")];
    let mut requests = [plugin.next().await, plugin.next().await];
    requests.reverse();
    for Received { message, .. } in requests {
        let asked = ttrpc::Request::decode(message.data).unwrap();
        let data = answer(&[&b"re: "[..], &asked.payload].concat());
        plugin
            .send(PLUGIN, message.stream, Kind::Response, data)
            .await;
    }
    let [first, second] = calls;
    assert_eq!(first.await.unwrap(), b"re: first");
    assert_eq!(second.await.unwrap(), b"re: second");
}

#[tokio::test]
async fn a_call_of_more_than_a_small_buffer_comes_through_whole() {
    let (connection, _requests, mut plugin) = pair();
    let payload = vec![5; 1 << 20];
    let sent = payload.clone();
    let call = tokio::spawn(async move { connection.call("s", "m", sent, LIMIT).await });
    let Received { message, .. } = plugin.next().await;
    let asked = ttrpc::Request::decode(message.data).unwrap();
    assert_eq!(asked.payload, payload);
    let data = answer(&payload);
    plugin
        .send(PLUGIN, message.stream, Kind::Response, data)
        .await;
    assert_eq!(call.await.unwrap().unwrap(), payload);
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_does_not_answer_costs_its_time_limit() {
    let (connection, _requests, _plugin) = pair();
    let error = connection.call("s", "m", Vec::new(), LIMIT).await;
    let error = error.unwrap_err();
    assert!(matches!(error, CallError::TimedOut(_)), "{error}");
    assert!(error.is_fatal());
}

#[tokio::test]
async fn a_plugin_that_dies_fails_the_call_at_once() {
    let (connection, _requests, mut plugin) = pair();
    let call = tokio::spawn({
        let connection = connection.clone();
        async move { connection.call("s", "m", Vec::new(), LIMIT).await }
    });
    plugin.next().await;
    drop(plugin);
    assert!(matches!(call.await.unwrap(), Err(CallError::Closed)));
    let later = connection.call("s", "m", Vec::new(), LIMIT).await;
    assert!(matches!(later, Err(CallError::Closed)));
}

#[tokio::test]
async fn garbage_ends_the_connection() {
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        // A message of an unknown kind.
        &[0, 0, 0, 1, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 1, 9, 0],
        // An answer that is no message.
        &[0, 0, 0, 1, 0, 0, 0, 11, 0, 0, 0, 1, 0, 0, 0, 1, 2, 0, 0xff],
    ] {
        let (connection, mut requests, mut plugin) = pair();
        plugin.socket.write_all(garbage).await.unwrap();
        assert!(requests.recv().await.is_none(), "the connection has ended");
        assert!(connection.is_closed());
    }
}

#[tokio::test]
async fn a_refusal_is_no_reason_to_close() {
    let (connection, _requests, mut plugin) = pair();
    let call = tokio::spawn({
        let connection = connection.clone();
        async move { connection.call("s", "m", Vec::new(), LIMIT).await }
    });
    let Received { message, .. } = plugin.next().await;
    let response = ttrpc::Response {
        status: Some(ttrpc::Status {
            code: 2,
            message: "no".to_owned(),
        }),
        payload: Vec::new(),
    };
    let data = response.encode_to_vec();
    plugin
        .send(PLUGIN, message.stream, Kind::Response, data)
        .await;
    let error = call.await.unwrap().unwrap_err();
    assert!(!error.is_fatal());
    assert_eq!(error.to_string(), "no");
}

#[tokio::test]
async fn a_call_of_the_plugin_is_answered_on_its_own_connection() {
    let (connection, mut requests, mut plugin) = pair();
    let call = ttrpc::Request {
        service: "s".to_owned(),
        method: "m".to_owned(),
        payload: b"x".to_vec(),
        ..Default::default()
    };
    let data = call.encode_to_vec();
    plugin.send(RUNTIME, 7, Kind::Request, data).await;
    let request = requests.recv().await.unwrap();
    assert_eq!(
        (request.stream, &request.method[..], &request.payload[..]),
        (7, "m", &b"x"[..])
    );
    connection.reply(request.stream, Ok(b"y".to_vec()));
    let Received {
        connection,
        message,
    } = plugin.next().await;
    assert_eq!(
        (connection, message.stream, message.kind),
        (RUNTIME, 7, Kind::Response)
    );
    let response = ttrpc::Response::decode(message.data).unwrap();
    assert_eq!(response.payload, b"y");
}
