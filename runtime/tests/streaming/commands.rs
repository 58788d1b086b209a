//! Exec and attach.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::fake::start;
use crate::spdy::{Frame, GOAWAY, Spdy};
use crate::websocket::{Message, WebSocket};

const SUCCESS: &str = r#"{"metadata":{},"status":"Success"}"#;

#[tokio::test]
async fn spdy_carries_stdin_to_its_end_and_the_answer_back() {
    let server = start().await;
    let mut client = Spdy::connect(&server.exec("cat", "io"), "v4.channel.k8s.io").await;
    client.open_command(&["stdin", "stdout"]).await;
    client.send(3, b"hello ").await;
    client.expect(5, b"hello ").await;
    client.send(3, b"world").await;
    client.finish(3).await;
    let said = client.rest().await;
    assert_eq!(said[&5], "world");
    assert_eq!(said[&1], SUCCESS);
    server.stop().await;
}

#[tokio::test]
async fn an_exit_code_comes_as_the_cause_of_a_status() {
    let server = start().await;
    let mut client = Spdy::connect(&server.exec("both", "oe"), "v4.channel.k8s.io").await;
    client.open_command(&["stdout", "stderr"]).await;
    let said = client.rest().await;
    assert_eq!((said[&3].as_str(), said[&5].as_str()), ("out", "err"));
    let status: Value = serde_json::from_str(&said[&1]).expect("JSON");
    assert_eq!(status["reason"], "NonZeroExitCode");
    let causes = json!([{"reason": "ExitCode", "message": "3"}]);
    assert_eq!(status["details"]["causes"], causes);
    server.stop().await;
}

#[tokio::test]
async fn clients_before_v4_hear_of_failures_in_words() {
    let server = start().await;
    for version in ["v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"] {
        let mut client = Spdy::connect(&server.exec("both", "oe"), version).await;
        client.open_command(&["stdout", "stderr"]).await;
        let said = client.rest().await;
        assert_eq!(said[&1], "command terminated with non-zero exit code: 3");
        let mut client = Spdy::connect(&server.exec("cat", "i"), version).await;
        client.open_command(&["stdin"]).await;
        client.finish(3).await;
        assert_eq!(client.rest().await[&1], "");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_command_that_cannot_be_run_is_an_internal_error() {
    let server = start().await;
    for word in ["missing", "lost"] {
        let mut client = Spdy::connect(&server.exec(word, "o"), "v4.channel.k8s.io").await;
        client.open_command(&["stdout"]).await;
        let status: Value = serde_json::from_str(&client.rest().await[&1]).expect("JSON");
        assert_eq!(
            (&status["reason"], &status["code"]),
            (&json!("InternalError"), &json!(500))
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn a_terminal_has_the_size_that_its_client_tells() {
    let server = start().await;
    let mut client = Spdy::connect(&server.exec("size", "iot"), "v4.channel.k8s.io").await;
    client.open_command(&["stdin", "stdout", "resize"]).await;
    client.send(7, b"{\"Width\":132,\"Height\":50}\n").await;
    assert_eq!(client.rest().await[&5], "132x50");
    let mut client = WebSocket::connect(&server.exec("size", "iot"), "v4.channel.k8s.io").await;
    client.expect(1, b"").await;
    client.send(4, b"{\"Width\":80,\"Height\":24}").await;
    client.expect(1, b"80x24").await;
    server.stop().await;
}

#[tokio::test]
async fn a_process_that_closes_its_input_lets_its_client_type_on() {
    let server = start().await;
    let url = server.exec("ignores-input", "io");
    let mut client = Spdy::connect(&url, "v4.channel.k8s.io").await;
    client.open_command(&["stdin", "stdout"]).await;
    for _ in 0..64 {
        client.send(3, &[b'x'; 16384]).await;
    }
    let said = client.rest().await;
    assert_eq!((said[&5].as_str(), said[&1].as_str()), ("done", SUCCESS));
    server.stop().await;
}

#[tokio::test]
async fn a_client_may_close_what_it_hears_and_the_process_does_not_notice() {
    let server = start().await;
    let mut client = Spdy::connect(&server.exec("cat", "io"), "v4.channel.k8s.io").await;
    client.open_command(&["stdin", "stdout"]).await;
    client.reset(5).await;
    for _ in 0..8 {
        client.send(3, &[b'x'; 8192]).await;
    }
    client.finish(3).await;
    let error = loop {
        match client.next_said().await.expect("a frame") {
            Frame::Data { id: 1, bytes, .. } => break bytes,
            Frame::Data { id: 5, .. } => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(String::from_utf8_lossy(&error), SUCCESS);
    server.stop().await;
}

#[tokio::test]
async fn websockets_carry_channels_by_their_first_byte() {
    let server = start().await;
    for version in ["v4.channel.k8s.io", "v5.channel.k8s.io"] {
        let mut client = WebSocket::connect(&server.exec("both", "oe"), version).await;
        client.expect(1, b"").await;
        client.expect(1, b"out").await;
        client.expect(2, b"err").await;
        let Some(Message::Binary(message)) = client.next().await else {
            panic!("no status");
        };
        let status: Value = serde_json::from_slice(&message[1..]).expect("JSON");
        assert_eq!(
            (message[0], &status["reason"]),
            (3, &json!("NonZeroExitCode"))
        );
        assert_eq!(client.next().await, Some(Message::Close(1000)));
    }
    server.stop().await;
}

#[tokio::test]
async fn the_fifth_version_closes_stdin_with_a_message() {
    let server = start().await;
    let mut client = WebSocket::connect(&server.exec("cat", "io"), "v5.channel.k8s.io").await;
    client.expect(1, b"").await;
    client.send(0, b"hello").await;
    client.frame(0x89, b"are you there").await;
    client.send(255, &[0]).await;
    let mut seen = Vec::new();
    while let Some(message) = client.next().await {
        seen.push(message);
    }
    assert!(seen.contains(&Message::Pong(b"are you there".to_vec())));
    assert!(seen.contains(&Message::Binary(b"\x01hello".to_vec())));
    let success = [b"\x03", SUCCESS.as_bytes()].concat();
    assert!(seen.contains(&Message::Binary(success)), "{seen:?}");
    assert_eq!(seen.last(), Some(&Message::Close(1000)));
    server.stop().await;
}

#[tokio::test]
async fn a_fragmented_message_is_one_message() {
    let server = start().await;
    let mut client = WebSocket::connect(&server.exec("cat", "io"), "v4.channel.k8s.io").await;
    client.expect(1, b"").await;
    client.frame(0x02, &[0]).await;
    client.frame(0x00, b"ab").await;
    client.frame(0x80, b"cd").await;
    client.expect(1, b"abcd").await;
    server.stop().await;
}

#[tokio::test]
async fn attaching_ends_well_with_the_process() {
    let server = start().await;
    let mut client = Spdy::connect(&server.attach("cat", "ioe"), "v4.channel.k8s.io").await;
    client.open_command(&["stdin", "stdout", "stderr"]).await;
    client.send(3, b"hello").await;
    client.expect(5, b"hello").await;
    assert_eq!(server.seen.processes.load(Ordering::SeqCst), 1);
    client.finish(3).await;
    assert_eq!(client.rest().await[&1], SUCCESS);
    server.stop().await;
}

#[tokio::test]
async fn the_server_says_good_bye_after_everything_else() {
    let server = start().await;
    let mut client = Spdy::connect(&server.exec("both", "o"), "v4.channel.k8s.io").await;
    client.open_command(&["stdout"]).await;
    let mut last = None;
    while let Some(frame) = client.next().await {
        last = Some(frame);
    }
    assert!(
        matches!(last, Some(Frame::Control { kind: GOAWAY, .. })),
        "{last:?}"
    );
    server.stop().await;
}
