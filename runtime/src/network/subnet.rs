//! The pod CIDR of one node: which addresses pods may have, and which one follows which.
//!
//! ```text
//! 10.88.0.0/16    10.88.0.0   network    never given
//!                 10.88.0.1   gateway    the bridge's own
//!                 10.88.0.2 … 10.88.255.254   pods
//!                 10.88.255.255 broadcast never given
//! ```
#![deny(clippy::disallowed_methods)]

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// An IPv4 network with room for at least one pod, as `10.88.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ipv4Subnet {
    network: Ipv4Addr,
    prefix: u8,
}

/// Why a text is not a pod CIDR.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidSubnet {
    /// Not of the form ADDRESS/PREFIX.
    #[error("{0:?} is not an IPv4 network: ADDRESS/PREFIX is expected, as 10.88.0.0/16")]
    Malformed(String),
    /// Bits behind the prefix are set.
    #[error("{given} has bits set behind its prefix: write {network}")]
    HostBits {
        /// What was given.
        given: String,
        /// The network it is part of.
        network: String,
    },
    /// Network, gateway, broadcast and one pod need four addresses.
    #[error("/{0} leaves no room for a pod: the prefix must be between 8 and 30")]
    Prefix(u8),
}

impl Ipv4Subnet {
    /// The network `network/prefix`.
    pub fn new(network: Ipv4Addr, prefix: u8) -> Result<Self, InvalidSubnet> {
        if !(8..=30).contains(&prefix) {
            return Err(InvalidSubnet::Prefix(prefix));
        }
        let subnet = Self {
            network: Ipv4Addr::from_bits(network.to_bits() & mask(prefix)),
            prefix,
        };
        if subnet.network == network {
            Ok(subnet)
        } else {
            Err(InvalidSubnet::HostBits {
                given: format!("{network}/{prefix}"),
                network: subnet.to_string(),
            })
        }
    }

    /// The address of the network itself.
    pub fn network(&self) -> Ipv4Addr {
        self.network
    }

    /// Length of the network part in bits.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// The netmask.
    pub fn mask(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(mask(self.prefix))
    }

    /// The address of the bridge: the first one.
    pub fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.to_bits() + 1)
    }

    /// The broadcast address: the last one.
    pub fn broadcast(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.to_bits() | !mask(self.prefix))
    }

    /// How many pods can have an address at once.
    pub fn capacity(&self) -> u32 {
        self.broadcast().to_bits() - self.gateway().to_bits() - 1
    }

    /// Whether a pod may have this address.
    pub fn is_for_pods(&self, address: Ipv4Addr) -> bool {
        self.gateway() < address && address < self.broadcast()
    }

    /// The pods' address after `address`, going round at the end; the first one when `address` is
    /// not a pod's.
    pub fn following(&self, address: Ipv4Addr) -> Ipv4Addr {
        let next = Ipv4Addr::from_bits(address.to_bits().wrapping_add(1));
        if self.is_for_pods(address) && self.is_for_pods(next) {
            next
        } else {
            Ipv4Addr::from_bits(self.gateway().to_bits() + 1)
        }
    }
}

impl FromStr for Ipv4Subnet {
    type Err = InvalidSubnet;

    fn from_str(text: &str) -> Result<Self, InvalidSubnet> {
        let malformed = || InvalidSubnet::Malformed(text.to_owned());
        let (network, prefix) = text.split_once('/').ok_or_else(malformed)?;
        let network = network.parse().map_err(|_| malformed())?;
        let prefix = prefix.parse().map_err(|_| malformed())?;
        Self::new(network, prefix)
    }
}

impl fmt::Display for Ipv4Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX << (32 - u32::from(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Ipv4Subnet {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_address_is_the_gateway_and_the_last_the_broadcast() {
        let subnet = subnet("10.88.0.0/16");
        assert_eq!(subnet.gateway(), Ipv4Addr::new(10, 88, 0, 1));
        assert_eq!(subnet.broadcast(), Ipv4Addr::new(10, 88, 255, 255));
        assert_eq!(subnet.mask(), Ipv4Addr::new(255, 255, 0, 0));
        assert_eq!(subnet.capacity(), 65_533);
        assert_eq!(subnet.to_string(), "10.88.0.0/16");
    }

    #[test]
    fn network_gateway_broadcast_and_strangers_are_not_for_pods() {
        let subnet = subnet("10.1.2.0/29");
        for text in ["10.1.2.0", "10.1.2.1", "10.1.2.7", "10.1.1.255", "10.1.2.8"] {
            assert!(!subnet.is_for_pods(text.parse().unwrap()), "{text}");
        }
        assert!(subnet.is_for_pods(Ipv4Addr::new(10, 1, 2, 2)));
        assert!(subnet.is_for_pods(Ipv4Addr::new(10, 1, 2, 6)));
    }

    #[test]
    fn following_goes_round_over_every_pod_address_once() {
        let subnet = subnet("10.1.2.0/29");
        let mut address = subnet.gateway();
        let mut seen = Vec::new();
        for _ in 0..subnet.capacity() {
            address = subnet.following(address);
            seen.push(address.octets()[3]);
        }
        assert_eq!(seen, [2, 3, 4, 5, 6]);
        assert_eq!(subnet.following(address), Ipv4Addr::new(10, 1, 2, 2));
        assert_eq!(
            subnet.following(Ipv4Addr::BROADCAST),
            Ipv4Addr::new(10, 1, 2, 2)
        );
    }

    #[test]
    fn what_is_not_a_pod_network_is_refused() {
        let malformed = |text: &str| Err(InvalidSubnet::Malformed(text.to_owned()));
        for text in ["", "10.0.0.0", "10.0.0/8", "10.0.0.0/", "fd00::/8", "x/8"] {
            assert_eq!(text.parse::<Ipv4Subnet>(), malformed(text));
        }
        for prefix in [0, 7, 31, 32] {
            let parsed = format!("0.0.0.0/{prefix}").parse::<Ipv4Subnet>();
            assert_eq!(parsed, Err(InvalidSubnet::Prefix(prefix)));
        }
        let error = "10.88.0.1/16".parse::<Ipv4Subnet>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "10.88.0.1/16 has bits set behind its prefix: write 10.88.0.0/16"
        );
    }
}
