//! Port-forward: connections to the loopback of a pod.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::spawn_blocking;

use super::error::LifecycleError;
use super::pod::PodHandle;
use super::sessions::tell;
use crate::streaming::{Duplex, Ports, SessionError};
use crate::sys::netns;

/// The ports of one pod.
#[derive(Debug)]
pub(super) struct PodPorts {
    pod: PodHandle,
}

impl PodPorts {
    pub(super) fn new(pod: PodHandle) -> Self {
        Self { pod }
    }
}

impl Ports for PodPorts {
    fn connect(&self, port: u16) -> BoxFuture<'_, Result<Box<dyn Duplex>, SessionError>> {
        async move {
            let connection = connect(&self.pod, port).await.map_err(tell)?;
            Ok(Box::new(connection) as Box<dyn Duplex>)
        }
        .boxed()
    }

    fn ended(&self) -> BoxFuture<'_, ()> {
        self.pod.sandbox_ended().boxed()
    }
}

/// The pid of pause in a sandbox that is ready; others are refused.
pub(super) fn require_ready(pod: &PodHandle) -> Result<i32, LifecycleError> {
    pod.snapshot().pause_pid().ok_or_else(|| {
        let message = format!("sandbox {} is not ready", pod.id());
        LifecycleError::WrongState(message)
    })
}

async fn connect(pod: &PodHandle, port: u16) -> Result<TcpStream, LifecycleError> {
    let pause = require_ready(pod)?;
    let connected = async {
        let netns = File::open(format!("/proc/{pause}/ns/net"))?;
        connect_within(&netns.into(), port).await
    };
    connected.await.map_err(|error| {
        let attempted = format!("connect to port {port} in sandbox {}", pod.id());
        LifecycleError::failed(attempted, error)
    })
}

/// Connects to the loopback of a network namespace: over IPv4, and over IPv6 where only that listens.
async fn connect_within(netns: &OwnedFd, port: u16) -> io::Result<TcpStream> {
    match connect_to(netns, (Ipv4Addr::LOCALHOST, port).into()).await {
        Err(refused) if refused.kind() == io::ErrorKind::ConnectionRefused => {
            let second = connect_to(netns, (Ipv6Addr::LOCALHOST, port).into()).await;
            // Of two refusals the first says more: a pod without IPv6 has another error there.
            second.map_err(|_| refused)
        }
        connected => connected,
    }
}

/// A socket belongs to the network namespace that it was made in, whoever connects it.
async fn connect_to(netns: &OwnedFd, address: SocketAddr) -> io::Result<TcpStream> {
    let netns = netns.try_clone()?;
    let made = spawn_blocking(move || {
        netns::within(netns.as_fd(), || match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        })?
    });
    let socket = made.await.map_err(io::Error::other)??;
    socket.connect(address).await
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_port_is_found_on_either_loopback() {
        let here = netns::current().expect("a network namespace");
        for address in [
            IpAddr::from(Ipv4Addr::LOCALHOST),
            Ipv6Addr::LOCALHOST.into(),
        ] {
            let listener = TcpListener::bind((address, 0)).await.expect("a free port");
            let bound = listener.local_addr().expect("an address");
            let connection = connect_within(&here, bound.port()).await;
            assert_eq!(
                connection.expect("a connection").peer_addr().ok(),
                Some(bound)
            );
        }
    }

    #[tokio::test]
    async fn a_port_is_looked_for_in_its_namespace_only() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let bound = listener.expect("a free port").local_addr();
        // Its loopback is down: nothing is reachable there.
        let elsewhere = netns::create().expect("root may make namespaces");
        let port = bound.expect("an address").port();
        assert!(connect_within(&elsewhere, port).await.is_err());
    }
}
