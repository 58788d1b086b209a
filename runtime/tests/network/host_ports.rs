//! Host ports of the bridge.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use crate::world::{BRIDGE, HOST_UPLINK, OUTSIDE, Pod, World, id, listen, source_seen_by};
use podling_runtime::model::config::{PortMapping, Protocol};
use podling_runtime::network::{AttachError, BridgeNetwork, HostPortError};
use podling_runtime::sys::netns;

const HOST_PORT: u16 = 8080;
const POD_PORT: u16 = 80;
const DEADLINE: Duration = Duration::from_secs(10);

fn port(protocol: Protocol, host_ip: Option<IpAddr>) -> PortMapping {
    PortMapping {
        protocol,
        container_port: POD_PORT,
        host_port: HOST_PORT,
        host_ip,
    }
}

fn serving_pod(world: &World, network: &BridgeNetwork, n: u8, port: PortMapping) -> Pod {
    let pod = world.try_pod(network, n, &[port]);
    pod.expect("a pod with a free host port is attached")
}

fn server(pod: &Pod) -> TcpListener {
    listen(&pod.netns, (pod.address, POD_PORT).into())
}

fn at(host: impl Into<IpAddr>) -> SocketAddr {
    (host.into(), HOST_PORT).into()
}

/// Whether somebody answers a client of this namespace there.
fn is_answered(client: &OwnedFd, to: SocketAddr) -> bool {
    let spoken = netns::within(client.as_fd(), || speak_briefly(to));
    spoken.expect("the namespace can be entered").is_ok()
}

fn speak_briefly(to: SocketAddr) -> std::io::Result<()> {
    std::net::TcpStream::connect_timeout(&to, Duration::from_millis(300)).map(drop)
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
    crate::world::run_in(&pod.netns, &["addr", "flush", "dev", "lo"]);
    crate::world::run_in(
        &pod.netns,
        &["route", "flush", "table", "local", "dev", "lo"],
    );
    crate::world::run_in(&pod.netns, &route);
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

    world.on_host(|| network.tear_down()).unwrap();
    world.on_host(|| network.repair()).unwrap();
    let mut ends = crate::world::interfaces(&world.host);
    ends.retain(|name| name.starts_with("pod") && name != BRIDGE);
    crate::world::run_in(&world.host, &["link", "set", &ends[0], "master", BRIDGE]);
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
    let peer = netns::within(outside.as_fd(), || UdpSocket::bind((OUTSIDE, 5353)));
    let peer = peer.unwrap().unwrap();
    crate::world::speak_too_early(&peer, at(HOST_UPLINK));

    let pod = serving_pod(&world, &network, 1, port(Protocol::Udp, None));
    let server = netns::within(pod.netns.as_fd(), || {
        UdpSocket::bind((pod.address, POD_PORT))
    });
    let server = server.unwrap().unwrap();
    server.set_read_timeout(Some(DEADLINE)).unwrap();
    peer.send(b"in time").unwrap();
    let mut datagram = [0; 16];
    let (length, from) = server.recv_from(&mut datagram).unwrap();
    assert_eq!(&datagram[..length], b"in time");
    assert_eq!(from, (OUTSIDE, 5353).into());
}
