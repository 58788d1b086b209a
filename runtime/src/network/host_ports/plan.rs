//! From what a pod asks for to the host ports it gets.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::HostPort;
use crate::model::SandboxId;
use crate::model::config::{PortMapping, Protocol};

/// Why a host port cannot be had.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HostPortError {
    /// Another pod has it.
    #[error("host port {port}/{protocol} is taken by sandbox {owner}")]
    Taken {
        /// The port.
        port: u16,
        /// Its transport.
        protocol: Protocol,
        /// Who has it.
        owner: SandboxId,
    },
    /// The pod asks twice for the same port.
    #[error("host port {port}/{protocol} is asked for twice")]
    Twice {
        /// The port.
        port: u16,
        /// Its transport.
        protocol: Protocol,
    },
    /// ::1 leads nowhere on this machine.
    #[error(
        "host port {0} on ::1 cannot lead to a pod while bridges ask ip6tables (net.bridge.bridge-nf-call-ip6tables is 1): set that to 0 or use another address"
    )]
    Loopback(u16),
    /// The pod has no address in the family of the host's address.
    #[error("host port {port} on {host_ip}: the pod has no address of that family")]
    Family {
        /// The port.
        port: u16,
        /// The address of this machine.
        host_ip: IpAddr,
    },
}

/// The host ports that `mappings` ask for, for a pod with `addresses`; those that `others` have are
/// refused. A mapping without a host port asks for nothing.
pub(in crate::network) fn host_ports(
    mappings: &[PortMapping],
    addresses: &[IpAddr],
    others: &BTreeMap<SandboxId, Vec<HostPort>>,
) -> Result<Vec<HostPort>, HostPortError> {
    let mut ports: Vec<HostPort> = Vec::new();
    for mapping in mappings.iter().filter(|mapping| mapping.host_port != 0) {
        let wanted = of_mapping(mapping, addresses)?;
        for port in &wanted {
            let (number, protocol) = (port.host_port, port.protocol);
            if ports.iter().any(|other| collide(port, other)) {
                return Err(HostPortError::Twice {
                    port: number,
                    protocol,
                });
            }
            if let Some(owner) = owner_of(port, others) {
                return Err(HostPortError::Taken {
                    port: number,
                    protocol,
                    owner: owner.clone(),
                });
            }
        }
        ports.extend(wanted);
    }
    Ok(ports)
}

/// One for each address of the pod that the mapping's address on the host can lead to.
fn of_mapping(mapping: &PortMapping, addresses: &[IpAddr]) -> Result<Vec<HostPort>, HostPortError> {
    let host_ip = mapping.host_ip.filter(|address| !address.is_unspecified());
    let leads_to = |address: &&IpAddr| match mapping.host_ip {
        Some(host_ip) => host_ip.is_ipv4() == address.is_ipv4(),
        None => true,
    };
    let port = |address: &IpAddr| HostPort {
        protocol: mapping.protocol,
        host_ip,
        host_port: mapping.host_port,
        address: *address,
        port: mapping.container_port,
    };
    let ports: Vec<_> = addresses.iter().filter(leads_to).map(port).collect();
    match (ports.is_empty(), mapping.host_ip) {
        (true, Some(host_ip)) => Err(HostPortError::Family {
            port: mapping.host_port,
            host_ip,
        }),
        _ => Ok(ports),
    }
}

fn owner_of<'a>(
    port: &HostPort,
    others: &'a BTreeMap<SandboxId, Vec<HostPort>>,
) -> Option<&'a SandboxId> {
    let has_it = |ports: &[HostPort]| ports.iter().any(|other| collide(port, other));
    let owner = others.iter().find(|(_, ports)| has_it(ports));
    owner.map(|(id, _)| id)
}

/// Whether a packet could be meant for either.
fn collide(one: &HostPort, other: &HostPort) -> bool {
    let same_address = match (one.host_ip, other.host_ip) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    same_address
        && one.protocol == other.protocol
        && one.host_port == other.host_port
        && one.address.is_ipv4() == other.address.is_ipv4()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn mapping(host_port: u16, host_ip: &str) -> PortMapping {
        PortMapping {
            protocol: Protocol::Tcp,
            container_port: 80,
            host_port,
            host_ip: host_ip.parse().ok(),
        }
    }

    fn plan(mappings: &[PortMapping]) -> Result<Vec<HostPort>, HostPortError> {
        let six = "fd00::2".parse().unwrap();
        host_ports(mappings, &[POD, six], &BTreeMap::new())
    }

    #[test]
    fn a_mapping_leads_to_every_address_of_the_pod_that_its_host_address_can_reach() {
        let addresses = |host_ip: &str| {
            let ports = plan(&[mapping(8080, host_ip)]).unwrap();
            ports
                .iter()
                .map(|port| (port.host_ip.is_none(), port.address.to_string()))
                .collect::<Vec<_>>()
        };
        let (four, six) = ("10.0.0.2".to_owned(), "fd00::2".to_owned());
        assert_eq!(addresses(""), [(true, four.clone()), (true, six.clone())]);
        assert_eq!(addresses("0.0.0.0"), [(true, four.clone())]);
        assert_eq!(addresses("::"), [(true, six.clone())]);
        assert_eq!(addresses("192.0.2.1"), [(false, four)]);
        assert_eq!(addresses("2001:db8::1"), [(false, six)]);
    }

    #[test]
    fn a_mapping_without_a_host_port_asks_for_nothing() {
        assert_eq!(plan(&[mapping(0, "")]), Ok(Vec::new()));
    }

    #[test]
    fn a_port_is_one_pods_on_one_address() {
        let twice = plan(&[mapping(8080, ""), mapping(8080, "127.0.0.1")]);
        assert!(matches!(
            twice,
            Err(HostPortError::Twice { port: 8080, .. })
        ));
        plan(&[mapping(8080, "127.0.0.1"), mapping(8080, "127.0.0.2")]).unwrap();

        let owner = SandboxId::from_random([1; 32]);
        let others = BTreeMap::from([(owner.clone(), plan(&[mapping(8080, "")]).unwrap())]);
        let taken = host_ports(&[mapping(8080, "192.0.2.1")], &[POD], &others);
        assert!(matches!(taken, Err(HostPortError::Taken { owner: by, .. }) if by == owner));
        let mut udp = mapping(8080, "");
        udp.protocol = Protocol::Udp;
        host_ports(&[udp], &[POD], &others).unwrap();
    }

    #[test]
    fn a_host_address_that_leads_to_no_address_of_the_pod_is_refused() {
        let refused = host_ports(&[mapping(8080, "::1")], &[POD], &BTreeMap::new());
        assert!(matches!(
            refused,
            Err(HostPortError::Family { port: 8080, .. })
        ));
    }
}
