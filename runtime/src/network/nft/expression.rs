//! The nf_tables expressions of our rules: each loads a register, compares one, or acts.
#![deny(clippy::disallowed_methods)]

use std::net::Ipv4Addr;

use super::attribute::Attributes;

const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const LIST_ELEMENT: u16 = 1;
const DATA_VALUE: u16 = 1;

const META_DESTINATION: u16 = 1;
const META_KEY: u16 = 2;

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

/// Where the source address stands in an IPv4 header.
const SOURCE_OFFSET: u32 = 12;
const ADDRESS_LENGTH: u32 = 4;
const REGISTER: u32 = libc::NFT_REG_1 as u32;
const INTERFACE_NAME_LENGTH: usize = 16;

/// The expressions of one rule.
#[derive(Default)]
pub(super) struct Expressions(Attributes);

impl Expressions {
    /// A rule that matches everything and does nothing.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Goes on when the packet comes from `network` with `mask`.
    pub(super) fn source_within(self, network: Ipv4Addr, mask: Ipv4Addr) -> Self {
        let load = Attributes::new()
            .number(PAYLOAD_DESTINATION, REGISTER)
            .number(PAYLOAD_BASE, libc::NFT_PAYLOAD_NETWORK_HEADER as u32)
            .number(PAYLOAD_OFFSET, SOURCE_OFFSET)
            .number(PAYLOAD_LENGTH, ADDRESS_LENGTH);
        let keep_network_bits = Attributes::new()
            .number(BITWISE_SOURCE, REGISTER)
            .number(BITWISE_DESTINATION, REGISTER)
            .number(BITWISE_LENGTH, ADDRESS_LENGTH)
            .nest(BITWISE_MASK, &value(&mask.octets()))
            .nest(BITWISE_XOR, &value(&[0; ADDRESS_LENGTH as usize]));
        self.add("payload", &load)
            .add("bitwise", &keep_network_bits)
            .compare(libc::NFT_CMP_EQ, &network.octets())
    }

    /// Goes on when the packet leaves through any interface but `name`.
    pub(super) fn leaves_not_through(self, name: &str) -> Self {
        let load = Attributes::new()
            .number(META_DESTINATION, REGISTER)
            .number(META_KEY, libc::NFT_META_OIFNAME as u32);
        let mut padded = [0; INTERFACE_NAME_LENGTH];
        padded[..name.len()].copy_from_slice(name.as_bytes());
        self.add("meta", &load).compare(libc::NFT_CMP_NEQ, &padded)
    }

    /// Gives the packet the address of the interface it leaves through.
    pub(super) fn masquerade(self) -> Self {
        self.add("masq", &Attributes::new())
    }

    /// The list, as a rule carries it.
    pub(super) fn into_attributes(self) -> Attributes {
        self.0
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
