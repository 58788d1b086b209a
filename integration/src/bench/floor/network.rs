//! The network of one pod by bare netlink messages: a veth pair, its address and route.
//!
//! Written apart from the runtime's own network on purpose: a floor made from the code that it is
//! held against would hide what that code does too much.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use rustix::thread::{
    LinkNameSpaceType, ThreadNameSpaceType, move_into_link_name_space, move_into_thread_name_spaces,
};

const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const POD: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const PREFIX: u8 = 24;
const LOOPBACK: u32 = 1;

/// A bridge in the calling process's namespace.
pub(super) struct Bridge {
    socket: Socket,
    index: u32,
    home: OwnedFd,
    pods: Cell<u32>,
}

impl Bridge {
    /// Makes the bridge and gives it the gateway's address.
    pub(super) fn new() -> io::Result<Self> {
        let socket = open()?;
        let mut bridge = link(0, true);
        bridge.attributes = vec![
            LinkAttribute::IfName("floor0".to_owned()),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]),
        ];
        change(&socket, &[RouteNetlinkMessage::NewLink(bridge)])?;
        let index = index_of(&socket, "floor0")?;
        change(&socket, &[address(index, GATEWAY)])?;
        let home = File::open("/proc/self/ns/net")?.into();
        Ok(Self {
            socket,
            index,
            home,
            pods: Cell::new(0),
        })
    }

    /// Connects the process behind `pod` to the bridge.
    pub(super) fn connect(&self, pod: BorrowedFd<'_>) -> io::Result<()> {
        let inside = self.open_in(pod)?;
        // The last pod's pair may still be going away.
        let name = format!("pod{}", self.pods.replace(self.pods.get() + 1));
        let mut peer = link(0, false);
        // The peer is made from within the pod's namespace, so the host's end is the one that moves.
        peer.attributes = vec![
            LinkAttribute::IfName(name.clone()),
            LinkAttribute::NetNsFd(self.home.as_raw_fd()),
        ];
        let mut pair = link(0, false);
        pair.attributes = vec![
            LinkAttribute::IfName("eth0".to_owned()),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
            ]),
        ];
        change(&inside, &[RouteNetlinkMessage::NewLink(pair)])?;
        let outer = index_of(&self.socket, &name)?;
        let mut enslave = link(outer, true);
        enslave.attributes = vec![LinkAttribute::Controller(self.index)];
        change(&self.socket, &[RouteNetlinkMessage::SetLink(enslave)])?;
        let inner = index_of(&inside, "eth0")?;
        change(
            &inside,
            &[
                RouteNetlinkMessage::SetLink(link(LOOPBACK, true)),
                RouteNetlinkMessage::SetLink(link(inner, true)),
                address(inner, POD),
                default_route(inner),
            ],
        )
    }

    /// One thread, so it may go there and back; a failure to come back ends the measuring.
    fn open_in(&self, pod: BorrowedFd<'_>) -> io::Result<Socket> {
        move_into_thread_name_spaces(pod, ThreadNameSpaceType::NETWORK)?;
        let socket = open();
        move_into_link_name_space(self.home.as_fd(), Some(LinkNameSpaceType::Network))?;
        socket
    }
}

fn open() -> io::Result<Socket> {
    let socket = Socket::new(NETLINK_ROUTE)?;
    socket.connect(&SocketAddr::new(0, 0))?;
    Ok(socket)
}

/// Sends changes in one write and reads their acknowledgements.
fn change(socket: &Socket, messages: &[RouteNetlinkMessage]) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(512);
    for message in messages {
        emit(message, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &mut buffer);
    }
    socket.send(&buffer, 0)?;
    for _ in messages {
        if let NetlinkPayload::Error(error) = receive(socket)?.payload
            && error.code.is_some()
        {
            return Err(error.to_io());
        }
    }
    Ok(())
}

fn index_of(socket: &Socket, name: &str) -> io::Result<u32> {
    let mut wanted = link(0, false);
    wanted.attributes = vec![LinkAttribute::IfName(name.to_owned())];
    let mut buffer = Vec::new();
    emit(&RouteNetlinkMessage::GetLink(wanted), 0, &mut buffer);
    socket.send(&buffer, 0)?;
    match receive(socket)?.payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => Ok(link.header.index),
        NetlinkPayload::Error(error) => Err(error.to_io()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn emit(message: &RouteNetlinkMessage, flags: u16, buffer: &mut Vec<u8>) {
    let mut message = NetlinkMessage::from(message.clone());
    message.header.flags = flags | NLM_F_REQUEST;
    message.finalize();
    let start = buffer.len();
    let length = message.buffer_len();
    buffer.resize(start + length.next_multiple_of(4), 0);
    message.serialize(&mut buffer[start..start + length]);
}

fn receive(socket: &Socket) -> io::Result<NetlinkMessage<RouteNetlinkMessage>> {
    let mut buffer = Vec::with_capacity(16 * 1024);
    socket.recv(&mut buffer, libc::MSG_DONTWAIT)?;
    NetlinkMessage::deserialize(&buffer)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn link(index: u32, is_up: bool) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    if is_up {
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
    }
    message
}

fn address(index: u32, address: Ipv4Addr) -> RouteNetlinkMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = PREFIX;
    message.header.index = index;
    message.attributes = vec![AddressAttribute::Local(IpAddr::V4(address))];
    RouteNetlinkMessage::NewAddress(message)
}

fn default_route(index: u32) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Boot;
    message.header.kind = RouteType::Unicast;
    message.attributes = vec![
        RouteAttribute::Gateway(RouteAddress::Inet(GATEWAY)),
        RouteAttribute::Oif(index),
    ];
    RouteNetlinkMessage::NewRoute(message)
}
