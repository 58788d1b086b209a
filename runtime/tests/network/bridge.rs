//! The bridge: pods, host and outside, and what is mended.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;

use crate::world::{
    BRIDGE, HOST_UPLINK, OUTSIDE, World, id, interfaces, reservations, run_in, source_seen, veth,
};
use podling_runtime::network::{
    AttachError, BridgeError, Family, NotReady, OpenError, OpenReservationsError, bring_loopback_up,
};
use podling_runtime::sys::netns;

#[test]
fn pods_and_host_reach_each_other_under_their_own_addresses() {
    let world = World::new();
    let network = world.open();
    let first = world.pod(&network, 1);
    let second = world.pod(&network, 2);
    assert_eq!(first.address, world.address(2));
    assert_eq!(second.address, world.address(3));
    let seen = source_seen(&second.netns, second.address, &first.netns);
    assert_eq!(seen, first.address, "pod to pod");
    let seen = source_seen(&first.netns, first.address, &world.host);
    assert_eq!(seen, world.gateway(), "host to pod");
    let seen = source_seen(&world.host, world.gateway(), &first.netns);
    assert_eq!(seen, first.address, "pod to host");
    let seen = source_seen(&first.netns, first.address, &first.netns);
    assert_eq!(seen, first.address, "pod to itself");
}

#[test]
fn a_pod_reaches_the_outside_under_the_hosts_address() {
    let world = World::new();
    let network = world.open();
    let pod = world.pod(&network, 1);
    let outside = world.outside();
    assert_eq!(source_seen(&outside, OUTSIDE, &pod.netns), HOST_UPLINK);
}

#[test]
fn a_pod_without_a_bridge_has_its_loopback_alone() {
    let netns = netns::create().unwrap();
    bring_loopback_up(netns.as_fd()).unwrap();
    let seen = source_seen(&netns, Ipv4Addr::LOCALHOST, &netns);
    assert_eq!(seen, Ipv4Addr::LOCALHOST);
}

#[test]
fn a_pod_has_its_loopback_too() {
    let world = World::new();
    let network = world.open();
    let pod = world.pod(&network, 1);
    let seen = source_seen(&pod.netns, Ipv4Addr::LOCALHOST, &pod.netns);
    assert_eq!(seen, Ipv4Addr::LOCALHOST);
}

#[test]
fn an_address_moves_to_the_next_pod_even_while_the_last_one_lingers() {
    let world = World::with_cidr("10.213.7.0/29");
    let network = world.open();
    let witness = world.pod(&network, 100);
    let mut lingering = Vec::new();
    for n in 0..12 {
        let pod = world.pod(&network, n);
        let seen = source_seen(&pod.netns, pod.address, &witness.netns);
        assert_eq!(seen, witness.address);
        source_seen(&pod.netns, pod.address, &world.host);
        network.release(&id(n)).unwrap();
        lingering.push(pod);
    }
}

#[test]
fn attaching_again_changes_nothing() {
    let world = World::new();
    let network = world.open();
    let pod = world.pod(&network, 1);
    let before = interfaces(&world.host);
    network
        .attach(&id(1), pod.netns.as_fd(), &pod.addresses, &[])
        .unwrap();
    assert_eq!(interfaces(&world.host), before);
    source_seen(&pod.netns, pod.address, &world.host);
}

#[test]
fn a_half_made_pod_is_completed_by_the_next_try() {
    let world = World::new();
    let network = world.open();
    let pod = world.pod(&network, 1);
    run_in(&world.host, &["link", "set", &veth(1), "nomaster"]);
    run_in(&world.host, &["link", "set", &veth(1), "down"]);
    run_in(&pod.netns, &["addr", "flush", "dev", "eth0"]);
    run_in(&pod.netns, &["link", "set", "lo", "down"]);
    network
        .attach(&id(1), pod.netns.as_fd(), &pod.addresses, &[])
        .unwrap();
    source_seen(&pod.netns, pod.address, &world.host);
    source_seen(&pod.netns, Ipv4Addr::LOCALHOST, &pod.netns);
}

#[test]
fn a_veth_left_by_an_earlier_life_of_the_sandbox_is_replaced() {
    let world = World::new();
    let network = world.open();
    let earlier = world.pod(&network, 1);
    let again = world.pod(&network, 1);
    assert_eq!(again.address, earlier.address);
    source_seen(&again.netns, again.address, &world.host);
    assert_eq!(interfaces(&earlier.netns), ["lo"]);
}

#[test]
fn a_namespace_with_another_eth0_is_left_alone() {
    let world = World::new();
    let network = world.open();
    let netns = netns::create().unwrap();
    run_in(&netns, &["link", "add", "eth0", "type", "bridge"]);
    let ips = network.reserve(&id(1)).unwrap();
    let refused = network.attach(&id(1), netns.as_fd(), &ips, &[]);
    assert!(matches!(refused, Err(AttachError::Link { .. })));
    assert_eq!(interfaces(&world.host), ["lo", BRIDGE]);
}

#[test]
fn an_address_that_the_network_does_not_give_is_refused() {
    let world = World::new();
    let network = world.open();
    let netns = netns::create().unwrap();
    for ip in [world.gateway(), HOST_UPLINK.into()] {
        let refused = network.attach(&id(1), netns.as_fd(), &[ip], &[]);
        assert!(matches!(refused, Err(AttachError::Address { .. })), "{ip}");
    }
}

#[test]
fn opening_again_keeps_bridge_reservations_and_running_pods() {
    let world = World::new();
    let network = world.open();
    let pod = world.pod(&network, 1);
    let before = interfaces(&world.host);
    drop(network);
    let network = world.open();
    assert_eq!(interfaces(&world.host), before);
    assert_eq!(network.reserve(&id(1)).unwrap(), pod.addresses);
    source_seen(&pod.netns, pod.address, &world.host);
    let freed = network.retain(&BTreeSet::new()).unwrap();
    assert_eq!(freed, [id(1)]);
    assert_eq!(reservations(world.state.path()), [""; 0]);
}

#[test]
fn one_state_directory_is_open_once() {
    let world = World::new();
    let _network = world.open();
    let Err(OpenError::Reservations { source, .. }) = world.try_open() else {
        panic!("a second network took the same reservations");
    };
    assert!(matches!(source, OpenReservationsError::Locked(_)));
}

#[test]
fn ready_tells_what_is_missing_and_repair_mends_it() {
    let world = World::new();
    let network = world.open();
    let ready = || world.on_host(|| network.ready());
    let repair = || world.on_host(|| network.repair()).unwrap();
    ready().unwrap();

    run_in(&world.host, &["link", "set", BRIDGE, "down"]);
    assert!(matches!(ready(), Err(NotReady::Down(_))));
    repair();
    run_in(&world.host, &["addr", "flush", "dev", BRIDGE]);
    assert!(matches!(ready(), Err(NotReady::Address { .. })));
    repair();
    world
        .on_host(|| fs::write("/proc/sys/net/ipv4/ip_forward", "0"))
        .unwrap();
    assert!(matches!(ready(), Err(NotReady::Forwarding(Family::Ipv4))));
    repair();
    run_in(&world.host, &["link", "delete", BRIDGE]);
    assert!(matches!(ready(), Err(NotReady::Missing(_))));
    repair();
    ready().unwrap();
}

#[test]
fn a_bridge_that_vanished_is_made_again_for_the_next_pod() {
    let world = World::new();
    let network = world.open();
    run_in(&world.host, &["link", "delete", BRIDGE]);
    let pod = world.pod(&network, 1);
    source_seen(&pod.netns, pod.address, &world.host);
}

#[test]
fn an_interface_of_somebody_else_is_neither_used_nor_removed() {
    let world = World::new();
    let foreign = ["link", "add", BRIDGE, "type", "bridge"];
    run_in(&world.host, &foreign);
    let Err(OpenError::Bridge { source, .. }) = world.try_open() else {
        panic!("the bridge of somebody else was taken over");
    };
    assert!(matches!(source, BridgeError::Foreign(_)));

    run_in(&world.host, &["link", "delete", BRIDGE]);
    let network = world.open();
    run_in(&world.host, &["link", "delete", BRIDGE]);
    run_in(&world.host, &foreign);
    assert!(matches!(
        world.on_host(|| network.ready()),
        Err(NotReady::Foreign(_))
    ));
    network.tear_down().unwrap();
    assert_eq!(interfaces(&world.host), ["lo", BRIDGE]);
}

#[test]
fn tearing_down_removes_bridge_and_nat_and_may_be_repeated() {
    let world = World::new();
    let network = world.open();
    let outside = world.outside();
    let pod = world.pod(&network, 1);
    assert_eq!(source_seen(&outside, OUTSIDE, &pod.netns), HOST_UPLINK);
    world.on_host(|| network.tear_down()).unwrap();
    world.on_host(|| network.tear_down()).unwrap();
    assert_eq!(interfaces(&world.host), ["lo", &veth(1), "uplink"]);
    assert!(matches!(
        world.on_host(|| network.ready()),
        Err(NotReady::Missing(_))
    ));
    assert_eq!(reservations(world.state.path()).len(), 1);
}

#[test]
fn a_masquerade_rule_that_was_flushed_is_missed_and_mended() {
    let world = World::new();
    let network = world.open();
    // All but the rule comes back by hand.
    world.on_host(|| network.tear_down()).unwrap();
    let mac = "72:70:0a:d5:07:01";
    run_in(
        &world.host,
        &["link", "add", BRIDGE, "address", mac, "type", "bridge"],
    );
    run_in(&world.host, &["link", "set", BRIDGE, "up"]);
    run_in(
        &world.host,
        &["addr", "add", "10.213.7.1/24", "dev", BRIDGE],
    );
    let ready = || world.on_host(|| network.ready());
    assert!(matches!(ready(), Err(NotReady::Masquerade(_))));
    world.on_host(|| network.repair()).unwrap();
    ready().unwrap();
}
