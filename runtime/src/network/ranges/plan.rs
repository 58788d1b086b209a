//! Which networks the pods of the bridge are in: the pod CIDR that new pods get addresses of, and
//! former ones, of which some pods still have theirs.
//!
//! ```text
//! --pod-cidr ──► current ──(another one is handed over)──► former ──(its last pod goes)──► gone
//! ```
//!
//! What was handed over counts until the daemon is started with another `--pod-cidr`.
#![deny(clippy::disallowed_methods)]

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::network::pod_cidr::PodCidr;
use crate::network::subnet::Subnet;

/// The networks of a bridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::network) struct Ranges {
    /// What the daemon was told at the start at which it was last told something new.
    configured: PodCidr,
    current: PodCidr,
    former: Vec<Subnet>,
}

impl Ranges {
    /// Those of a first start.
    pub(in crate::network) fn begin(configured: PodCidr) -> Self {
        Self {
            configured,
            current: configured,
            former: Vec::new(),
        }
    }

    /// Those of a start with this flag.
    pub(in crate::network) fn configured_with(&self, configured: PodCidr) -> Self {
        if self.configured == configured {
            return self.clone();
        }
        Self {
            configured,
            ..self.moved_to(configured)
        }
    }

    /// The same with another pod CIDR for new pods. Whether pods are left in the others is to be seen.
    pub(in crate::network) fn moved_to(&self, current: PodCidr) -> Self {
        let mut former = self.all();
        former.retain(|subnet| current.subnets().all(|new| new != *subnet));
        Self {
            configured: self.configured,
            current,
            former,
        }
    }

    /// The same without these former networks.
    pub(in crate::network) fn without(&self, gone: &[Subnet]) -> Self {
        let mut ranges = self.clone();
        ranges.former.retain(|subnet| !gone.contains(subnet));
        ranges
    }

    /// The pod CIDR of new pods.
    pub(in crate::network) fn current(&self) -> PodCidr {
        self.current
    }

    /// Networks that new pods get no address of.
    pub(in crate::network) fn former(&self) -> &[Subnet] {
        &self.former
    }

    /// Every network, the current ones first.
    pub(in crate::network) fn all(&self) -> Vec<Subnet> {
        let former = self.former.iter().copied();
        self.current.subnets().chain(former).collect()
    }

    /// Addresses that mean something in a former network: no pod of an overlapping one may have them.
    pub(in crate::network) fn set_apart(&self) -> Vec<IpAddr> {
        let gateways = self.former.iter().map(Subnet::gateway);
        let broadcasts = self.former.iter().filter_map(Subnet::broadcast);
        gateways.chain(broadcasts.map(IpAddr::V4)).collect()
    }

    /// The network that a pod's address is of: the narrowest one.
    pub(in crate::network) fn network_of(&self, address: IpAddr) -> Option<Subnet> {
        let all = self.all().into_iter();
        let possible = all.filter(|subnet| subnet.is_for_pods(address));
        possible.max_by_key(Subnet::prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> PodCidr {
        text.parse().unwrap()
    }

    fn subnets(text: &str) -> Vec<Subnet> {
        text.split(',').map(|part| part.parse().unwrap()).collect()
    }

    #[test]
    fn a_pod_cidr_that_was_handed_over_counts_until_the_flag_is_another() {
        let flag = cidr("10.1.0.0/24");
        let ranges = Ranges::begin(flag).moved_to(cidr("10.2.0.0/24,fd02::/64"));
        assert_eq!(ranges.all(), subnets("10.2.0.0/24,fd02::/64,10.1.0.0/24"));
        assert_eq!(ranges.configured_with(flag), ranges);
        let restarted = ranges.configured_with(cidr("10.3.0.0/24"));
        assert_eq!(restarted.current(), cidr("10.3.0.0/24"));
        assert_eq!(
            restarted.former(),
            subnets("10.2.0.0/24,fd02::/64,10.1.0.0/24")
        );
        assert_eq!(restarted.configured_with(cidr("10.3.0.0/24")), restarted);
    }

    #[test]
    fn a_network_that_comes_back_or_stays_is_not_a_former_one() {
        let ranges = Ranges::begin(cidr("10.1.0.0/24")).moved_to(cidr("10.1.0.0/24,fd01::/64"));
        assert_eq!(ranges.former(), []);
        let back = ranges
            .moved_to(cidr("10.2.0.0/24"))
            .moved_to(cidr("10.1.0.0/24"));
        assert_eq!(back.former(), subnets("10.2.0.0/24,fd01::/64"));
        let gone = back.without(&subnets("10.2.0.0/24"));
        assert_eq!(gone.former(), subnets("fd01::/64"));
    }

    #[test]
    fn gateways_and_broadcasts_of_former_networks_are_set_apart() {
        let ranges = Ranges::begin(cidr("10.1.0.0/24,fd01::/64")).moved_to(cidr("10.0.0.0/8"));
        let expected: [IpAddr; 3] =
            ["10.1.0.1", "fd01::1", "10.1.0.255"].map(|ip| ip.parse().unwrap());
        assert_eq!(ranges.set_apart(), expected);
        let narrow = ranges.network_of("10.1.0.7".parse().unwrap());
        assert_eq!(narrow, Some(subnets("10.1.0.0/24")[0]));
    }
}
