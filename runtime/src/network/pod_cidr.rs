//! The pod CIDR of a node: one network, or one of each family. Every pod gets an address of each,
//! the primary family's first.
#![deny(clippy::disallowed_methods)]

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::subnet::{InvalidSubnet, Subnet};

/// One network, or an IPv4 and an IPv6 one in either order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PodCidr {
    primary: Subnet,
    secondary: Option<Subnet>,
}

/// Why a text is not a pod CIDR.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidPodCidr {
    /// A network of it is none.
    #[error(transparent)]
    Subnet(#[from] InvalidSubnet),
    /// Two networks of one family.
    #[error("{0} and {1} are of one family: at most one IPv4 and one IPv6 network are expected")]
    OneFamily(Subnet, Subnet),
    /// More than two.
    #[error("{0:?} has more than two networks: at most one IPv4 and one IPv6 network are expected")]
    TooMany(String),
}

impl PodCidr {
    /// Addresses of both networks, those of `primary` first.
    pub fn dual(primary: Subnet, secondary: Subnet) -> Result<Self, InvalidPodCidr> {
        if primary.family() == secondary.family() {
            return Err(InvalidPodCidr::OneFamily(primary, secondary));
        }
        Ok(Self {
            primary,
            secondary: Some(secondary),
        })
    }

    /// Its networks, the primary one first.
    pub fn subnets(&self) -> impl Iterator<Item = Subnet> + use<> {
        [Some(self.primary), self.secondary].into_iter().flatten()
    }

    /// The gateways of its networks.
    pub fn gateways(&self) -> Vec<IpAddr> {
        self.subnets().map(|subnet| subnet.gateway()).collect()
    }
}

impl From<Subnet> for PodCidr {
    fn from(primary: Subnet) -> Self {
        Self {
            primary,
            secondary: None,
        }
    }
}

impl FromStr for PodCidr {
    type Err = InvalidPodCidr;

    /// As flags and the kubelet write it: `10.88.0.0/16`, or `10.88.0.0/16,fd00:88::/64`.
    fn from_str(text: &str) -> Result<Self, InvalidPodCidr> {
        let mut subnets = text.split(',').map(|part| part.trim().parse::<Subnet>());
        let primary = subnets.next().expect("a split text has a first part")?;
        let Some(secondary) = subnets.next() else {
            return Ok(primary.into());
        };
        if subnets.next().is_some() {
            return Err(InvalidPodCidr::TooMany(text.to_owned()));
        }
        Self::dual(primary, secondary?)
    }
}

impl TryFrom<String> for PodCidr {
    type Error = InvalidPodCidr;

    fn try_from(text: String) -> Result<Self, InvalidPodCidr> {
        text.parse()
    }
}

impl From<PodCidr> for String {
    fn from(cidr: PodCidr) -> Self {
        cidr.to_string()
    }
}

impl fmt::Display for PodCidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.secondary {
            None => write!(f, "{}", self.primary),
            Some(secondary) => write!(f, "{},{secondary}", self.primary),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_cidr_has_one_network_or_one_of_each_family_in_the_given_order() {
        for text in [
            "10.88.0.0/16",
            "fd00:88::/64",
            "10.88.0.0/16,fd00:88::/64",
            "fd00:88::/64,10.88.0.0/16",
        ] {
            let cidr: PodCidr = text.parse().unwrap();
            assert_eq!(cidr.to_string(), text);
            let networks: Vec<_> = cidr.subnets().map(|subnet| subnet.to_string()).collect();
            assert_eq!(networks.join(","), text);
        }
        let spaced: PodCidr = " 10.88.0.0/16, fd00:88::/64".parse().unwrap();
        assert_eq!(spaced.to_string(), "10.88.0.0/16,fd00:88::/64");
    }

    #[test]
    fn two_networks_of_a_family_and_three_of_any_are_refused() {
        for (text, says) in [
            ("10.0.0.0/16,10.1.0.0/16", "are of one family"),
            ("fd00::/64,fd01::/64", "are of one family"),
            (
                "10.0.0.0/16,fd00::/64,fd01::/64",
                "has more than two networks",
            ),
            ("10.0.0.0/16,", "\"\" is not a network"),
            ("10.0.0.0/16;fd00::/64", "is not a network"),
        ] {
            let error = text.parse::<PodCidr>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
