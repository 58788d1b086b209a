//! One HTTP request, up to the end of the answer's head.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a server has answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The whole head.
    pub(crate) text: String,
}

/// Sends a request to `url` (`http://ADDRESS/PATH`). The connection is left behind the head.
pub(crate) async fn request(method: &str, url: &str, headers: &str) -> (TcpStream, Answer) {
    let (address, path) = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .expect("a URL");
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    let request = format!("{method} /{path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
    socket
        .write_all(request.as_bytes())
        .await
        .expect("a request");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&head)),
        }
    }
    let text = String::from_utf8(head).expect("a head is text");
    let status = text[9..12].parse().expect("a status");
    (socket, Answer { status, text })
}
