//! A probe that opens a connection, and closes it again.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

use super::failure;
use crate::model::ProbeOutcome;

/// A connection is good.
pub(super) async fn probe(host: &str, port: u16, timeout: Duration) -> ProbeOutcome {
    let address = join(host, port);
    let connected = tokio::time::timeout(timeout, TcpStream::connect((host, port))).await;
    let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    match connected {
        Ok(_) => ProbeOutcome::Success,
        Err(error) => ProbeOutcome::Failure(failure::of_connection(&address, &error)),
    }
}

/// `host:port`, with brackets around an IPv6 address.
pub(super) fn join(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}
