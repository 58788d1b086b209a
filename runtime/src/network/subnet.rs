//! One network of pods: which addresses pods may have in it, and which one follows which.
//!
//! ```text
//! 10.88.0.0/16    10.88.0.0   network    never given
//!                 10.88.0.1   gateway    the bridge's own
//!                 10.88.0.2 … 10.88.255.254   pods
//!                 10.88.255.255 broadcast never given
//! fd00:88::/64    fd00:88::   any router never given
//!                 fd00:88::1  gateway    the bridge's own
//!                 fd00:88::2 … fd00:88::ffff  pods: more than a node can have
//! ```
#![deny(clippy::disallowed_methods)]

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::cidr::Cidr;

const IPV4_PREFIXES: RangeInclusive<u8> = 8..=30;
const IPV6_PREFIXES: RangeInclusive<u8> = 8..=126;
/// Bits that tell pods of an IPv6 network apart. It may be as large as it likes: no node has more
/// pods, and so a hardware address has room for what differs.
const IPV6_POD_BITS: u8 = 16;

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// 32 bits.
    Ipv4,
    /// 128 bits.
    Ipv6,
}

impl Family {
    /// That of an address.
    pub(super) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}

/// A network with room for at least one pod, as `10.88.0.0/16` or `fd00:88::/64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet {
    network: IpAddr,
    prefix: u8,
}

/// Why a text is not a network of pods.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidSubnet {
    /// Not of the form ADDRESS/PREFIX.
    #[error("{0:?} is not a network: ADDRESS/PREFIX is expected, as 10.88.0.0/16 or fd00:88::/64")]
    Malformed(String),
    /// Bits behind the prefix are set.
    #[error("{given} has bits set behind its prefix: write {network}")]
    HostBits {
        /// What was given.
        given: String,
        /// The network it is part of.
        network: String,
    },
    /// Network, gateway, last address and one pod need four addresses.
    #[error("{given} cannot be divided among pods: the prefix must be between {least} and {most}")]
    Prefix {
        /// What was given.
        given: String,
        /// The shortest prefix.
        least: u8,
        /// The longest one.
        most: u8,
    },
    /// Addresses that mean something else.
    #[error("{0} is not for pods: it holds addresses with a meaning of their own")]
    Special(String),
}

impl Subnet {
    /// The network `network/prefix`.
    pub fn new(network: IpAddr, prefix: u8) -> Result<Self, InvalidSubnet> {
        let given = || format!("{network}/{prefix}");
        let prefixes = match network {
            IpAddr::V4(_) => IPV4_PREFIXES,
            IpAddr::V6(_) => IPV6_PREFIXES,
        };
        if !prefixes.contains(&prefix) {
            return Err(InvalidSubnet::Prefix {
                given: given(),
                least: *prefixes.start(),
                most: *prefixes.end(),
            });
        }
        let subnet = Self {
            network: first_of(network, prefix),
            prefix,
        };
        if subnet.network != network {
            return Err(InvalidSubnet::HostBits {
                given: given(),
                network: subnet.to_string(),
            });
        }
        if is_special(&subnet) {
            return Err(InvalidSubnet::Special(given()));
        }
        Ok(subnet)
    }

    /// The address of the network itself.
    pub fn network(&self) -> IpAddr {
        self.network
    }

    /// Length of the network part in bits.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// The address of the bridge: the first one.
    pub fn gateway(&self) -> IpAddr {
        self.at(1)
    }

    /// The broadcast address, the last one; IPv6 has none.
    pub fn broadcast(&self) -> Option<Ipv4Addr> {
        match self.at(self.hosts()) {
            IpAddr::V4(last) => Some(last),
            IpAddr::V6(_) => None,
        }
    }

    /// How many pods can have an address at once.
    pub fn capacity(&self) -> u32 {
        let pods = self.last_pod() - 1;
        u32::try_from(pods).expect("pods are told apart by 24 bits at most")
    }

    /// Whether `address` is one of this network's, for a pod or not.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.family() == Family::of(address) && first_of(address, self.prefix) == self.network
    }

    /// Whether the two have an address in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.network) || other.contains(self.network)
    }

    /// Whether a pod may have this address.
    pub fn is_for_pods(&self, address: IpAddr) -> bool {
        self.contains(address) && (2..=self.last_pod()).contains(&self.number_of(address))
    }

    /// The pods' address after `address`, going round at the end; the first one when `address` is
    /// not a pod's.
    pub fn following(&self, address: IpAddr) -> IpAddr {
        if self.is_for_pods(address) && self.number_of(address) < self.last_pod() {
            self.at(self.number_of(address) + 1)
        } else {
            self.at(2)
        }
    }

    /// IPv4 or IPv6.
    pub fn family(&self) -> Family {
        Family::of(self.network)
    }

    /// The same as a block of addresses.
    pub(super) fn cidr(&self) -> Cidr {
        Cidr::new(self.network, self.prefix)
    }

    /// The number of the last address.
    fn hosts(&self) -> u128 {
        !mask(self.network, self.prefix)
    }

    /// The number of the last address that a pod may have.
    fn last_pod(&self) -> u128 {
        match self.network {
            IpAddr::V4(_) => self.hosts() - 1,
            IpAddr::V6(_) => self.hosts().min((1 << IPV6_POD_BITS) - 1),
        }
    }

    fn at(&self, number: u128) -> IpAddr {
        match self.network {
            IpAddr::V4(network) => {
                let number = u32::try_from(number).expect("IPv4 addresses have 32 bits");
                IpAddr::V4(Ipv4Addr::from_bits(network.to_bits() | number))
            }
            IpAddr::V6(network) => IpAddr::V6(Ipv6Addr::from_bits(network.to_bits() | number)),
        }
    }

    fn number_of(&self, address: IpAddr) -> u128 {
        bits(address) & self.hosts()
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The bits of the prefix; in IPv4 those above the address are set too, so that what is left of a
/// complement are the host's.
fn mask(family: IpAddr, prefix: u8) -> u128 {
    let bits = if family.is_ipv4() { 32 } else { 128 };
    u128::MAX.checked_shl(bits - u32::from(prefix)).unwrap_or(0)
}

fn first_of(address: IpAddr, prefix: u8) -> IpAddr {
    let masked = bits(address) & mask(address, prefix);
    match address {
        IpAddr::V4(_) => {
            let masked = u32::try_from(masked).expect("a part of 32 bits has no more");
            IpAddr::V4(Ipv4Addr::from_bits(masked))
        }
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(masked)),
    }
}

/// Loopback, link-local, multicast and what stands for no address, whole or in part.
fn is_special(subnet: &Subnet) -> bool {
    const SPECIAL: [(IpAddr, u8); 7] = [
        (IpAddr::V4(Ipv4Addr::new(0, 0, 0, 0)), 8),
        (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
        (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
        (IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 3),
        (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 96),
        (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
        (IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8),
    ];
    SPECIAL.iter().any(|(network, prefix)| {
        let special = Subnet {
            network: *network,
            prefix: *prefix,
        };
        special.overlaps(subnet)
    })
}

impl FromStr for Subnet {
    type Err = InvalidSubnet;

    fn from_str(text: &str) -> Result<Self, InvalidSubnet> {
        let malformed = || InvalidSubnet::Malformed(text.to_owned());
        let (network, prefix) = text.split_once('/').ok_or_else(malformed)?;
        let network = network.parse().map_err(|_| malformed())?;
        let prefix = prefix.parse().map_err(|_| malformed())?;
        Self::new(network, prefix)
    }
}

impl TryFrom<String> for Subnet {
    type Error = InvalidSubnet;

    fn try_from(text: String) -> Result<Self, InvalidSubnet> {
        text.parse()
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> Self {
        subnet.to_string()
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_address_is_the_gateway_and_the_last_of_ipv4_the_broadcast() {
        let four = subnet("10.88.0.0/16");
        assert_eq!(four.gateway(), ip("10.88.0.1"));
        assert_eq!(four.broadcast(), Some(Ipv4Addr::new(10, 88, 255, 255)));
        assert_eq!(four.capacity(), 65_533);
        assert_eq!(four.to_string(), "10.88.0.0/16");
        let six = subnet("fd00:88::/64");
        assert_eq!(six.gateway(), ip("fd00:88::1"));
        assert_eq!(six.broadcast(), None);
        assert_eq!(six.to_string(), "fd00:88::/64");
    }

    #[test]
    fn a_huge_ipv6_network_has_no_more_pods_than_a_node_can_have() {
        for text in ["fd00::/8", "fd00:88::/64", "fd00:88::/112"] {
            assert_eq!(subnet(text).capacity(), 65_534, "{text}");
        }
        assert_eq!(subnet("fd00:88::/126").capacity(), 2);
        let network = subnet("fd00:88::/64");
        assert!(network.is_for_pods(ip("fd00:88::ffff")));
        assert!(!network.is_for_pods(ip("fd00:88::1:0")));
        assert_eq!(network.following(ip("fd00:88::ffff")), ip("fd00:88::2"));
    }

    #[test]
    fn network_gateway_broadcast_and_strangers_are_not_for_pods() {
        let subnet = subnet("10.1.2.0/29");
        for text in ["10.1.2.0", "10.1.2.1", "10.1.2.7", "10.1.1.255", "10.1.2.8"] {
            assert!(!subnet.is_for_pods(ip(text)), "{text}");
        }
        assert!(!subnet.is_for_pods(ip("::10.1.2.2")), "of the other family");
        assert!(subnet.is_for_pods(ip("10.1.2.2")));
        assert!(subnet.is_for_pods(ip("10.1.2.6")));
    }

    #[test]
    fn following_goes_round_over_every_pod_address_once() {
        for (text, first, last) in [
            ("10.1.2.0/29", "10.1.2.2", "10.1.2.6"),
            ("fd00::8/125", "fd00::a", "fd00::f"),
        ] {
            let subnet = subnet(text);
            let mut address = subnet.gateway();
            for number in 0..subnet.capacity() {
                address = subnet.following(address);
                assert!(subnet.is_for_pods(address));
                assert_eq!(number == 0, address == ip(first), "{address}");
            }
            assert_eq!(address, ip(last));
            assert_eq!(subnet.following(address), ip(first));
            assert_eq!(subnet.following(ip("255.255.255.255")), ip(first));
        }
    }

    #[test]
    fn networks_overlap_when_one_is_in_the_other() {
        for (one, other, expected) in [
            ("10.0.0.0/8", "10.1.0.0/16", true),
            ("10.1.0.0/16", "10.0.0.0/8", true),
            ("10.1.0.0/16", "10.2.0.0/16", false),
            ("fd00::/64", "fd00::/112", true),
            ("fd00::/64", "fd00:0:0:1::/64", false),
        ] {
            let overlap = subnet(one).overlaps(&subnet(other));
            assert_eq!(overlap, expected, "{one} {other}");
        }
    }

    #[test]
    fn what_is_not_a_pod_network_is_refused() {
        let malformed = |text: &str| Err(InvalidSubnet::Malformed(text.to_owned()));
        for text in ["", "10.0.0.0", "10.0.0/8", "10.0.0.0/", "fd00:/8", "x/8"] {
            assert_eq!(text.parse::<Subnet>(), malformed(text));
        }
        for (text, says) in [
            ("10.0.0.0/0", "the prefix must be between 8 and 30"),
            ("10.0.0.0/31", "the prefix must be between 8 and 30"),
            ("10.0.0.0/200", "the prefix must be between 8 and 30"),
            ("fd00::/127", "the prefix must be between 8 and 126"),
            (
                "10.88.0.1/16",
                "10.88.0.1/16 has bits set behind its prefix: write 10.88.0.0/16",
            ),
            (
                "fd00::5/64",
                "fd00::5/64 has bits set behind its prefix: write fd00::/64",
            ),
            ("127.0.0.0/16", "is not for pods"),
            ("224.0.0.0/8", "is not for pods"),
            ("fe80::/64", "is not for pods"),
            ("::/96", "is not for pods"),
        ] {
            let error = text.parse::<Subnet>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
