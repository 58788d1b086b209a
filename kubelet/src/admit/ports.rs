//! Whether ports of the host that a pod asks for are free of other pods.

use std::net::{IpAddr, Ipv4Addr};

use crate::model::{Pod, Protocol};

type Port = (IpAddr, Protocol, u16);

/// Whether no other pod has one of the ports of the host that a pod asks for.
pub(super) fn are_free(pod: &Pod, others: &[&Pod]) -> bool {
    of_host(pod).all(|own| {
        let mut taken = others.iter().flat_map(|other| of_host(other));
        taken.all(|other| !collide(own, other))
    })
}

/// The same port of the same address; the address of all is the address of each.
fn collide(one: Port, other: Port) -> bool {
    let all = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let same_address = one.0 == other.0 || one.0 == all || other.0 == all;
    same_address && (one.1, one.2) == (other.1, other.2)
}

/// Ports of containers and sidecars: other init containers are gone when the others run.
fn of_host(pod: &Pod) -> impl Iterator<Item = Port> {
    let containers = pod.spec.containers.iter().chain(pod.spec.sidecars());
    let ports = containers.flat_map(|container| &container.ports);
    ports.filter_map(|port| {
        let number = port.host_port.filter(|number| *number > 0)?;
        let all = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Some((port.host_ip.unwrap_or(all), port.protocol, number))
    })
}
