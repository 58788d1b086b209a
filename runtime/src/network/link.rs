//! The rtnetlink requests of the pod network, as values, and the two answers it reads.
#![deny(clippy::disallowed_methods)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, Parseable};
use netlink_packet_route::address::{
    AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope,
};
use netlink_packet_route::link::{
    InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoPortKind, InfoVeth, LinkAttribute,
    LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::mac::Mac;
use super::netlink::Request;
use super::subnet::Subnet;

/// The interface of a pod, inside its namespace.
pub(super) const POD_INTERFACE: &str = "eth0";
/// Every namespace is born with its loopback, and with this index.
pub(super) const LOOPBACK_INDEX: u32 = 1;

const NEW: u16 = NLM_F_CREATE | NLM_F_EXCL;
const PUT: u16 = NLM_F_CREATE | NLM_F_REPLACE;

/// A veth pair to be made: one end on the bridge, the other in the pod.
pub(super) struct Veth<'a> {
    /// Name of the end on the bridge.
    pub(super) name: &'a str,
    /// Index of the bridge.
    pub(super) bridge: u32,
    /// Namespace of the pod.
    pub(super) netns: BorrowedFd<'a>,
    /// Hardware address of the pod's end.
    pub(super) mac: Mac,
}

/// What is asked about an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Its index.
    pub(super) index: u32,
    /// Whether it is set up.
    pub(super) is_up: bool,
    /// Whether it is a bridge.
    pub(super) is_bridge: bool,
    /// Its hardware address.
    pub(super) mac: Vec<u8>,
    /// Index of a veth's other end, in that one's namespace.
    pub(super) peer: Option<u32>,
    /// Index of the bridge it is a port of.
    pub(super) bridge: Option<u32>,
}

/// Makes a bridge; without spanning tree, so a port forwards at once.
pub(super) fn make_bridge(name: &str, mac: Mac) -> Request {
    let mut message = set_up(0);
    message.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::Address(mac.to_vec()),
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]),
    ];
    let message = RouteNetlinkMessage::NewLink(message);
    Request::change("make the bridge", &message, NEW)
}

/// Makes a veth pair with both ends where they belong, or nothing. The pod's end is still down: the
/// kernel makes it first, and cannot bring up an end that has no other yet.
pub(super) fn make_veth(veth: &Veth<'_>) -> Request {
    let mut peer = LinkMessage::default();
    peer.attributes = vec![
        LinkAttribute::IfName(POD_INTERFACE.to_owned()),
        LinkAttribute::Address(veth.mac.to_vec()),
        LinkAttribute::NetNsFd(veth.netns.as_raw_fd()),
    ];
    let mut message = set_up(0);
    message.attributes = vec![
        LinkAttribute::IfName(veth.name.to_owned()),
        LinkAttribute::Controller(veth.bridge),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]),
    ];
    let message = RouteNetlinkMessage::NewLink(message);
    Request::change("make the veth pair", &message, NEW)
}

/// Sets an interface up.
pub(super) fn bring_up(what: &'static str, index: u32) -> Request {
    Request::change(what, &RouteNetlinkMessage::SetLink(set_up(index)), 0)
}

/// Makes an interface a port of `bridge`, and up.
pub(super) fn enslave(index: u32, bridge: u32) -> Request {
    let mut message = set_up(index);
    message.attributes = vec![LinkAttribute::Controller(bridge)];
    let message = RouteNetlinkMessage::SetLink(message);
    Request::change("put the veth on the bridge", &message, 0)
}

/// Lets a port of a bridge send back what came in through it: a pod may reach itself through a host
/// port or a service, which bridges that ask netfilter (br_netfilter) would otherwise not allow.
pub(super) fn let_turn_back(port: u32) -> Request {
    let mut message = LinkMessage::default();
    message.header.index = port;
    let hairpin = InfoBridgePort::HairpinMode(true);
    message.attributes = vec![LinkAttribute::LinkInfo(vec![
        LinkInfo::PortKind(InfoPortKind::Bridge),
        LinkInfo::PortData(InfoPortData::BridgePort(vec![hairpin])),
    ])];
    let message = RouteNetlinkMessage::NewLink(message);
    Request::change("set hairpin mode", &message, 0)
}

/// Deletes an interface.
pub(super) fn delete(what: &'static str, index: u32) -> Request {
    let mut message = LinkMessage::default();
    message.header.index = index;
    Request::change(what, &RouteNetlinkMessage::DelLink(message), 0)
}

/// Asks about the interface called `name`.
pub(super) fn find(what: &'static str, name: &str) -> Request {
    let mut message = LinkMessage::default();
    message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
    Request::question(what, &RouteNetlinkMessage::GetLink(message))
}

/// Gives an interface an address; nothing changes if it has it. Nobody is asked whether the address
/// is free (in IPv6 it would be unusable for a second): who has which is known here.
pub(super) fn put_address(index: u32, address: IpAddr, subnet: Subnet) -> Request {
    let mut message = AddressMessage::default();
    message.header.family = family(address);
    message.header.prefix_len = subnet.prefix();
    message.header.scope = AddressScope::Universe;
    message.header.index = index;
    message.attributes = vec![
        AddressAttribute::Local(address),
        AddressAttribute::Address(address),
    ];
    if address.is_ipv6() {
        message.header.flags = AddressHeaderFlags::Nodad;
    }
    let broadcast = subnet.broadcast().map(AddressAttribute::Broadcast);
    message.attributes.extend(broadcast);
    let message = RouteNetlinkMessage::NewAddress(message);
    Request::change("set the address", &message, PUT)
}

/// Asks for every address of the namespace.
pub(super) fn list_addresses() -> Request {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Unspec;
    Request::dump("list addresses", &RouteNetlinkMessage::GetAddress(message))
}

/// Takes an address from an interface.
pub(super) fn take_address(index: u32, address: IpAddr, subnet: Subnet) -> Request {
    let mut message = AddressMessage::default();
    message.header.family = family(address);
    message.header.prefix_len = subnet.prefix();
    message.header.index = index;
    message.attributes = vec![AddressAttribute::Local(address)];
    let message = RouteNetlinkMessage::DelAddress(message);
    Request::change("take the address away", &message, 0)
}

/// Asks for every route of the namespace.
pub(super) fn list_routes() -> Request {
    let message = RouteNetlinkMessage::GetRoute(RouteMessage::default());
    Request::dump("list routes", &message)
}

/// Asks for every interface of the namespace.
pub(super) fn list_links() -> Request {
    let message = RouteNetlinkMessage::GetLink(LinkMessage::default());
    Request::dump("list interfaces", &message)
}

/// Leads everything without a better route to `gateway`.
pub(super) fn put_default_route(index: u32, gateway: IpAddr) -> Request {
    let mut message = RouteMessage::default();
    message.header.address_family = family(gateway);
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Boot;
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Unicast;
    message.attributes = vec![
        RouteAttribute::Gateway(gateway.into()),
        RouteAttribute::Oif(index),
    ];
    let message = RouteNetlinkMessage::NewRoute(message);
    Request::change("set the default route", &message, PUT)
}

/// Lets answers to ::1 be taken in through an interface, which the kernel does only where a route of
/// that interface says so; for packets to it the loopback's own route stays the better one.
pub(super) fn put_loopback_route(index: u32) -> Request {
    const WORSE_THAN_THE_LOOPBACKS: u32 = 2048;
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet6;
    message.header.destination_prefix_length = 128;
    message.header.table = libc::RT_TABLE_LOCAL;
    message.header.protocol = RouteProtocol::Boot;
    message.header.scope = RouteScope::Host;
    message.header.kind = RouteType::Local;
    message.attributes = vec![
        RouteAttribute::Destination(RouteAddress::Inet6(Ipv6Addr::LOCALHOST)),
        RouteAttribute::Oif(index),
        RouteAttribute::Priority(WORSE_THAN_THE_LOOPBACKS),
    ];
    let message = RouteNetlinkMessage::NewRoute(message);
    Request::change("let answers to ::1 in", &message, PUT)
}

/// Tells the bridge behind which port `mac` lives. Sticky: the namespace of a pod that had the same
/// address may still speak while it goes away, and must not draw the traffic back to it.
pub(super) fn put_forwarding(port: u32, mac: Mac) -> Request {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Bridge;
    message.header.ifindex = port;
    message.header.state = NeighbourState::Noarp;
    message.header.flags = NeighbourFlags::Controller | NeighbourFlags::Sticky;
    message.attributes = vec![NeighbourAttribute::LinkLayerAddress(mac.to_vec())];
    let message = RouteNetlinkMessage::NewNeighbour(message);
    Request::change("set the forwarding entry", &message, PUT)
}

/// Tells the host which hardware address a pod's address has.
pub(super) fn put_neighbour(bridge: u32, address: IpAddr, mac: Mac) -> Request {
    let mut message = NeighbourMessage::default();
    message.header.family = family(address);
    message.header.ifindex = bridge;
    message.header.state = NeighbourState::Reachable;
    message.attributes = vec![
        NeighbourAttribute::Destination(neighbour(address)),
        NeighbourAttribute::LinkLayerAddress(mac.to_vec()),
    ];
    let message = RouteNetlinkMessage::NewNeighbour(message);
    Request::change("set the neighbour entry", &message, PUT)
}

/// Reads the answer to [`find`].
pub(super) fn read_link(body: &[u8]) -> Option<Link> {
    let message = LinkMessage::parse(body).ok()?;
    let mut link = Link {
        index: message.header.index,
        is_up: message.header.flags.contains(LinkFlags::Up),
        is_bridge: false,
        mac: Vec::new(),
        peer: None,
        bridge: None,
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::Address(mac) => link.mac = mac,
            LinkAttribute::Link(peer) => link.peer = Some(peer),
            LinkAttribute::Controller(bridge) => link.bridge = Some(bridge),
            LinkAttribute::LinkInfo(about) => {
                link.is_bridge = about.contains(&LinkInfo::Kind(InfoKind::Bridge));
            }
            _ => {}
        }
    }
    Some(link)
}

/// Reads one message of the answer to [`list_addresses`]: interface index, address, prefix.
pub(super) fn read_address(body: &[u8]) -> Option<(u32, IpAddr, u8)> {
    let message = AddressMessage::parse(body).ok()?;
    let mut addresses = message.attributes.iter();
    // IPv6 has only an address, IPv4 says by another attribute which one of a pair is its own.
    let own = addresses.clone().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let any = addresses.find_map(|attribute| match attribute {
        AddressAttribute::Address(address) => Some(*address),
        _ => None,
    });
    Some((
        message.header.index,
        own.or(any)?,
        message.header.prefix_len,
    ))
}

/// A route of the host's main table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// Where it leads to.
    pub(super) to: IpAddr,
    /// How many bits of that count.
    pub(super) prefix: u8,
    /// Through which interface; 0 where it leads nowhere.
    pub(super) interface: u32,
    /// Whether that is there, and not behind a gateway.
    pub(super) is_direct: bool,
}

/// Reads one message of the answer to [`list_routes`].
pub(super) fn read_route(body: &[u8]) -> Option<Route> {
    let message = RouteMessage::parse(body).ok()?;
    let header = &message.header;
    let anywhere: IpAddr = match header.address_family {
        AddressFamily::Inet => Ipv4Addr::UNSPECIFIED.into(),
        AddressFamily::Inet6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    let leads = [
        RouteType::Unicast,
        RouteType::BlackHole,
        RouteType::Unreachable,
        RouteType::Prohibit,
    ];
    if header.table != RouteHeader::RT_TABLE_MAIN || !leads.contains(&header.kind) {
        return None;
    }
    let mut route = Route {
        to: anywhere,
        prefix: header.destination_prefix_length,
        interface: 0,
        is_direct: header.kind == RouteType::Unicast,
    };
    for attribute in message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(to)) => route.to = to.into(),
            RouteAttribute::Destination(RouteAddress::Inet6(to)) => route.to = to.into(),
            RouteAttribute::Oif(index) => route.interface = index,
            RouteAttribute::Gateway(_) | RouteAttribute::Via(_) | RouteAttribute::MultiPath(_) => {
                route.is_direct = false;
            }
            _ => {}
        }
    }
    Some(route)
}

/// Reads one message of the answer to [`list_links`]: index and name.
pub(super) fn read_name(body: &[u8]) -> Option<(u32, String)> {
    let message = LinkMessage::parse(body).ok()?;
    let mut attributes = message.attributes.into_iter();
    let name = attributes.find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name),
        _ => None,
    });
    Some((message.header.index, name?))
}

fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

fn neighbour(address: IpAddr) -> NeighbourAddress {
    match address {
        IpAddr::V4(address) => NeighbourAddress::Inet(address),
        IpAddr::V6(address) => NeighbourAddress::Inet6(address),
    }
}

/// A link message that sets interface `index` up; 0 is one that is to be made.
fn set_up(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message
}
