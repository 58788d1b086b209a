//! Clients that vanish, are slow, or mean harm.

use std::sync::atomic::Ordering;
use std::time::Duration;

use podling_runtime::streaming::Limits;

use crate::fake::{start, start_with};
use crate::http;
use crate::spdy::{Frame, PING, RST_STREAM, Spdy};
use crate::websocket::WebSocket;

fn is_idle(seen: &crate::fake::Seen) -> bool {
    seen.processes.load(Ordering::SeqCst) == 0
}

fn is_busy(seen: &crate::fake::Seen) -> bool {
    seen.processes.load(Ordering::SeqCst) == 1
}

#[tokio::test]
async fn a_token_works_once_and_only_where_it_belongs() {
    let server = start().await;
    let url = server.exec("both", "o");
    let mut client = Spdy::connect(&url, "v4.channel.k8s.io").await;
    client.open_command(&["stdout"]).await;
    client.rest().await;
    assert_eq!(http::request("POST", &url, "").await.1.status, 404);
    let elsewhere = server.exec("both", "o").replace("/exec/", "/attach/");
    assert_eq!(http::request("POST", &elsewhere, "").await.1.status, 404);
    let nowhere = server.exec("both", "o") + "0";
    assert_eq!(http::request("GET", &nowhere, "").await.1.status, 404);
    let url = server.exec("both", "o");
    assert_eq!(http::request("PUT", &url, "").await.1.status, 405);
    server.stop().await;
}

#[tokio::test]
async fn a_version_that_nobody_speaks_is_forbidden() {
    let server = start().await;
    let refused = Spdy::try_connect(&server.exec("both", "o"), "v9.channel.k8s.io").await;
    let answer = refused.err().expect("a refusal");
    assert_eq!(answer.status, 403);
    let text = answer.text.to_lowercase();
    assert!(text.contains("x-accepted-stream-protocol-versions: v4.channel.k8s.io"));
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_vanishes_ends_its_process() {
    let server = start().await;
    let mut client = Spdy::connect(&server.exec("deaf", "io"), "v4.channel.k8s.io").await;
    client.open_command(&["stdin", "stdout"]).await;
    server.wait_for(is_busy).await;
    drop(client);
    server.wait_for(is_idle).await;
    let mut client = WebSocket::connect(&server.exec("deaf", "io"), "v5.channel.k8s.io").await;
    client.expect(1, b"").await;
    server.wait_for(is_busy).await;
    drop(client);
    server.wait_for(is_idle).await;
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_vanishes_is_noticed_while_its_input_is_not_read() {
    let server = start().await;
    let mut client = Spdy::connect(&server.exec("deaf", "io"), "v4.channel.k8s.io").await;
    client.open_command(&["stdin", "stdout"]).await;
    // More than the buffers of the stream and the process hold, less than the socket's.
    for _ in 0..24 {
        client.send(3, &[b'x'; 8192]).await;
    }
    server.wait_for(is_busy).await;
    drop(client);
    server.wait_for(is_idle).await;
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_stalls_its_own_process_only() {
    let server = start().await;
    let mut slow = Spdy::connect(&server.exec("flood", "o"), "v4.channel.k8s.io").await;
    slow.open_command(&["stdout"]).await;
    let flooded = || server.seen.flooded.load(Ordering::SeqCst);
    // What is in flight ends somewhere: the process is stalled once the count stands still.
    let mut before = 0;
    let mut still = 0;
    while still < 20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        still = if flooded() == before && before > 0 {
            still + 1
        } else {
            0
        };
        before = flooded();
        assert!(before < 64 << 20, "nothing stalls it");
    }
    let mut quick = Spdy::connect(&server.exec("both", "o"), "v4.channel.k8s.io").await;
    quick.open_command(&["stdout"]).await;
    assert_eq!(quick.rest().await[&3], "out");
    drop(slow);
    server.wait_for(is_idle).await;
    server.stop().await;
}

#[tokio::test]
async fn a_window_that_the_client_names_is_kept() {
    let server = start().await;
    let mut client = Spdy::connect(&server.exec("cat", "io"), "v4.channel.k8s.io").await;
    // SETTINGS: the initial window is 10 bytes.
    let settings = [1u32, 7, 10].map(u32::to_be_bytes).concat();
    client.control(4, 0, &settings).await;
    client.open_command(&["stdin", "stdout"]).await;
    client.send(3, b"0123456789abcdef").await;
    client.expect(5, b"0123456789").await;
    client.control(PING, 0, &9u32.to_be_bytes()).await;
    // The answer to the ping is next: nothing comes while the window is shut.
    let Some(Frame::Control { kind: PING, .. }) = client.next_said().await else {
        panic!("something came through a shut window");
    };
    client.grow_window(5, 4).await;
    client.expect(5, b"abcd").await;
    client.grow_window(5, 100).await;
    client.expect(5, b"ef").await;
    // More than a window holds.
    client.grow_window(5, 0x7fff_ffff).await;
    match client.next_said().await {
        Some(Frame::Control {
            kind: RST_STREAM,
            words,
            ..
        }) => assert_eq!(words, [5, 7]),
        other => panic!("{other:?}"),
    }
    server.stop().await;
}

#[tokio::test]
async fn a_broken_protocol_ends_the_connection_and_its_process() {
    let server = start().await;
    let noise: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0x80, 2, 0, 1, 0, 0, 0, 10, 0, 0],
        &[0x80, 3, 0, 1, 0, 0xff, 0xff, 0xff],
        &[0; 64],
    ];
    for bytes in noise {
        let mut client = Spdy::connect(&server.exec("deaf", "io"), "v4.channel.k8s.io").await;
        client.open_command(&["stdin", "stdout"]).await;
        server.wait_for(is_busy).await;
        client.raw(bytes).await;
        drop(client.socket);
        server.wait_for(is_idle).await;
    }
    let mut client = WebSocket::connect(&server.exec("deaf", "io"), "v4.channel.k8s.io").await;
    client.expect(1, b"").await;
    server.wait_for(is_busy).await;
    client.frame(0xf2, b"reserved bits").await;
    server.wait_for(is_idle).await;
    server.stop().await;
}

#[tokio::test]
async fn stream_numbers_that_cannot_be_are_reset_alone() {
    let server = start().await;
    let mut client = Spdy::connect(&server.exec("cat", "io"), "v4.channel.k8s.io").await;
    client.open_command(&["stdin", "stdout"]).await;
    for (id, status) in [(2, 1), (3, 1)] {
        client.open(id, &[("streamtype", "stdin")]).await;
        match client.next_said().await {
            Some(Frame::Control {
                kind: RST_STREAM,
                words,
                ..
            }) => assert_eq!(words, [id, status]),
            other => panic!("{other:?}"),
        }
    }
    client.send(99, b"to nobody").await;
    match client.next_said().await {
        Some(Frame::Control {
            kind: RST_STREAM,
            words,
            ..
        }) => assert_eq!(words, [99, 2]),
        other => panic!("{other:?}"),
    }
    client.send(3, b"hello").await;
    client.expect(5, b"hello").await;
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_opens_too_little_is_not_waited_for() {
    let limits = Limits {
        creation: Duration::from_millis(50),
        ..Limits::default()
    };
    let server = start_with(limits).await;
    let mut client = Spdy::connect(&server.exec("cat", "io"), "v4.channel.k8s.io").await;
    client.open_command(&["stdin"]).await;
    while client.next().await.is_some() {}
    // The same for half a connection to a port.
    let url = server.port_forward(&[]);
    let mut client = Spdy::connect(&url, "portforward.k8s.io").await;
    client
        .open(
            1,
            &[("port", "7"), ("streamtype", "data"), ("requestid", "1")],
        )
        .await;
    match client.next_said().await {
        Some(Frame::Control {
            kind: RST_STREAM,
            words,
            ..
        }) => assert_eq!(words[0], 1),
        other => panic!("{other:?}"),
    }
    server.stop().await;
}

#[tokio::test]
async fn a_silent_connection_ends() {
    let limits = Limits {
        idle: Duration::from_millis(50),
        ..Limits::default()
    };
    let server = start_with(limits).await;
    let mut client = Spdy::connect(&server.exec("deaf", "io"), "v4.channel.k8s.io").await;
    client.open_command(&["stdin", "stdout"]).await;
    while client.next().await.is_some() {}
    server.wait_for(is_idle).await;
    server.stop().await;
}

#[tokio::test]
async fn nothing_is_left_of_clients_that_break_off_anywhere() {
    let server = start().await;
    // What a whole exec sends, cut off after every number of bytes that is a multiple of seven.
    for cut in (0..200).step_by(7) {
        let mut client = Spdy::connect(&server.exec("cat", "io"), "v4.channel.k8s.io").await;
        let mut bytes = Vec::new();
        for (id, kind) in [(1u32, "error"), (3, "stdin"), (5, "stdout")] {
            bytes.extend(syn_stream(id, kind));
        }
        bytes.extend([0, 0, 0, 3, 0, 0, 0, 5]);
        bytes.extend(b"hello");
        client.raw(&bytes[..cut.min(bytes.len())]).await;
        drop(client);
    }
    server.wait_for(is_idle).await;
    server.stop().await;
}

/// A SYN_STREAM with a stored header block.
fn syn_stream(id: u32, kind: &str) -> Vec<u8> {
    let mut block = 1u32.to_be_bytes().to_vec();
    for text in ["streamtype", kind] {
        block.extend((text.len() as u32).to_be_bytes());
        block.extend(text.as_bytes());
    }
    let mut payload = [id, 0].map(u32::to_be_bytes).concat();
    payload.extend([0, 0]);
    if id == 1 {
        payload.extend([0x78, 0xbb, 0xe3, 0xc6, 0xa7, 0xc2]);
    }
    for part in [&block[..], &[]] {
        let length = part.len() as u16;
        payload.push(0);
        payload.extend(length.to_le_bytes());
        payload.extend((!length).to_le_bytes());
        payload.extend(part);
    }
    let mut frame = vec![0x80, 3, 0, 1];
    frame.extend((payload.len() as u32).to_be_bytes());
    frame.extend(payload);
    frame
}
