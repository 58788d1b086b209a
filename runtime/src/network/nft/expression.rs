//! The nf_tables expressions of our rules: each loads a register, compares one, or acts.
//!
//! The table holds IPv4 and IPv6, so whatever looks at an address first asks for its family.
#![deny(clippy::disallowed_methods)]

use std::net::IpAddr;

use super::attribute::Attributes;
use crate::model::config::Protocol;
use crate::network::cidr::Cidr;

const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const LIST_ELEMENT: u16 = 1;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;

const LOAD_DESTINATION: u16 = 1; // Of meta, ct, fib and immediate alike.
const META_KEY: u16 = 2;
const CT_KEY: u16 = 2;
const FIB_RESULT: u16 = 2;
const FIB_FLAGS: u16 = 3;
const IMMEDIATE_DATA: u16 = 2;

const PAYLOAD_DESTINATION: u16 = 1;
const PAYLOAD_BASE: u16 = 2;
const PAYLOAD_OFFSET: u16 = 3;
const PAYLOAD_LENGTH: u16 = 4;

const BITWISE_SOURCE: u16 = 1;
const BITWISE_DESTINATION: u16 = 2;
const BITWISE_LENGTH: u16 = 3;
const BITWISE_MASK: u16 = 4;
const BITWISE_XOR: u16 = 5;

const COMPARE_SOURCE: u16 = 1;
const COMPARE_OPERATION: u16 = 2;
const COMPARE_DATA: u16 = 3;

const NAT_TYPE: u16 = 1;
const NAT_FAMILY: u16 = 2;
const NAT_ADDRESS: u16 = 3;
const NAT_PORT: u16 = 5;

const REGISTER: u32 = libc::NFT_REG_1 as u32;
const SECOND_REGISTER: u32 = libc::NFT_REG_2 as u32;
const INTERFACE_NAME_LENGTH: usize = 16;

/// `NFT_FIB_RESULT_ADDRTYPE`: what kind of address the routing table says it is.
const FIB_ADDRESS_TYPE: u32 = 3;
/// `NFTA_FIB_F_DADDR`: the destination is looked up.
const FIB_OF_DESTINATION: u32 = 1 << 1;
/// `IPS_DST_NAT`: the destination of the connection was changed.
const DESTINATION_CHANGED: u32 = 1 << 5;
/// Where the destination port stands in the headers of TCP, UDP and SCTP.
const DESTINATION_PORT_OFFSET: u32 = 2;

const MATCH_NAME: u16 = 1;
const MATCH_REVISION: u16 = 2;
const MATCH_ABOUT: u16 = 3;
/// `struct xt_conntrack_mtinfo3`, rounded up to eight bytes, and two of its fields.
const CONNTRACK_LENGTH: usize = 168;
const CONNTRACK_FLAGS: usize = 146;
const CONNTRACK_STATES: usize = 150;
/// `XT_CONNTRACK_STATE`: the states are what counts.
const CONNTRACK_STATE: u16 = 1;
const ESTABLISHED: u16 = 1 << 1;
const RELATED: u16 = 1 << 2;
const REDIRECTED: u16 = 1 << 7;

/// Which address of a packet.
#[derive(Clone, Copy)]
enum End {
    Source,
    Destination,
}

/// The expressions of one rule.
#[derive(Default)]
pub(super) struct Expressions(Attributes);

impl Expressions {
    /// A rule that matches everything and does nothing.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Goes on when the packet comes from `subnet`.
    pub(super) fn source_within(self, subnet: Cidr) -> Self {
        self.within(End::Source, subnet)
    }

    /// Goes on when the packet goes to `subnet`.
    pub(super) fn destination_within(self, subnet: Cidr) -> Self {
        self.within(End::Destination, subnet)
    }

    /// Goes on when the packet goes to `address`.
    pub(super) fn destination_is(self, address: IpAddr) -> Self {
        self.family_of(address)
            .load_address(End::Destination, address)
            .compare(libc::NFT_CMP_EQ, &octets(address))
    }

    /// Goes on when the packet goes to an address of this machine, in the family of `like`.
    pub(super) fn destination_is_local(self, like: IpAddr) -> Self {
        let load = Attributes::new()
            .number(LOAD_DESTINATION, REGISTER)
            .number(FIB_RESULT, FIB_ADDRESS_TYPE)
            .number(FIB_FLAGS, FIB_OF_DESTINATION);
        self.family_of(like)
            .add("fib", &load)
            .compare(libc::NFT_CMP_EQ, &u32::from(libc::RTN_LOCAL).to_ne_bytes())
    }

    /// Goes on when the packet goes to this port.
    pub(super) fn destination_port(self, protocol: Protocol, port: u16) -> Self {
        let load = Attributes::new()
            .number(PAYLOAD_DESTINATION, REGISTER)
            .number(PAYLOAD_BASE, libc::NFT_PAYLOAD_TRANSPORT_HEADER as u32)
            .number(PAYLOAD_OFFSET, DESTINATION_PORT_OFFSET)
            .number(PAYLOAD_LENGTH, 2);
        self.load_meta(libc::NFT_META_L4PROTO)
            .compare(libc::NFT_CMP_EQ, &[protocol.number()])
            .add("payload", &load)
            .compare(libc::NFT_CMP_EQ, &port.to_be_bytes())
    }

    /// Goes on when the packet leaves through `name`.
    pub(super) fn leaves_through(self, name: &str) -> Self {
        self.load_meta(libc::NFT_META_OIFNAME)
            .compare(libc::NFT_CMP_EQ, &padded(name))
    }

    /// Goes on when the packet leaves through any interface but `name`.
    pub(super) fn leaves_not_through(self, name: &str) -> Self {
        self.load_meta(libc::NFT_META_OIFNAME)
            .compare(libc::NFT_CMP_NEQ, &padded(name))
    }

    /// Goes on when the packet came in through `name`.
    pub(super) fn came_through(self, name: &str) -> Self {
        self.load_meta(libc::NFT_META_IIFNAME)
            .compare(libc::NFT_CMP_EQ, &padded(name))
    }

    /// Goes on when the packet was led elsewhere than it wanted to go.
    pub(super) fn was_redirected(self) -> Self {
        let load = Attributes::new()
            .number(LOAD_DESTINATION, REGISTER)
            .number(CT_KEY, libc::NFT_CT_STATUS as u32);
        self.add("ct", &load)
            .keep_bits(&DESTINATION_CHANGED.to_ne_bytes())
            .compare(libc::NFT_CMP_NEQ, &[0; 4])
    }

    /// Gives the packet the address of the interface it leaves through.
    pub(super) fn masquerade(self) -> Self {
        self.add("masq", &Attributes::new())
    }

    /// Leads the packet to `address` and `port`.
    pub(super) fn redirect_to(self, address: IpAddr, port: u16) -> Self {
        let nat = Attributes::new()
            .number(NAT_TYPE, libc::NFT_NAT_DNAT as u32)
            .number(NAT_FAMILY, family(address).into())
            .number(NAT_ADDRESS, REGISTER)
            .number(NAT_PORT, SECOND_REGISTER);
        self.set(REGISTER, &octets(address))
            .set(SECOND_REGISTER, &port.to_be_bytes())
            .add("nat", &nat)
    }

    /// Goes on when the packet is of a connection that was there before or belongs to one, or that was
    /// led elsewhere than it wanted to go. In the words of iptables, whose tables know no others.
    pub(super) fn answers_or_was_redirected(self) -> Self {
        let mut about = [0; CONNTRACK_LENGTH];
        about[CONNTRACK_FLAGS..][..2].copy_from_slice(&CONNTRACK_STATE.to_ne_bytes());
        let states = ESTABLISHED | RELATED | REDIRECTED;
        about[CONNTRACK_STATES..][..2].copy_from_slice(&states.to_ne_bytes());
        let conntrack = Attributes::new()
            .name(MATCH_NAME, "conntrack")
            .number(MATCH_REVISION, 3)
            .bytes(MATCH_ABOUT, &about);
        self.add("match", &conntrack)
    }

    /// Counts packets, as every rule of iptables does.
    pub(super) fn count(self) -> Self {
        self.add("counter", &Attributes::new())
    }

    /// Lets the packet pass.
    pub(super) fn accept(self) -> Self {
        self.end_with(libc::NF_ACCEPT as u32)
    }

    /// Lets the packet vanish.
    pub(super) fn drop_packet(self) -> Self {
        self.end_with(libc::NF_DROP as u32)
    }

    fn end_with(self, verdict: u32) -> Self {
        let verdict = Attributes::new().number(VERDICT_CODE, verdict);
        let verdict = Attributes::new().nest(DATA_VERDICT, &verdict);
        let immediate = Attributes::new()
            .number(LOAD_DESTINATION, libc::NFT_REG_VERDICT as u32)
            .nest(IMMEDIATE_DATA, &verdict);
        self.add("immediate", &immediate)
    }

    /// The list, as a rule carries it.
    pub(super) fn into_attributes(self) -> Attributes {
        self.0
    }

    fn within(self, end: End, subnet: Cidr) -> Self {
        self.family_of(subnet.network())
            .load_address(end, subnet.network())
            .keep_bits(&octets(subnet.mask()))
            .compare(libc::NFT_CMP_EQ, &octets(subnet.network()))
    }

    fn family_of(self, address: IpAddr) -> Self {
        self.load_meta(libc::NFT_META_NFPROTO)
            .compare(libc::NFT_CMP_EQ, &[family(address)])
    }

    fn load_meta(self, key: libc::c_int) -> Self {
        let load = Attributes::new()
            .number(LOAD_DESTINATION, REGISTER)
            .number(META_KEY, key as u32);
        self.add("meta", &load)
    }

    fn load_address(self, end: End, address: IpAddr) -> Self {
        let offset = match (address, end) {
            (IpAddr::V4(_), End::Source) => 12,
            (IpAddr::V4(_), End::Destination) => 16,
            (IpAddr::V6(_), End::Source) => 8,
            (IpAddr::V6(_), End::Destination) => 24,
        };
        let load = Attributes::new()
            .number(PAYLOAD_DESTINATION, REGISTER)
            .number(PAYLOAD_BASE, libc::NFT_PAYLOAD_NETWORK_HEADER as u32)
            .number(PAYLOAD_OFFSET, offset)
            .number(PAYLOAD_LENGTH, length(&octets(address)));
        self.add("payload", &load)
    }

    fn keep_bits(self, mask: &[u8]) -> Self {
        let bitwise = Attributes::new()
            .number(BITWISE_SOURCE, REGISTER)
            .number(BITWISE_DESTINATION, REGISTER)
            .number(BITWISE_LENGTH, length(mask))
            .nest(BITWISE_MASK, &value(mask))
            .nest(BITWISE_XOR, &value(&vec![0; mask.len()]));
        self.add("bitwise", &bitwise)
    }

    fn set(self, register: u32, data: &[u8]) -> Self {
        let immediate = Attributes::new()
            .number(LOAD_DESTINATION, register)
            .nest(IMMEDIATE_DATA, &value(data));
        self.add("immediate", &immediate)
    }

    fn compare(self, operation: libc::c_int, data: &[u8]) -> Self {
        let compare = Attributes::new()
            .number(COMPARE_SOURCE, REGISTER)
            .number(COMPARE_OPERATION, operation as u32)
            .nest(COMPARE_DATA, &value(data));
        self.add("cmp", &compare)
    }

    fn add(self, name: &str, data: &Attributes) -> Self {
        let expression = Attributes::new()
            .name(EXPRESSION_NAME, name)
            .nest(EXPRESSION_DATA, data);
        Self(self.0.nest(LIST_ELEMENT, &expression))
    }
}

fn value(bytes: &[u8]) -> Attributes {
    Attributes::new().bytes(DATA_VALUE, bytes)
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("an address has at most 16 bytes")
}

fn padded(name: &str) -> [u8; INTERFACE_NAME_LENGTH] {
    let mut padded = [0; INTERFACE_NAME_LENGTH];
    padded[..name.len()].copy_from_slice(name.as_bytes());
    padded
}

fn family(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => libc::NFPROTO_IPV4 as u8,
        IpAddr::V6(_) => libc::NFPROTO_IPV6 as u8,
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
