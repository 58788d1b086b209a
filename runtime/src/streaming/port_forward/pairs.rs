//! Which streams belong together: one for data and one for errors of each connection.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::pump::Forwarded;
use crate::streaming::spdy::Opened;

/// Streams whose other half has not come yet. There are never more than a connection may have.
#[derive(Debug)]
pub(super) struct Pairs {
    halves: HashMap<String, Half>,
    patience: Duration,
}

#[derive(Debug)]
struct Half {
    kind: Kind,
    port: u16,
    stream: Opened,
    until: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Data,
    Error,
}

/// What became of a stream.
#[derive(Debug)]
pub(super) enum Added {
    /// It and another are a connection.
    Complete(Forwarded),
    /// It waits for its other half.
    Waits,
    /// It is no half of a connection.
    Refused(Opened),
}

impl Pairs {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            halves: HashMap::new(),
            patience,
        }
    }

    /// Finds the other half of a stream, or keeps it until that comes.
    pub(super) fn add(&mut self, stream: Opened) -> Added {
        let Some((kind, port, request)) = read(&stream) else {
            return Added::Refused(stream);
        };
        match self.halves.remove(&request) {
            None => {
                let half = Half {
                    kind,
                    port,
                    stream,
                    until: Instant::now() + self.patience,
                };
                self.halves.insert(request, half);
                Added::Waits
            }
            Some(other) if other.kind == kind => {
                self.halves.insert(request, other);
                Added::Refused(stream)
            }
            Some(other) => Added::Complete(match kind {
                Kind::Data => join(port, stream, other.stream),
                Kind::Error => join(other.port, other.stream, stream),
            }),
        }
    }

    /// Waits for a stream whose other half does not come, and gives it up.
    pub(super) async fn expired(&mut self) -> Opened {
        let oldest = self.halves.iter().min_by_key(|(_, half)| half.until);
        let Some((request, until)) = oldest.map(|(request, half)| (request.clone(), half.until))
        else {
            return std::future::pending().await;
        };
        sleep_until(until).await;
        match self.halves.remove(&request) {
            Some(half) => half.stream,
            None => std::future::pending().await,
        }
    }
}

fn join(port: u16, data: Opened, error: Opened) -> Forwarded {
    Forwarded {
        port,
        incoming: data.incoming,
        outgoing: data.outgoing,
        error: error.outgoing,
    }
}

/// What the headers of a stream say: its half, its port and its connection.
fn read(stream: &Opened) -> Option<(Kind, u16, String)> {
    let kind = match stream.headers.get("streamtype")? {
        "data" => Kind::Data,
        "error" => Kind::Error,
        _ => return None,
    };
    let port = stream.headers.get("port")?.parse().ok();
    let port = port.filter(|port| *port > 0)?;
    let request = match stream.headers.get("requestid") {
        Some(request) => request.to_owned(),
        // Old clients name no connection, and open the stream for data right behind the other.
        None => match kind {
            Kind::Error => format!("stream {}", stream.id),
            Kind::Data => format!("stream {}", stream.id.checked_sub(2)?),
        },
    };
    Some((kind, port, request))
}
