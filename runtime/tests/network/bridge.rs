//! The bridge: pods, host and outside, and what is mended.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;

use crate::world::{
    BRIDGE, DUAL, HOST_UPLINK, HOST_UPLINK_V6, OUTSIDE, OUTSIDE_V6, POD_PORT, World,
    assert_addresses_move, assert_own_addresses, at, id, interfaces, listen, port, reservations,
    run, run_in, source_seen, source_seen_by, veth,
};
use podling_runtime::model::config::Protocol;
use podling_runtime::network::{
    AttachError, BridgeError, Family, NotReady, OpenError, OpenReservationsError, bring_loopback_up,
};
use podling_runtime::sys::netns;

#[test]
fn pods_and_host_reach_each_other_under_their_own_addresses() {
    let world = World::new();
    let network = world.open();
    assert_own_addresses(&world, &network, world.gateway());
}

#[test]
fn addresses_are_given_one_after_the_other() {
    let world = World::new();
    let network = world.open();
    for n in 1..4 {
        assert_eq!(world.pod(&network, n).address, world.address(n + 1));
    }
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
    assert_addresses_move("10.213.7.0/29");
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
fn pods_are_put_back_on_a_bridge_that_was_deleted_whoever_makes_it_again() {
    let world = World::with_cidr(DUAL);
    let network = world.open();
    let outside = world.outside();
    let ports = [port(Protocol::Tcp, None)];
    let first = world.try_pod(&network, 1, &ports).unwrap();
    let is_whole = || {
        assert_eq!(source_seen(&outside, OUTSIDE, &first.netns), HOST_UPLINK);
        let seen = source_seen(&outside, OUTSIDE_V6, &first.netns);
        assert_eq!(seen, HOST_UPLINK_V6);
        let server = listen(&first.netns, (first.address, POD_PORT).into());
        source_seen_by(server, &outside, at(HOST_UPLINK));
        let server = listen(&first.netns, (first.address, POD_PORT).into());
        source_seen_by(server, &first.netns, at(world.gateway()));
    };
    is_whole();
    run_in(&world.host, &["link", "delete", BRIDGE]);
    world.on_host(|| network.repair()).unwrap();
    is_whole();
    // The next pod makes it as well.
    run_in(&world.host, &["link", "delete", BRIDGE]);
    let second = world.pod(&network, 2);
    is_whole();
    source_seen(&second.netns, second.address, &first.netns);
}

#[test]
fn a_flush_of_nf_tables_is_noticed_and_mended() {
    let world = World::new();
    let network = world.open();
    let ports = [port(Protocol::Tcp, None)];
    let pod = world.try_pod(&network, 1, &ports).unwrap();
    let outside = world.outside();
    let table = format!("podling_{BRIDGE}");
    for flush in [
        &["flush", "ruleset"][..],
        &["flush", "table", "inet", &table],
        &["flush", "chain", "inet", &table, "prerouting"],
    ] {
        run(&world.host, "nft", flush);
        let unready = world.on_host(|| network.ready()).unwrap_err();
        assert!(
            matches!(unready, NotReady::Rules(_)),
            "{flush:?}: {unready}"
        );
        world.on_host(|| network.repair()).unwrap();
        world.on_host(|| network.ready()).unwrap();
        assert_eq!(source_seen(&outside, OUTSIDE, &pod.netns), HOST_UPLINK);
        let server = listen(&pod.netns, (pod.address, POD_PORT).into());
        assert_eq!(source_seen_by(server, &outside, at(HOST_UPLINK)), OUTSIDE);
    }
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
    assert!(matches!(ready(), Err(NotReady::Rules(_))));
    world.on_host(|| network.repair()).unwrap();
    ready().unwrap();
}
