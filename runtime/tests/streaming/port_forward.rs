//! Port-forward.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fake::{Running, start};
use crate::spdy::{Frame, RST_STREAM, Spdy};
use crate::websocket::{Message, WebSocket};

/// Opens the pair of streams of a connection: error at `id`, data at `id` + 2.
async fn open(client: &mut Spdy, id: u32, port: &str) {
    let request = id.to_string();
    for (id, kind) in [(id, "error"), (id + 2, "data")] {
        let headers = [
            ("port", port),
            ("requestid", &request),
            ("streamtype", kind),
        ];
        client.open(id, &headers).await;
    }
}

async fn connect(server: &Running) -> Spdy {
    Spdy::connect(&server.port_forward(&[]), "portforward.k8s.io").await
}

#[tokio::test]
async fn connections_go_to_their_ports_side_by_side() {
    let server = start().await;
    let mut client = connect(&server).await;
    open(&mut client, 1, "7").await;
    open(&mut client, 5, "7").await;
    client.send(3, b"first").await;
    client.expect(3, b"first").await;
    client.send(7, b"second").await;
    client.expect(7, b"second").await;
    drop(client);
    server
        .wait_for(|seen| seen.connections.load(Ordering::SeqCst) == 0)
        .await;
    server.stop().await;
}

#[tokio::test]
async fn a_thousand_connections_are_had_at_once() {
    let server = start().await;
    let mut client = connect(&server).await;
    let all: Vec<u32> = (0..1000).map(|number| 4 * number + 1).collect();
    for id in &all {
        open(&mut client, *id, "7").await;
    }
    for id in &all {
        client.send(id + 2, b"x").await;
    }
    let mut heard = HashSet::new();
    while heard.len() < all.len() {
        match client.next_said().await {
            Some(Frame::Data { id, bytes, .. }) if bytes == b"x" => heard.insert(id),
            other => panic!("{other:?}, after {}", heard.len()),
        };
    }
    assert!(all.iter().all(|id| heard.contains(&(id + 2))));
    server.stop().await;
}

#[tokio::test]
async fn clients_that_name_no_connection_are_understood() {
    let server = start().await;
    let mut client = connect(&server).await;
    client
        .open(1, &[("port", "7"), ("streamtype", "error")])
        .await;
    client
        .open(3, &[("port", "7"), ("streamtype", "data")])
        .await;
    client.send(3, b"hello").await;
    client.expect(3, b"hello").await;
    server.stop().await;
}

#[tokio::test]
async fn either_side_may_end_its_direction_first() {
    let server = start().await;
    let mut client = connect(&server).await;
    // The pod's side ends at once, and takes what is sent all the same.
    open(&mut client, 1, "13").await;
    client.expect(3, b"hello").await;
    let end = Frame::Data {
        id: 3,
        is_last: true,
        bytes: vec![],
    };
    assert_eq!(client.next_said().await, Some(end));
    client.send(3, b"more").await;
    client.finish(3).await;
    let end = Frame::Data {
        id: 1,
        is_last: true,
        bytes: vec![],
    };
    assert_eq!(client.next_said().await, Some(end));
    // The client's side ends, and what the pod still says arrives.
    open(&mut client, 5, "7").await;
    client.send(7, b"echo").await;
    client.finish(7).await;
    client.expect(7, b"echo").await;
    server.stop().await;
}

#[tokio::test]
async fn a_connection_that_breaks_ends_alone() {
    let server = start().await;
    let mut client = connect(&server).await;
    open(&mut client, 1, "7").await;
    // Nobody listens.
    open(&mut client, 5, "1").await;
    let mut seen = (String::new(), false);
    while !(seen.0.contains("connection refused") && seen.1) {
        match client.next_said().await.expect("a frame") {
            Frame::Data { id: 5, bytes, .. } => seen.0 += &String::from_utf8_lossy(&bytes),
            Frame::Control {
                kind: RST_STREAM,
                words,
                ..
            } if words[0] == 7 => seen.1 = true,
            Frame::Data { .. } | Frame::Control { .. } => {}
        }
    }
    // One that is broken off by its client, and one by the pod.
    open(&mut client, 9, "9").await;
    client.reset(11).await;
    open(&mut client, 13, "11").await;
    client.send(15, b"x").await;
    server
        .wait_for(|seen| seen.connections.load(Ordering::SeqCst) == 1)
        .await;
    client.send(3, b"still here").await;
    let mut echoed = Vec::new();
    while echoed != b"still here" {
        if let Frame::Data { id: 3, bytes, .. } = client.next_said().await.expect("a frame") {
            echoed.extend(bytes);
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn streams_that_are_no_connection_are_reset() {
    let server = start().await;
    let mut client = connect(&server).await;
    for (id, port, kind) in [(1, "0", "data"), (3, "80000", "data"), (5, "80", "stdin")] {
        client
            .open(
                id,
                &[("port", port), ("streamtype", kind), ("requestid", "a")],
            )
            .await;
        match client.next_said().await {
            Some(Frame::Control {
                kind: RST_STREAM,
                words,
                ..
            }) => assert_eq!(words[0], id),
            other => panic!("{other:?}"),
        }
    }
    open(&mut client, 7, "7").await;
    client.send(9, b"hello").await;
    client.expect(9, b"hello").await;
    server.stop().await;
}

#[tokio::test]
async fn a_session_ends_with_its_pod() {
    let server = start().await;
    let mut client = connect(&server).await;
    open(&mut client, 1, "9").await;
    server
        .wait_for(|seen| seen.connections.load(Ordering::SeqCst) == 1)
        .await;
    server.pod.send_replace(true);
    while client.next().await.is_some() {}
    server
        .wait_for(|seen| seen.connections.load(Ordering::SeqCst) == 0)
        .await;
    server.stop().await;
}

#[tokio::test]
async fn websocket_channels_begin_with_their_port() {
    let server = start().await;
    let url = server.port_forward(&[]) + "?port=7&port=13";
    let mut client = WebSocket::connect(&url, "v4.channel.k8s.io").await;
    let mut first = Vec::new();
    while first.len() < 4 || !first.contains(&Message::Binary(b"\x02hello".to_vec())) {
        let message = client.next().await.expect("a message");
        first.push(message);
    }
    for (channel, port) in [(0, 7), (1, 7), (2, 13), (3, 13)] {
        let expected = Message::Binary(vec![channel, port, 0]);
        assert!(first.contains(&expected), "{first:?}");
    }
    client.send(0, b"echo").await;
    client.expect(0, b"echo").await;
    server.stop().await;
}

#[tokio::test]
async fn spdy_may_come_through_a_websocket() {
    let server = start().await;
    let url = server.port_forward(&[]);
    let mut tunnel = WebSocket::connect(&url, "SPDY/3.1+portforward.k8s.io").await;
    // A ping of SPDY, in two messages.
    tunnel.frame(0x82, &[0x80, 3, 0, 6, 0, 0]).await;
    tunnel.frame(0x82, &[0, 4, 0, 0, 0, 9]).await;
    let pong = vec![0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, 9];
    assert_eq!(tunnel.next().await, Some(Message::Binary(pong)));
    tunnel.frame(0x88, &1000u16.to_be_bytes()).await;
    let mut rest = Vec::new();
    let _ = tunnel.socket.read_to_end(&mut rest).await;
    let _ = tunnel.socket.shutdown().await;
    server.stop().await;
}
