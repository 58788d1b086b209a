//! A byte stream made of the messages of a WebSocket.

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::streaming::stream::{CHUNK, Incoming, Outgoing};

/// Copies between the only stream of a tunnel and `far`, whose other end somebody works with in
/// `user`; ends with `user`, once everything that it wrote is on its way.
pub(in crate::streaming) async fn bridge(
    mut incoming: Incoming,
    mut outgoing: Outgoing,
    far: DuplexStream,
    user: impl Future<Output = ()>,
) {
    let (mut read, mut write) = tokio::io::split(far);
    let inbound = async {
        let mut buffer = vec![0; CHUNK];
        loop {
            let count = incoming.read(&mut buffer).await;
            if count == 0 || write.write_all(&buffer[..count]).await.is_err() {
                // The user will not miss what it does not read; its end is what counts.
                return std::future::pending::<()>().await;
            }
        }
    };
    let outbound = async {
        let mut buffer = BytesMut::new();
        while let Ok(1..) = read.read_buf(&mut buffer).await {
            if outgoing.write(buffer.split().freeze()).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = inbound => {}
        ((), ()) = async { tokio::join!(user, outbound) } => {}
    }
}
