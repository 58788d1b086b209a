//! What of a pod CIDR the host's network has already: routes and addresses on other interfaces.

use std::collections::BTreeMap;

use super::cidr::Cidr;
use super::link;
use super::netlink::{Connection, NetlinkError};
use super::pod_cidr::PodCidr;
use super::subnet::Subnet;

/// Something the host has.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Taken {
    what: Cidr,
    interface: u32,
    /// Whether it is on the interface itself, and not behind a gateway.
    is_direct: bool,
}

/// A network of pods that would take something from the host.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{subnet} overlaps with {taken} on {interface} of this machine")]
pub struct Conflict {
    subnet: Subnet,
    taken: String,
    interface: String,
}

/// Looks for the first conflict of `cidr` with anything but the bridge.
pub(super) fn conflict(
    host: &mut Connection,
    bridge: Option<u32>,
    cidr: PodCidr,
) -> Result<Option<Conflict>, NetlinkError> {
    let taken = taken(host, bridge)?;
    let Some((subnet, taken)) = decide(cidr, &taken) else {
        return Ok(None);
    };
    let links = host.ask(&link::list_links())?;
    let names: BTreeMap<u32, String> = links
        .iter()
        .filter_map(|body| link::read_name(body))
        .collect();
    let interface = names.get(&taken.interface).cloned();
    Ok(Some(Conflict {
        subnet,
        taken: taken.what.to_string(),
        interface: interface.unwrap_or_else(|| "an interface".to_owned()),
    }))
}

fn taken(host: &mut Connection, bridge: Option<u32>) -> Result<Vec<Taken>, NetlinkError> {
    let routes = host.ask(&link::list_routes())?;
    let routes = routes.iter().filter_map(|body| link::read_route(body));
    let routes = routes.map(|route| Taken {
        what: Cidr::new(route.to, route.prefix),
        interface: route.interface,
        is_direct: route.is_direct,
    });
    let addresses = host.ask(&link::list_addresses())?;
    let addresses = addresses.iter().filter_map(|body| link::read_address(body));
    let addresses = addresses.map(|(interface, address, _)| Taken {
        what: Cidr::of_one(address),
        interface,
        is_direct: true,
    });
    let all = routes.chain(addresses);
    Ok(all
        .filter(|taken| Some(taken.interface) != bridge)
        .collect())
}

/// A route into the network of pods, or to all of it, would lead some pods' packets elsewhere; a
/// wider one loses what the pods get, which matters where neighbours are, and not behind a gateway: a
/// cluster's network is often routed as a whole.
fn decide(cidr: PodCidr, taken: &[Taken]) -> Option<(Subnet, &Taken)> {
    let is_in_the_way = |subnet: &Subnet, taken: &&Taken| {
        let is_wider = taken.what.prefix() < subnet.prefix();
        match (taken.what.prefix(), is_wider) {
            (0, _) => false,
            (_, true) => taken.is_direct && taken.what.contains(subnet.network()),
            (_, false) => subnet.contains(taken.what.network()),
        }
    };
    cidr.subnets().find_map(|subnet| {
        let found = taken.iter().find(|taken| is_in_the_way(&subnet, taken));
        found.map(|taken| (subnet, taken))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str, is_direct: bool) -> Taken {
        let (network, prefix) = text.split_once('/').unwrap();
        Taken {
            what: Cidr::new(network.parse().unwrap(), prefix.parse().unwrap()),
            interface: 7,
            is_direct,
        }
    }

    fn is_refused(cidr: &str, taken: Taken) -> bool {
        decide(cidr.parse().unwrap(), &[taken]).is_some()
    }

    #[test]
    fn what_the_host_has_is_not_given_to_pods() {
        let cidr = "10.88.0.0/16,fd88::/64";
        for (taken, is_direct, expected) in [
            ("0.0.0.0/0", true, false),
            ("::/0", false, false),
            ("10.0.0.0/8", true, true),
            ("10.0.0.0/8", false, false),
            ("10.88.0.0/16", false, true),
            ("10.88.7.0/24", false, true),
            ("10.88.7.1/32", true, true),
            ("10.89.0.0/16", true, false),
            ("fd88::1/128", true, true),
            ("fd88::/48", true, true),
            ("fd89::/48", true, false),
            ("fe80::/64", true, false),
        ] {
            assert_eq!(
                is_refused(cidr, one(taken, is_direct)),
                expected,
                "{taken} {is_direct}"
            );
        }
    }

    #[test]
    fn a_conflict_is_told_with_both_sides() {
        let conflict = Conflict {
            subnet: "10.88.0.0/16".parse().unwrap(),
            taken: "10.0.0.0/8".to_owned(),
            interface: "eth0".to_owned(),
        };
        let said = "10.88.0.0/16 overlaps with 10.0.0.0/8 on eth0 of this machine";
        assert_eq!(conflict.to_string(), said);
    }
}
