//! CNI networks with the plugins of Debian's containernetworking-plugins, in a network namespace that
//! stands for the host: pods are reached under their addresses and over host ports, and everything
//! that the plugins made is taken back. The machine's network is not touched.
//!
//! Needs root, containernetworking-plugins, iptables and iproute2.

mod failures;
mod world;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use podling_runtime::model::SandboxId;
use podling_runtime::model::config::{PortMapping, Protocol};
use podling_runtime::network::Readiness;
use world::{Pod, World, speak};

#[test]
fn a_pod_is_reached_under_its_address_and_over_its_host_port_and_leaves_no_trace() {
    let world = World::new();
    let network = world.open();
    let status = world.on_host(|| network.status());
    let remark = String::new();
    assert_eq!(status.readiness, Readiness::Ready { remark });
    let pod = Pod::start();
    let other = Pod::start();
    let mut request = pod.request(1);
    request.wishes.port_mappings = vec![PortMapping {
        protocol: Protocol::Tcp,
        container_port: 80,
        host_port: 8080,
        host_ip: None,
    }];
    let limits = ["ingress", "egress"]
        .map(|way| (format!("kubernetes.io/{way}-bandwidth"), "1G".to_owned()));
    request.wishes.annotations.extend(limits);
    let addresses = world.attach(&network, &request);
    world.attach(&network, &other.request(2));
    assert_eq!((addresses.len(), world.leases().len()), (1, 2));

    let inside = SocketAddr::new(addresses[0], 80);
    for (from, to) in [
        (&world.host, inside),
        (&other.netns, inside),
        (&world.host, SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))),
        (&other.netns, SocketAddr::from(([10, 214, 0, 1], 8080))),
    ] {
        let serving = pod.serve(inside);
        speak(from, to);
        serving.join().unwrap();
    }
    world.on_host(|| network.check_all()).unwrap();

    for n in 1..=2 {
        let id = SandboxId::from_random([n; 32]);
        world.on_host(|| network.detach(&id)).unwrap();
    }
    assert_eq!(world.leases(), Vec::<String>::new());
    assert_eq!(world.traces(), Vec::<String>::new());
}

#[test]
fn a_pod_whose_pause_was_killed_leaves_no_trace_either() {
    let world = World::new();
    let network = world.open();
    let pod = Pod::start();
    let request = pod.request(1);
    world.attach(&network, &request);
    drop(pod);
    world.on_host(|| network.detach(&request.id)).unwrap();
    assert_eq!(world.leases(), Vec::<String>::new());
    assert_eq!(world.traces(), Vec::<String>::new());
}

#[test]
fn the_address_of_a_pod_that_is_gone_is_free_after_a_start() {
    let world = World::new();
    let network = world.open();
    let pod = Pod::start();
    world.attach(&network, &pod.request(1));
    drop((network, pod));
    let network = world.open();
    let detached = world.on_host(|| network.retain(&BTreeSet::new())).unwrap();
    assert_eq!(detached, [SandboxId::from_random([1; 32])]);
    assert_eq!(world.leases(), Vec::<String>::new());
}
