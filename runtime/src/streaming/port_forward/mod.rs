//! Port-forward: each of a client's connections becomes one to a port of the pod.
//!
//! A connection that breaks ends alone; the session goes on until its client leaves or the pod ends.

mod pairs;
mod pump;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::sessions::Ports;
use super::spdy::Opened;
use super::stream::{Incoming, Outgoing};
use pairs::{Added, Pairs};
use pump::{Forwarded, forward};

/// Forwards the connections that a client opens as pairs of streams.
pub(super) async fn over_streams(
    mut opened: mpsc::Receiver<Opened>,
    ports: Arc<dyn Ports>,
    creation: Duration,
) {
    // Dropping it ends its tasks, so they end with this session.
    let mut connections = JoinSet::new();
    let mut pairs = Pairs::new(creation);
    loop {
        tokio::select! {
            stream = opened.recv() => match stream.map(|stream| pairs.add(stream)) {
                Some(Added::Complete(pair)) => {
                    connections.spawn(forward(Arc::clone(&ports), pair));
                }
                Some(Added::Waits) => {}
                Some(Added::Refused(stream)) => stream.outgoing.abort().await,
                // The client opens no more; what it has opened goes on.
                None => break,
            },
            half = pairs.expired() => half.outgoing.abort().await,
            Some(_) = connections.join_next() => {}
            () = ports.ended() => return,
        }
    }
    tokio::select! {
        () = all(&mut connections) => {}
        () = ports.ended() => {}
    }
}

/// Forwards one connection to each of `numbers`, whose channels a client has from the start.
pub(super) async fn over_channels(
    channels: Vec<(Incoming, Outgoing)>,
    numbers: Vec<u16>,
    ports: Arc<dyn Ports>,
) {
    let mut connections = JoinSet::new();
    let mut channels = channels.into_iter();
    for port in numbers {
        let (Some((incoming, mut outgoing)), Some((_, mut error))) =
            (channels.next(), channels.next())
        else {
            break;
        };
        let name = Bytes::copy_from_slice(&port.to_le_bytes());
        // With the client gone this future is dropped soon.
        let _ = outgoing.write(name.clone()).await;
        let _ = error.write(name).await;
        let connection = Forwarded {
            port,
            incoming,
            outgoing,
            error,
        };
        connections.spawn(forward(Arc::clone(&ports), connection));
    }
    tokio::select! {
        () = all(&mut connections) => {}
        () = ports.ended() => {}
    }
}

async fn all(connections: &mut JoinSet<()>) {
    while connections.join_next().await.is_some() {}
}
