//! The bridge with IPv6, alone and beside IPv4.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail as a test does")]

use std::fs;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use crate::world::{
    BRIDGE, DUAL, HOST_PORT, HOST_UPLINK, HOST_UPLINK_V6, OUTSIDE, OUTSIDE_V6, POD_PORT, World,
    assert_addresses_move, assert_own_addresses, at, id, interfaces, is_answered, is_heard, listen,
    port, run_in, source_seen, source_seen_by, speak_too_early,
};
use podling_runtime::model::config::Protocol;
use podling_runtime::network::{
    AttachError, BridgeError, Family, HostPortError, NotReady, OpenError,
};
use podling_runtime::sys::netns;

const SIX: &str = "fd00:213:7::/64";
fn six(last: u16) -> IpAddr {
    Ipv6Addr::new(0xfd00, 0x213, 7, 0, 0, 0, 0, last).into()
}

/// What a switch of IPv6 says in a namespace.
fn switch(netns: &OwnedFd, interface: &str, name: &str) -> String {
    let path = format!("/proc/sys/net/ipv6/conf/{interface}/{name}");
    let text = netns::within(netns.as_fd(), || fs::read_to_string(path));
    text.unwrap().unwrap().trim().to_owned()
}

fn set_switch(netns: &OwnedFd, interface: &str, name: &str, value: &str) {
    let path = format!("/proc/sys/net/ipv6/conf/{interface}/{name}");
    let written = netns::within(netns.as_fd(), || fs::write(path, value));
    written.unwrap().unwrap();
}

/// Whether packets between ports of bridges go through ip6tables; nothing where they never do.
fn bridges_ask_netfilter(host: &OwnedFd, value: &str) -> bool {
    let path = "/proc/sys/net/bridge/bridge-nf-call-ip6tables";
    let written = netns::within(host.as_fd(), || fs::write(path, value));
    written.unwrap().is_ok()
}

#[test]
fn a_host_port_on_ipv6s_loopback_is_refused_where_it_would_lead_nowhere() {
    let world = World::with_cidr(DUAL);
    if !bridges_ask_netfilter(&world.host, "1") {
        return;
    }
    let network = world.open();
    let ports = [port(Protocol::Tcp, Some(Ipv6Addr::LOCALHOST.into()))];
    let Err(AttachError::HostPort { source, .. }) = world.try_pod(&network, 1, &ports) else {
        panic!("a port was opened that leads nowhere");
    };
    assert!(matches!(source, HostPortError::Loopback(HOST_PORT)));
}

#[test]
fn what_listens_on_ipv6s_loopback_stays_out_of_reach_of_pods() {
    let world = World::with_cidr(SIX);
    bridges_ask_netfilter(&world.host, "0");
    let network = world.open();
    let pod = world
        .try_pod(&network, 1, &[port(Protocol::Tcp, None)])
        .unwrap();
    let private = SocketAddr::from((Ipv6Addr::LOCALHOST, 7777));
    let _private = listen(&world.host, private);
    assert!(is_answered(&world.host, private));
    // A hostile pod leads packets to ::1 out of its interface.
    run_in(
        &pod.netns,
        &["-6", "route", "flush", "table", "local", "dev", "lo"],
    );
    run_in(
        &pod.netns,
        &[
            "-6",
            "route",
            "add",
            "::1",
            "via",
            "fd00:213:7::1",
            "dev",
            "eth0",
        ],
    );
    assert!(!is_answered(&pod.netns, private));
}

#[test]
fn pods_have_an_address_of_each_family_in_the_order_of_the_pod_cidr() {
    let four = IpAddr::from([10, 213, 7, 2]);
    for (cidr, expected) in [
        (DUAL, vec![four, six(2)]),
        ("fd00:213:7::/64,10.213.7.0/24", vec![six(2), four]),
        (SIX, vec![six(2)]),
    ] {
        let world = World::with_cidr(cidr);
        let network = world.open();
        let pod = world.pod(&network, 1);
        assert_eq!(pod.addresses, expected, "{cidr}");
        world.on_host(|| network.ready()).unwrap();
    }
}

#[test]
fn pods_and_host_reach_each_other_over_ipv6_at_once_under_their_own_addresses() {
    for cidr in [DUAL, SIX] {
        let world = World::with_cidr(cidr);
        let network = world.open();
        // Nothing is waited for: the very first packet arrives.
        assert_own_addresses(&world, &network, six(1));
        let pod = world.pod(&network, 3);
        let local = Ipv6Addr::LOCALHOST;
        assert_eq!(source_seen(&pod.netns, local, &pod.netns), local);
    }
}

#[test]
fn a_pod_reaches_the_outside_in_both_families_under_the_hosts_addresses() {
    let world = World::with_cidr(DUAL);
    let network = world.open();
    let pod = world.pod(&network, 1);
    let outside = world.outside();
    assert_eq!(source_seen(&outside, OUTSIDE, &pod.netns), HOST_UPLINK);
    assert_eq!(
        source_seen(&outside, OUTSIDE_V6, &pod.netns),
        HOST_UPLINK_V6
    );
}

#[test]
fn a_host_port_leads_to_the_pod_over_either_family() {
    for cidr in [DUAL, SIX] {
        let world = World::with_cidr(cidr);
        let network = world.open();
        let outside = world.outside();
        let ports = [port(Protocol::Tcp, None)];
        let pod = world.try_pod(&network, 1, &ports).unwrap();
        let other = world.pod(&network, 2);
        let seen = |client, host: IpAddr| {
            let server = listen(&pod.netns, (six(2), POD_PORT).into());
            source_seen_by(server, client, at(host))
        };
        let uplink = IpAddr::from(HOST_UPLINK_V6);
        assert_eq!(seen(&outside, uplink), OUTSIDE_V6, "the source is kept");
        bridges_ask_netfilter(&world.host, "0");
        assert_eq!(seen(&world.host, Ipv6Addr::LOCALHOST.into()), six(1));
        seen(&world.host, uplink);
        assert_eq!(seen(&other.netns, uplink), six(1));
        assert_eq!(seen(&other.netns, six(1)), six(1));
        assert_eq!(seen(&pod.netns, uplink), six(1), "itself");
        let four = pod.addresses.iter().find(|ip| ip.is_ipv4());
        if let Some(four) = four {
            let server = listen(&pod.netns, (*four, POD_PORT).into());
            assert_eq!(source_seen_by(server, &outside, at(HOST_UPLINK)), OUTSIDE);
        }
    }
}

#[test]
fn a_host_port_on_one_ipv6_address_is_open_there_alone() {
    let world = World::with_cidr(DUAL);
    bridges_ask_netfilter(&world.host, "0");
    let network = world.open();
    let outside = world.outside();
    let ports = [port(Protocol::Tcp, Some(Ipv6Addr::LOCALHOST.into()))];
    let pod = world.try_pod(&network, 1, &ports).unwrap();
    let server = listen(&pod.netns, (six(2), POD_PORT).into());
    assert!(!is_answered(&outside, at(HOST_UPLINK_V6)));
    assert!(!is_answered(&world.host, at(HOST_UPLINK_V6)));
    assert!(!is_answered(&world.host, at(HOST_UPLINK)));
    source_seen_by(server, &world.host, at(Ipv6Addr::LOCALHOST));
    world.on_host(|| network.release(&id(1))).unwrap();
    assert!(!is_answered(&world.host, at(Ipv6Addr::LOCALHOST)));
}

#[test]
fn a_host_address_of_a_family_that_pods_do_not_have_is_refused() {
    let world = World::with_cidr(SIX);
    let network = world.open();
    let four = Some(IpAddr::from([127, 0, 0, 1]));
    let refused = world.try_pod(&network, 1, &[port(Protocol::Tcp, four)]);
    let Err(AttachError::HostPort { source, .. }) = refused else {
        panic!("a port was opened that leads nowhere");
    };
    assert!(matches!(source, HostPortError::Family { .. }));
}

#[test]
fn ipv6_datagrams_of_a_peer_that_began_too_early_are_led_to_the_pod_too() {
    let world = World::with_cidr(SIX);
    let network = world.open();
    let outside = world.outside();
    let from = (OUTSIDE_V6, 5353).into();
    let peer = speak_too_early(&outside, from, HOST_UPLINK_V6);
    let pod = world
        .try_pod(&network, 1, &[port(Protocol::Udp, None)])
        .unwrap();
    assert_eq!(is_heard(&pod, six(2), &peer), from);
}

#[test]
fn an_ipv6_address_moves_to_the_next_pod_even_while_the_last_one_lingers() {
    assert_addresses_move("fd00:213:7::/125");
}

#[test]
fn no_pod_can_make_itself_the_router_of_the_host_or_of_another_pod() {
    for cidr in ["10.213.7.0/24", DUAL] {
        let world = World::with_cidr(cidr);
        let network = world.open();
        let pod = world.pod(&network, 1);
        assert_eq!(switch(&world.host, BRIDGE, "accept_ra"), "0", "{cidr}");
        assert_eq!(switch(&pod.netns, "eth0", "accept_ra"), "0", "{cidr}");
    }
}

#[test]
fn a_machine_that_listens_to_routers_goes_on_doing_so_when_it_forwards() {
    let world = World::with_cidr(SIX);
    let _outside = world.outside();
    assert_eq!(switch(&world.host, "uplink", "accept_ra"), "1");
    let _network = world.open();
    assert_eq!(switch(&world.host, "all", "forwarding"), "1");
    assert_eq!(switch(&world.host, "uplink", "accept_ra"), "2");

    let world = World::new();
    let _outside = world.outside();
    let _network = world.open();
    assert_eq!(
        switch(&world.host, "all", "forwarding"),
        "0",
        "nobody needs it"
    );
    assert_eq!(switch(&world.host, "uplink", "accept_ra"), "1");
}

#[test]
fn ready_tells_what_is_missing_of_ipv6_and_repair_mends_it() {
    let world = World::with_cidr(DUAL);
    let network = world.open();
    let ready = || world.on_host(|| network.ready());
    let repair = || world.on_host(|| network.repair()).unwrap();
    ready().unwrap();
    run_in(&world.host, &["-6", "addr", "flush", "dev", BRIDGE]);
    assert!(matches!(ready(), Err(NotReady::Address { subnet, .. }) if subnet.gateway() == six(1)));
    repair();
    set_switch(&world.host, "all", "forwarding", "0");
    assert!(matches!(ready(), Err(NotReady::Forwarding(Family::Ipv6))));
    repair();
    set_switch(&world.host, BRIDGE, "disable_ipv6", "1");
    assert!(matches!(ready(), Err(NotReady::Ipv6Off(_))));
    repair();
    ready().unwrap();
    let pod = world.pod(&network, 1);
    source_seen(&pod.netns, six(2), &world.host);
}

#[test]
fn a_machine_without_ipv6_is_told_to_give_pods_ipv4_alone_and_does_so() {
    let world = World::with_cidr(DUAL);
    set_switch(&world.host, "all", "disable_ipv6", "1");
    let Err(OpenError::Bridge { source, .. }) = world.try_open() else {
        panic!("pods were promised IPv6");
    };
    assert!(matches!(source, BridgeError::Ipv6(_)), "{source:?}");
    assert_eq!(interfaces(&world.host), ["lo"], "nothing was begun");

    let world = World::new();
    set_switch(&world.host, "all", "disable_ipv6", "1");
    let network = world.open();
    world.on_host(|| network.ready()).unwrap();
    let pod = world.pod(&network, 1);
    source_seen(&pod.netns, pod.address, &world.host);
}

#[test]
fn ipv6_that_is_turned_off_while_pods_have_it_is_told() {
    let world = World::with_cidr(DUAL);
    let network = world.open();
    set_switch(&world.host, "all", "disable_ipv6", "1");
    let unready = world.on_host(|| network.ready()).unwrap_err();
    assert!(matches!(unready, NotReady::Ipv6(_)), "{unready}");
}

#[test]
fn a_pod_that_turned_ipv6_off_for_itself_gets_its_address_all_the_same() {
    let world = World::with_cidr(DUAL);
    let network = world.open();
    let netns = netns::create().unwrap();
    set_switch(&netns, "all", "disable_ipv6", "1");
    let ips = network.reserve(&id(1)).unwrap();
    world
        .on_host(|| network.attach(&id(1), netns.as_fd(), &ips, &[]))
        .unwrap();
    source_seen(&netns, six(2), &world.host);
}

#[test]
fn pods_of_ipv4_alone_stay_as_they_are_when_ipv6_comes() {
    let four = World::new();
    let network = four.open();
    let earlier = four.pod(&network, 1);
    drop(network);
    let world = four.with_other_cidr(DUAL);
    let network = world.open();
    assert_eq!(network.reserve(&id(1)).unwrap(), earlier.addresses);
    source_seen(&earlier.netns, earlier.address, &world.host);
    let later = world.pod(&network, 2);
    assert_eq!(later.addresses.len(), 2);
    source_seen(&later.netns, later.addresses[0], &earlier.netns);
    source_seen(&later.netns, later.addresses[1], &world.host);
}
