//! Host ports of the bridge.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd;

use crate::world::{
    HOST_UPLINK, OUTSIDE, POD_PORT, Pod, World, at, id, is_answered, is_heard, listen, port, run,
    run_in, source_seen_by, speak_too_early,
};
use podling_runtime::model::config::{PortMapping, Protocol};
use podling_runtime::network::{AttachError, BridgeNetwork, HostPortError};
use podling_runtime::sys::netns;

fn serving_pod(world: &World, network: &BridgeNetwork, n: u8, port: PortMapping) -> Pod {
    let pod = world.try_pod(network, n, &[port]);
    pod.expect("a pod with a free host port is attached")
}

fn server(pod: &Pod) -> TcpListener {
    listen(&pod.netns, (pod.address, POD_PORT).into())
}

#[test]
fn a_host_port_leads_to_the_pod_from_wherever_it_is_asked() {
    let world = World::new();
    let network = world.open();
    let outside = world.outside();
    let pod = serving_pod(&world, &network, 1, port(Protocol::Tcp, None));
    let other = world.pod(&network, 2);
    let seen = |client, host| source_seen_by(server(&pod), client, at(host));
    let uplink = IpAddr::from(HOST_UPLINK);

    assert_eq!(seen(&outside, uplink), OUTSIDE, "the source is kept");
    let loopback = Ipv4Addr::LOCALHOST.into();
    assert_eq!(seen(&world.host, loopback), world.gateway());
    seen(&world.host, uplink);
    seen(&world.host, world.gateway());
    assert_eq!(seen(&other.netns, uplink), world.gateway());
    assert_eq!(seen(&other.netns, world.gateway()), world.gateway());
    assert_eq!(seen(&pod.netns, uplink), world.gateway(), "itself");
}

#[test]
fn a_host_port_on_one_address_is_open_there_alone() {
    let world = World::new();
    let network = world.open();
    let outside = world.outside();
    let at_loopback = port(Protocol::Tcp, Some(Ipv4Addr::LOCALHOST.into()));
    let pod = serving_pod(&world, &network, 1, at_loopback);
    source_seen_by(server(&pod), &world.host, at(Ipv4Addr::LOCALHOST));
    assert!(!is_answered(&outside, at(HOST_UPLINK)));
    assert!(!is_answered(&world.host, at(HOST_UPLINK)));
}

#[test]
fn what_listens_on_the_hosts_loopback_stays_out_of_reach_of_pods() {
    let world = World::new();
    let network = world.open();
    let pod = serving_pod(&world, &network, 1, port(Protocol::Tcp, None));
    let _private = listen(&world.host, (Ipv4Addr::LOCALHOST, 7777).into());
    let private = SocketAddr::from((Ipv4Addr::LOCALHOST, 7777));
    assert!(is_answered(&world.host, private));

    // A hostile pod leads packets to 127.0.0.1 out of its interface.
    let gateway = world.gateway().to_string();
    let route = ["route", "add", "127.0.0.1", "via", &gateway, "dev", "eth0"];
    run_in(&pod.netns, &["addr", "flush", "dev", "lo"]);
    run_in(
        &pod.netns,
        &["route", "flush", "table", "local", "dev", "lo"],
    );
    run_in(&pod.netns, &route);
    netns::within(pod.netns.as_fd(), || {
        std::fs::write("/proc/sys/net/ipv4/conf/eth0/route_localnet", "1")
    })
    .unwrap()
    .unwrap();
    assert!(!is_answered(&pod.netns, private));
}

#[test]
fn a_released_pod_leaves_no_host_port() {
    let world = World::new();
    let network = world.open();
    let pod = serving_pod(&world, &network, 1, port(Protocol::Tcp, None));
    let _listener = server(&pod);
    assert!(is_answered(&world.host, at(world.gateway())));
    world.on_host(|| network.release(&id(1))).unwrap();
    assert!(!is_answered(&world.host, at(world.gateway())));
    let files = std::fs::read_dir(world.state.path().join("ports")).unwrap();
    assert_eq!(files.count(), 0);
}

#[test]
fn host_ports_outlive_the_daemon_and_a_flush_of_nf_tables() {
    let world = World::new();
    let network = world.open();
    let pod = serving_pod(&world, &network, 1, port(Protocol::Tcp, None));
    drop(network);
    source_seen_by(server(&pod), &world.host, at(world.gateway()));
    let network = world.open();
    source_seen_by(server(&pod), &world.host, at(world.gateway()));

    run(&world.host, "nft", &["flush", "ruleset"]);
    assert!(!is_answered(&world.host, at(world.gateway())));
    world.on_host(|| network.repair()).unwrap();
    source_seen_by(server(&pod), &world.host, at(world.gateway()));
}

#[test]
fn host_ports_of_pods_that_are_gone_are_closed_at_the_next_start() {
    let world = World::new();
    let network = world.open();
    let pod = serving_pod(&world, &network, 1, port(Protocol::Tcp, None));
    let _listener = server(&pod);
    drop(network);
    let network = world.open();
    world.on_host(|| network.retain(&[].into())).unwrap();
    assert!(!is_answered(&world.host, at(world.gateway())));
}

#[test]
fn a_taken_host_port_is_refused_by_the_name_of_its_owner_and_disturbs_nobody() {
    let world = World::new();
    let network = world.open();
    let pod = serving_pod(&world, &network, 1, port(Protocol::Tcp, None));
    let refused = world.try_pod(&network, 2, &[port(Protocol::Tcp, None)]);
    let Err(AttachError::HostPort { source, .. }) = refused else {
        panic!("a taken port was given to a second pod");
    };
    assert!(matches!(source, HostPortError::Taken { owner, .. } if owner == id(1)));
    world.on_host(|| network.release(&id(2))).unwrap();
    source_seen_by(server(&pod), &world.host, at(world.gateway()));
    serving_pod(&world, &network, 3, port(Protocol::Udp, None));
}

#[test]
fn datagrams_of_a_peer_that_began_too_early_are_led_to_the_pod_too() {
    let world = World::new();
    let network = world.open();
    let outside = world.outside();
    let from = (OUTSIDE, 5353).into();
    let peer = speak_too_early(&outside, from, HOST_UPLINK);
    let pod = serving_pod(&world, &network, 1, port(Protocol::Udp, None));
    assert_eq!(is_heard(&pod, pod.address, &peer), from);
}
