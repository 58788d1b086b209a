//! A connection that has become streams, from its first byte to its last.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, duplex};

use super::connection::{Activity, Ended, Finishing, Limits, Peer, carry};
use super::remote_command::{self, CHANNELS, Version};
use super::sessions::{AttachCall, ExecCall, Ports, Sessions, Wanted};
use super::upgrade::Transport;
use super::websocket::{self, Layout};
use super::{port_forward, spdy};

/// How much of a tunnel's bytes may wait.
const TUNNEL: usize = 64 << 10;

/// A command whose streams are awaited.
#[derive(Clone, Debug)]
pub(super) enum Command {
    /// To be run.
    Exec(ExecCall),
    /// To be joined.
    Attach(AttachCall),
}

impl Command {
    fn wanted(&self) -> Wanted {
        match self {
            Self::Exec(call) => call.wanted,
            Self::Attach(call) => call.wanted,
        }
    }

    async fn run(
        self,
        sessions: &dyn Sessions,
        version: Version,
        streams: remote_command::Streams,
    ) {
        match self {
            Self::Exec(call) => {
                remote_command::run(streams, version, sessions.exec(call)).await;
            }
            Self::Attach(call) => {
                remote_command::run(streams, version, sessions.attach(call)).await;
            }
        }
    }
}

/// Serves exec or attach over `io`.
pub(super) async fn command<I: AsyncRead + AsyncWrite>(
    io: I,
    peer: Peer,
    transport: Transport<Version>,
    limits: &Limits,
    call: Command,
    sessions: &dyn Sessions,
) -> Ended {
    let (finishing, activity) = (Finishing::default(), Activity::begin());
    let wanted = call.wanted();
    match transport {
        Transport::Spdy(version) => {
            let (reader, writer, opened) = spdy::open(io, peer);
            let user = async {
                let limit = limits.creation;
                let streams = remote_command::from_opened(opened, wanted, version, limit).await;
                if let Some(streams) = streams {
                    call.run(sessions, version, streams).await;
                }
            };
            let both = either(reader.run(&activity), writer.run(&finishing, &activity));
            carry(both, user, finishing.clone(), &activity, limits).await
        }
        Transport::WebSocket(version, layout) => {
            let (reader, writer, channels) = websocket::open(io, peer, layout, CHANNELS);
            let user = async {
                if let Some(streams) = remote_command::from_channels(channels, wanted).await {
                    call.run(sessions, version, streams).await;
                }
            };
            let both = either(reader.run(&activity), writer.run(&finishing, &activity));
            carry(both, user, finishing.clone(), &activity, limits).await
        }
    }
}

/// Serves port-forward over `io`. `numbers` are the ports of a client that names them beforehand.
pub(super) async fn ports<I: AsyncRead + AsyncWrite>(
    io: I,
    peer: Peer,
    transport: Transport<()>,
    limits: &Limits,
    numbers: Vec<u16>,
    pod: Arc<dyn Ports>,
) -> Ended {
    let layout = match transport {
        Transport::Spdy(()) => return ports_over_spdy(io, peer, limits, pod).await,
        Transport::WebSocket((), layout) => layout,
    };
    let (finishing, activity) = (Finishing::default(), Activity::begin());
    let count = match layout {
        Layout::Tunnel => 1,
        Layout::Channels | Layout::ClosableChannels => {
            u8::try_from(numbers.len() * 2).unwrap_or(u8::MAX - 1)
        }
    };
    let (reader, writer, mut channels) = websocket::open(io, peer, layout, count);
    let user = async {
        if layout != Layout::Tunnel {
            return port_forward::over_channels(channels, numbers, pod).await;
        }
        let Some((incoming, outgoing)) = channels.pop() else {
            return;
        };
        let (near, far) = duplex(TUNNEL);
        let inner = async {
            // How it ended shows in the outer connection.
            ports_over_spdy(near, Peer::unwatched(), limits, pod).await;
        };
        websocket::bridge(incoming, outgoing, far, inner).await;
    };
    let both = either(reader.run(&activity), writer.run(&finishing, &activity));
    carry(both, user, finishing.clone(), &activity, limits).await
}

async fn ports_over_spdy<I: AsyncRead + AsyncWrite>(
    io: I,
    peer: Peer,
    limits: &Limits,
    pod: Arc<dyn Ports>,
) -> Ended {
    let (finishing, activity) = (Finishing::default(), Activity::begin());
    let (reader, writer, opened) = spdy::open(io, peer);
    let user = port_forward::over_streams(opened, pod, limits.creation);
    let both = either(reader.run(&activity), writer.run(&finishing, &activity));
    carry(both, user, finishing.clone(), &activity, limits).await
}

async fn either(reader: impl Future<Output = Ended>, writer: impl Future<Output = Ended>) -> Ended {
    tokio::select! {
        ended = reader => ended,
        ended = writer => ended,
    }
}
