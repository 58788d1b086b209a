//! One forwarded connection.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use crate::streaming::sessions::{Duplex, Ports};
use crate::streaming::stream::{CHUNK, Incoming, Outgoing};

/// A connection of a client.
#[derive(Debug)]
pub(super) struct Forwarded {
    /// The pod's port.
    pub(super) port: u16,
    /// What the client sends.
    pub(super) incoming: Incoming,
    /// What is sent to the client.
    pub(super) outgoing: Outgoing,
    /// Why nothing could be forwarded.
    pub(super) error: Outgoing,
}

/// Connects, and copies in both directions until both have ended or either side gives up.
pub(super) async fn forward(ports: Arc<dyn Ports>, connection: Forwarded) {
    let Forwarded {
        port,
        incoming,
        outgoing,
        mut error,
    } = connection;
    match ports.connect(port).await {
        Ok(pod) => {
            let given_up = outgoing.when_reset();
            let (read, write) = tokio::io::split(pod);
            let both = async { tokio::join!(to_pod(incoming, write), from_pod(read, outgoing)) };
            tokio::select! {
                biased;
                () = given_up => {}
                ((), ()) = both => {}
            }
        }
        Err(reason) => {
            let text = format!("error forwarding port {port}: {reason}");
            // With the client gone there is nobody to tell.
            let _ = error.write(Bytes::from(text)).await;
            outgoing.abort().await;
        }
    }
    error.finish().await;
}

async fn to_pod(mut client: Incoming, mut pod: WriteHalf<Box<dyn Duplex>>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = client.read(&mut buffer).await;
        // A pod that takes no more closes the other direction too, in its own time.
        if count == 0 || pod.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    // One that is broken is shut already.
    let _ = pod.shutdown().await;
}

async fn from_pod(mut pod: ReadHalf<Box<dyn Duplex>>, mut client: Outgoing) {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(CHUNK);
        match pod.read_buf(&mut buffer).await {
            Ok(0) => return client.finish().await,
            Ok(_) if client.write(buffer.split().freeze()).await.is_ok() => {}
            Ok(_) | Err(_) => return client.abort().await,
        }
    }
}
