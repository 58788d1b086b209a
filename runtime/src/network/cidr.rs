//! A block of addresses of either family.
#![deny(clippy::disallowed_methods)]

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network address and the length of its prefix, as `10.88.0.0/16` or `fd00:88::/64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cidr {
    network: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// What a machine calls itself, in IPv4.
    pub(super) const LOOPBACK: Self = Self {
        network: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)),
        prefix: 8,
    };

    /// The same in IPv6.
    pub(super) const LOOPBACK_V6: Self = Self {
        network: IpAddr::V6(Ipv6Addr::LOCALHOST),
        prefix: 128,
    };

    /// The block of one address.
    pub(super) fn of_one(address: IpAddr) -> Self {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        Self::new(address, prefix)
    }

    /// The block `network/prefix`; bits of `network` behind the prefix must not be set.
    pub(super) fn new(network: IpAddr, prefix: u8) -> Self {
        Self { network, prefix }
    }

    /// Its first address.
    pub(super) fn network(&self) -> IpAddr {
        self.network
    }

    /// How many bits its addresses share.
    pub(super) fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether `address` is one of its own.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match (self.network, self.mask(), address) {
            (IpAddr::V4(network), IpAddr::V4(mask), IpAddr::V4(address)) => {
                address & mask == network
            }
            (IpAddr::V6(network), IpAddr::V6(mask), IpAddr::V6(address)) => {
                address & mask == network
            }
            _ => false,
        }
    }

    /// The bits that its addresses share.
    pub(super) fn mask(&self) -> IpAddr {
        match self.network {
            IpAddr::V4(_) => {
                let bits = u32::MAX.checked_shl(32 - u32::from(self.prefix));
                IpAddr::V4(Ipv4Addr::from_bits(bits.unwrap_or(0)))
            }
            IpAddr::V6(_) => {
                let bits = u128::MAX.checked_shl(128 - u32::from(self.prefix));
                IpAddr::V6(Ipv6Addr::from_bits(bits.unwrap_or(0)))
            }
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_contains_its_own_addresses_and_no_others() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let all = Cidr::new(ip("0.0.0.0"), 0);
        assert!(all.contains(ip("203.0.113.9")) && !all.contains(ip("::1")));
        let block = Cidr::new(ip("fd00::"), 64);
        assert!(block.contains(ip("fd00::5")) && !block.contains(ip("fd01::5")));
        assert!(Cidr::of_one(ip("10.0.0.1")).contains(ip("10.0.0.1")));
    }

    #[test]
    fn the_mask_has_the_bits_of_the_prefix() {
        let mask = |text: &str, prefix| Cidr::new(text.parse().unwrap(), prefix).mask().to_string();
        assert_eq!(mask("10.0.0.0", 8), "255.0.0.0");
        assert_eq!(mask("0.0.0.0", 0), "0.0.0.0");
        assert_eq!(mask("fd00::", 64), "ffff:ffff:ffff:ffff::");
        assert_eq!(mask("::", 0), "::");
    }
}
