//! Firewalls of others on the host: what drops by default does not cut pods off in silence.

use std::os::fd::OwnedFd;

use crate::world::{
    BRIDGE, DUAL, HOST_UPLINK, HOST_UPLINK_V6, OUTSIDE, OUTSIDE_V6, POD_PORT, World, at, listen,
    port, run, source_seen, source_seen_by,
};
use podling_runtime::model::config::Protocol;
use podling_runtime::network::NotReady;

/// As Docker does it.
fn drop_by_default(host: &OwnedFd) {
    for program in ["iptables-nft", "ip6tables-nft"] {
        run(host, program, &["-P", "FORWARD", "DROP"]);
    }
}

#[test]
fn pods_reach_the_outside_through_a_forward_chain_that_drops_by_default() {
    let world = World::with_cidr(DUAL);
    drop_by_default(&world.host);
    let network = world.open();
    let outside = world.outside();
    let ports = [port(Protocol::Tcp, None)];
    let pod = world.try_pod(&network, 1, &ports).unwrap();
    assert_eq!(source_seen(&outside, OUTSIDE, &pod.netns), HOST_UPLINK);
    assert_eq!(
        source_seen(&outside, OUTSIDE_V6, &pod.netns),
        HOST_UPLINK_V6
    );
    let server = listen(&pod.netns, (pod.address, POD_PORT).into());
    let seen = source_seen_by(server, &outside, at(HOST_UPLINK));
    assert_eq!(seen, OUTSIDE, "a host port is open");
    let other = world.pod(&network, 2);
    source_seen(&other.netns, other.address, &pod.netns);

    // What iptables shows is its own words, and other rules stay what they are.
    let rules = run(&world.host, "iptables-nft", &["-S", "FORWARD"]);
    let accepted = format!("-A FORWARD -i {BRIDGE} ");
    assert!(rules.contains(&accepted), "{rules}");
    assert!(
        rules.contains("--ctstate RELATED,ESTABLISHED,DNAT"),
        "{rules}"
    );
    world.on_host(|| network.tear_down()).unwrap();
    let rules = run(&world.host, "iptables-nft", &["-S", "FORWARD"]);
    assert_eq!(rules, "-P FORWARD DROP\n");
}

#[test]
fn a_firewall_that_comes_later_is_noticed_and_pods_are_let_through() {
    let world = World::new();
    let network = world.open();
    let outside = world.outside();
    let pod = world.pod(&network, 1);
    let ready = || world.on_host(|| network.ready());
    assert_eq!(ready().unwrap(), "");
    drop_by_default(&world.host);
    assert!(matches!(ready(), Err(NotReady::Firewall(_))));
    world.on_host(|| network.repair()).unwrap();
    world.on_host(|| network.repair()).unwrap();
    assert_eq!(ready().unwrap(), "");
    let rules = run(&world.host, "iptables-nft", &["-S", "FORWARD"]);
    assert_eq!(rules.lines().count(), 3, "{rules}");
    assert_eq!(source_seen(&outside, OUTSIDE, &pod.netns), HOST_UPLINK);
}

#[test]
fn a_chain_of_somebodys_own_is_left_alone_and_told_of() {
    let world = World::new();
    let network = world.open();
    run(&world.host, "nft", &["add", "table", "inet", "mine"]);
    let chain = "{ type filter hook forward priority 0; policy drop; }";
    run(
        &world.host,
        "nft",
        &["add", "chain", "inet", "mine", "forward", chain],
    );
    world.on_host(|| network.repair()).unwrap();
    let remark = world.on_host(|| network.ready()).unwrap();
    let says = "nft chain inet mine forward drops what it does not accept";
    assert!(remark.starts_with(says), "{remark}");
    let listed = run(&world.host, "nft", &["list", "table", "inet", "mine"]);
    assert!(!listed.contains(BRIDGE), "{listed}");
}
