//! `podling port-forward`: ports of this machine that lead into a pod.

use std::net::SocketAddr;
use std::process::ExitCode;

use podling_runtime::layout::Layout;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{Outcome, output};
use crate::args::{Forwarding, PortForwardArguments};
use crate::kubelet::websocket::Message;
use crate::kubelet::{Kubelet, Path, pod};

/// Channels of the one port of a connection.
const DATA: u8 = 0;
const ERROR: u8 = 1;

const PROTOCOL: &str = "v4.channel.k8s.io";

pub(super) async fn run(layout: &Layout, arguments: &PortForwardArguments) -> Outcome {
    let kubelet = Kubelet::of(layout);
    let pods = kubelet.pods().await?;
    let pod = pod::find(&pods, &arguments.namespace.namespace, &arguments.pod)?;
    let path = Path::of(["portForward", pod.namespace(), pod.name()]);
    let mut forwarding = JoinSet::new();
    for ports in &arguments.ports {
        for address in &arguments.address {
            let listener = TcpListener::bind(SocketAddr::new(*address, ports.local)).await;
            let listener = listener
                .map_err(|error| format!("unable to listen on port {}: {error}", ports.local))?;
            let bound = listener.local_addr()?;
            output::print(&format!("Forwarding from {bound} -> {}\n", ports.remote))?;
            forwarding.spawn(listen(kubelet.clone(), path.clone(), listener, *ports));
        }
    }
    // A signal ends the process, and with it every connection.
    while forwarding.join_next().await.is_some() {}
    Ok(ExitCode::SUCCESS)
}

async fn listen(kubelet: Kubelet, path: Path, listener: TcpListener, ports: Forwarding) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            taken = listener.accept() => match taken {
                Ok((stream, _)) => {
                    let local = listener.local_addr().map_or(ports.local, |here| here.port());
                    println!("Handling connection for {local}");
                    let (kubelet, path) = (kubelet.clone(), path.clone());
                    connections.spawn(async move {
                        if let Err(error) = forward(&kubelet, &path, stream, ports.remote).await {
                            eprintln!("error forwarding port {} to pod: {error}", ports.remote);
                        }
                    });
                }
                Err(error) => {
                    eprintln!("podling: cannot take a connection: {error}");
                    return;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection, with a WebSocket of its own. Its channels cannot be closed singly, so who has sent
/// all of his request still gets the answer, and the pod does not hear that he has.
async fn forward(
    kubelet: &Kubelet,
    path: &Path,
    stream: TcpStream,
    port: u16,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let path = path.clone().with("port", port.to_string());
    let (mut sender, mut receiver) = kubelet.stream(&path, PROTOCOL).await?;
    let (mut from, mut to) = stream.into_split();
    let mut block = vec![0; 16 * 1024];
    let mut has_more = true;
    // Each channel begins with the number of its port.
    let mut numbers = [true, true];
    loop {
        tokio::select! {
            read = from.read(&mut block), if has_more => match read? {
                0 => has_more = false,
                length => sender.send(DATA, &block[..length]).await?,
            },
            came = receiver.next() => match came? {
                None => return Ok(()),
                Some(Message::Ping(bytes)) => sender.pong(&bytes).await?,
                Some(Message::Data(channel @ (DATA | ERROR), bytes)) => {
                    let rest = if std::mem::take(&mut numbers[usize::from(channel)]) {
                        bytes.get(2..).unwrap_or_default()
                    } else {
                        &bytes
                    };
                    if channel == ERROR && !rest.is_empty() {
                        return Err(String::from_utf8_lossy(rest).into());
                    }
                    to.write_all(rest).await?;
                }
                Some(Message::Data(..)) => {}
            },
        }
    }
}
