//! Another pod CIDR while pods run.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail as a test does")]

use std::fs;
use std::net::IpAddr;
use std::os::fd::AsFd;

use crate::world::{BRIDGE, HOST_UPLINK, OUTSIDE, OUTSIDE_V6, Pod, World, id, run_in, source_seen};
use podling_runtime::network::{BridgeNetwork, MoveError, OpenError, PodCidr};

fn cidr(text: &str) -> PodCidr {
    text.parse().unwrap()
}

fn take_on(world: &World, network: &BridgeNetwork, text: &str) -> Result<(), MoveError> {
    world.on_host(|| network.take_on(cidr(text)))
}

/// The addresses of the bridge with their prefixes, but the one that every interface has.
fn gateways(world: &World) -> Vec<String> {
    let listing = run_in(&world.host, &["-o", "addr", "show", "dev", BRIDGE]);
    let words = listing
        .lines()
        .filter_map(|line| line.split_whitespace().nth(3));
    let mut gateways: Vec<_> = words.map(str::to_owned).collect();
    gateways.retain(|address| !address.starts_with("fe80:"));
    gateways.sort();
    gateways
}

fn assert_meet(one: &Pod, other: &Pod) {
    let (there, back) = (one.address, other.address);
    assert_eq!(
        source_seen(&other.netns, back, &one.netns),
        there,
        "{there} to {back}"
    );
    assert_eq!(
        source_seen(&one.netns, there, &other.netns),
        back,
        "{back} to {there}"
    );
}

#[test]
fn new_pods_get_new_addresses_and_the_others_keep_theirs_and_their_connections() {
    let world = World::new();
    let network = world.open();
    let outside = world.outside();
    let first = world.pod(&network, 1);
    take_on(&world, &network, "10.213.9.0/24,fd00:213:9::/64").unwrap();
    let second = world.pod(&network, 2);
    let expected: [IpAddr; 2] = ["10.213.9.2", "fd00:213:9::2"].map(|ip| ip.parse().unwrap());
    assert_eq!(second.addresses, expected);
    assert_eq!(network.reserve(&id(1)).unwrap(), first.addresses);
    assert_meet(&first, &second);
    for pod in [&first, &second] {
        source_seen(&pod.netns, pod.address, &world.host);
        assert_eq!(source_seen(&outside, OUTSIDE, &pod.netns), HOST_UPLINK);
    }
    source_seen(&outside, OUTSIDE_V6, &second.netns);
    world.on_host(|| network.ready()).unwrap();

    world.on_host(|| network.release(&id(1))).unwrap();
    assert_eq!(gateways(&world), ["10.213.9.1/24", "fd00:213:9::1/64"]);
    world.on_host(|| network.ready()).unwrap();
    source_seen(&second.netns, second.address, &world.host);
}

#[test]
fn a_pod_that_had_its_address_before_is_attached_after() {
    let world = World::new();
    let network = world.open();
    let ips = network.reserve(&id(1)).unwrap();
    take_on(&world, &network, "10.213.9.0/24").unwrap();
    let netns = podling_runtime::sys::netns::create().unwrap();
    world
        .on_host(|| network.attach(&id(1), netns.as_fd(), &ips, &[]))
        .unwrap();
    source_seen(&netns, ips[0], &world.host);
}

#[test]
fn a_network_without_pods_is_left_at_once_and_may_come_back() {
    let world = World::new();
    let network = world.open();
    take_on(&world, &network, "fd00:213:9::/64").unwrap();
    assert_eq!(gateways(&world), ["fd00:213:9::1/64"]);
    take_on(&world, &network, "10.213.7.0/24").unwrap();
    assert_eq!(gateways(&world), ["10.213.7.1/24"]);
    take_on(&world, &network, "10.213.7.0/24").unwrap();
    let pod = world.pod(&network, 1);
    source_seen(&pod.netns, pod.address, &world.host);
}

#[test]
fn what_was_taken_on_outlives_the_daemon_until_the_flag_is_another() {
    let world = World::new();
    let network = world.open();
    let first = world.pod(&network, 1);
    take_on(&world, &network, "10.213.9.0/24").unwrap();
    drop(network);
    let network = world.open();
    let second = world.pod(&network, 2);
    assert_eq!(second.address, IpAddr::from([10, 213, 9, 2]));
    assert_meet(&first, &second);
    drop(network);

    let world = world.with_other_cidr("10.213.11.0/24");
    let network = world.open();
    let third = world.pod(&network, 3);
    assert_eq!(third.address, IpAddr::from([10, 213, 11, 2]));
    assert_meet(&first, &third);
    assert_meet(&second, &third);
    world.on_host(|| network.retain(&[id(3)].into())).unwrap();
    assert_eq!(gateways(&world), ["10.213.11.1/24"]);
}

#[test]
fn a_pod_cidr_that_the_hosts_network_has_is_refused_by_name_and_changes_nothing() {
    let world = World::new();
    let network = world.open();
    let _outside = world.outside();
    let route = ["route", "add", "10.77.0.0/16", "via", "203.0.113.2"];
    run_in(&world.host, &route);
    let before = (
        gateways(&world),
        fs::read(world.state.path().join("pod-cidr")).unwrap(),
    );
    for (text, says) in [
        (
            "203.0.113.128/25",
            "203.0.113.128/25 overlaps with 203.0.113.0/24 on uplink",
        ),
        (
            "10.213.9.0/24,2001:db8::/80",
            "2001:db8::/80 overlaps with 2001:db8::/64 on uplink",
        ),
        (
            "10.0.0.0/8",
            "10.0.0.0/8 overlaps with 10.77.0.0/16 on uplink",
        ),
    ] {
        let refused = take_on(&world, &network, text).unwrap_err();
        let source = std::error::Error::source(&refused).expect("it says why");
        let said = source.to_string();
        assert!(said.starts_with(says), "{text}: {said}");
        assert!(refused.to_string().contains(text), "{refused}");
    }
    let after = (
        gateways(&world),
        fs::read(world.state.path().join("pod-cidr")).unwrap(),
    );
    assert_eq!(before, after);
    // A part of what is routed elsewhere as a whole is a node's of a cluster.
    take_on(&world, &network, "10.77.3.0/24").unwrap();
    assert_eq!(world.pod(&network, 1).address, IpAddr::from([10, 77, 3, 2]));
}

#[test]
fn no_pod_may_have_what_becomes_the_gateway() {
    let world = World::with_cidr("10.213.0.0/16");
    let network = world.open();
    let pod = world.pod(&network, 1);
    assert_eq!(pod.address, IpAddr::from([10, 213, 0, 2]));
    // 10.213.0.2 would be the broadcast address of no network, but the gateway of this one's half.
    let state = world.state.path().join("addresses");
    fs::write(state.join(format!("10.213.8.1@{}", id(2))), "").unwrap();
    drop(network);
    let network = world.open();
    let refused = take_on(&world, &network, "10.213.8.0/24").unwrap_err();
    assert!(matches!(refused, MoveError::InTheWay(_)), "{refused}");
    drop(network);
    let world = world.with_other_cidr("10.213.8.0/24");
    assert!(matches!(world.try_open(), Err(OpenError::InTheWay(_))));
}

#[test]
fn overlapping_networks_share_no_address() {
    let world = World::with_cidr("10.213.0.0/29");
    let network = world.open();
    let first = world.pod(&network, 1);
    take_on(&world, &network, "10.213.0.0/28").unwrap();
    // .1 is both networks' gateway, .2 the first pod's, .7 the former network's broadcast address.
    let mut pods = vec![first];
    for n in 2..=12 {
        pods.push(world.pod(&network, n));
    }
    let last = |pod: &Pod| match pod.address {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(_) => 0,
    };
    let given: Vec<u8> = pods.iter().map(last).collect();
    assert_eq!(given, [2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14]);
    assert!(network.reserve(&id(13)).is_err());
    assert_meet(&pods[0], &pods[1]);
    assert_meet(&pods[0], &pods[11]);
}

#[test]
fn a_flag_that_asked_for_too_much_is_forgotten_with_the_next_one() {
    let world = World::with_cidr(crate::world::DUAL);
    let off = "/proc/sys/net/ipv6/conf/all/disable_ipv6";
    world.on_host(|| fs::write(off, "1")).unwrap();
    assert!(world.try_open().is_err(), "there is no IPv6");
    let world = world.with_other_cidr("10.213.7.0/24");
    let network = world.open();
    let pod = world.pod(&network, 1);
    source_seen(&pod.netns, pod.address, &world.host);
    world.on_host(|| network.ready()).unwrap();
    let known = fs::read_to_string(world.state.path().join("pod-cidr")).unwrap();
    assert!(!known.contains("fd00:"), "{known}");
}
