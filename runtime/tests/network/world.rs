//! A small world of network namespaces: a host with a bridge network, pods, and an outside.
//!
//! ```text
//!   pods ── bridge ── host ── uplink ══ outside (203.0.113.2, 2001:db8::2)
//!                          203.0.113.1, 2001:db8::1
//! ```

#![expect(clippy::unwrap_used, reason = "helpers of a test fail as a test does")]

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use podling_runtime::model::SandboxId;
use podling_runtime::model::config::{PortMapping, Protocol};
use podling_runtime::network::{AttachError, BridgeNetwork, BridgeSettings, OpenError, PodCidr};
use podling_runtime::sys::netns;
use tempfile::TempDir;

pub(crate) const BRIDGE: &str = "podtest0";
pub(crate) const HOST_UPLINK: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
pub(crate) const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
pub(crate) const HOST_UPLINK_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
pub(crate) const OUTSIDE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
/// Both families, IPv4 first.
pub(crate) const DUAL: &str = "10.213.7.0/24,fd00:213:7::/64";
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);
pub(crate) const HOST_PORT: u16 = 8080;
pub(crate) const POD_PORT: u16 = 80;

pub(crate) fn id(n: u8) -> SandboxId {
    SandboxId::from_random([n; 32])
}

/// The host's end of the veth pair of sandbox `n`.
pub(crate) fn veth(n: u8) -> String {
    format!("pod{}", &id(n).as_str()[..11])
}

/// A host namespace and a state directory; both go away with it.
pub(crate) struct World {
    pub(crate) host: OwnedFd,
    pub(crate) state: TempDir,
    cidr: PodCidr,
}

/// A pod that is attached.
pub(crate) struct Pod {
    pub(crate) netns: OwnedFd,
    /// The primary one.
    pub(crate) address: IpAddr,
    pub(crate) addresses: Vec<IpAddr>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_cidr("10.213.7.0/24")
    }

    pub(crate) fn with_cidr(cidr: &str) -> Self {
        let host = netns::create().unwrap();
        run_in(&host, &["link", "set", "lo", "up"]);
        Self {
            host,
            state: TempDir::new().unwrap(),
            cidr: cidr.parse().unwrap(),
        }
    }

    /// The same machine, told otherwise.
    pub(crate) fn with_other_cidr(self, cidr: &str) -> Self {
        Self {
            cidr: cidr.parse().unwrap(),
            ..self
        }
    }

    pub(crate) fn settings(&self) -> BridgeSettings {
        BridgeSettings {
            bridge: BRIDGE.to_owned(),
            cidr: self.cidr,
            state_dir: self.state.path().to_owned(),
        }
    }

    pub(crate) fn try_open(&self) -> Result<BridgeNetwork, OpenError> {
        self.on_host(|| BridgeNetwork::open(self.settings()))
    }

    pub(crate) fn open(&self) -> BridgeNetwork {
        self.try_open().unwrap()
    }

    pub(crate) fn on_host<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        netns::within(self.host.as_fd(), work).unwrap()
    }

    /// The primary one.
    pub(crate) fn gateway(&self) -> IpAddr {
        self.cidr.gateways()[0]
    }

    pub(crate) fn address(&self, last: u8) -> IpAddr {
        Ipv4Addr::new(10, 213, 7, last).into()
    }

    /// Reserves and attaches sandbox `n` in a namespace of its own.
    pub(crate) fn pod(&self, network: &BridgeNetwork, n: u8) -> Pod {
        self.try_pod(network, n, &[]).unwrap()
    }

    /// The same with host ports.
    pub(crate) fn try_pod(
        &self,
        network: &BridgeNetwork,
        n: u8,
        ports: &[PortMapping],
    ) -> Result<Pod, AttachError> {
        let netns = netns::create().unwrap();
        let ips = network.reserve(&id(n)).unwrap();
        self.on_host(|| network.attach(&id(n), netns.as_fd(), &ips, ports))?;
        Ok(Pod {
            netns,
            address: ips[0],
            addresses: ips,
        })
    }

    /// Connects the host to an outside that has no route back to the pods.
    pub(crate) fn outside(&self) -> OwnedFd {
        let outside = netns::create().unwrap();
        let path = format!("/proc/{}/fd/{}", std::process::id(), outside.as_raw_fd());
        run_in(
            &self.host,
            &[
                "link", "add", "uplink", "type", "veth", "peer", "name", "eth0", "netns", &path,
            ],
        );
        for (netns, device, number) in [(&self.host, "uplink", 1), (&outside, "eth0", 2)] {
            run_in(netns, &["link", "set", device, "up"]);
            let four = format!("203.0.113.{number}/24");
            run_in(netns, &["addr", "add", &four, "dev", device]);
            let six = format!("2001:db8::{number}/64");
            run_in(netns, &["addr", "add", &six, "dev", device, "nodad"]);
        }
        outside
    }
}

/// Runs iproute2's `ip` in a namespace: what an administrator would type there.
pub(crate) fn run_in(netns: &OwnedFd, arguments: &[&str]) -> String {
    run(netns, "ip", arguments)
}

/// Runs a program in a namespace and returns what it said.
pub(crate) fn run(netns: &OwnedFd, program: &str, arguments: &[&str]) -> String {
    let output = netns::within(netns.as_fd(), || {
        Command::new(program).args(arguments).output()
    });
    let output = output.unwrap();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// The names of the interfaces in a namespace, sorted.
pub(crate) fn interfaces(netns: &OwnedFd) -> Vec<String> {
    let listing = run_in(netns, &["-o", "link", "show"]);
    let name = |line: &str| {
        let name = line.split(": ").nth(1)?;
        name.split('@').next().map(str::to_owned)
    };
    let mut names: Vec<_> = listing.lines().filter_map(name).collect();
    names.sort();
    names
}

/// A server in `server` on `address` answers a client in `client`; returns the client's address as
/// the server saw it.
pub(crate) fn source_seen(
    server: &OwnedFd,
    address: impl Into<IpAddr>,
    client: &OwnedFd,
) -> IpAddr {
    let listener = listen(server, (address.into(), 0).into());
    let to = listener.local_addr().unwrap();
    source_seen_by(listener, client, to)
}

/// A server in a namespace.
pub(crate) fn listen(netns: &OwnedFd, at: SocketAddr) -> TcpListener {
    let listener = netns::within(netns.as_fd(), || TcpListener::bind(at));
    listener.unwrap().unwrap()
}

/// `listener` answers a client in `client` that speaks to `to`; returns the client's address as the
/// server saw it.
pub(crate) fn source_seen_by(listener: TcpListener, client: &OwnedFd, to: SocketAddr) -> IpAddr {
    let answering = thread::spawn(move || answer(&listener));
    let spoken = netns::within(client.as_fd(), || speak(to)).unwrap();
    assert_eq!(spoken.unwrap(), "pong");
    answering.join().unwrap()
}

/// A peer that sends from `from` to [`HOST_PORT`] of `to`, where nobody listens yet, and has heard so:
/// its first datagram has arrived.
pub(crate) fn speak_too_early(
    netns: &OwnedFd,
    from: SocketAddr,
    to: impl Into<IpAddr>,
) -> UdpSocket {
    let peer = netns::within(netns.as_fd(), || UdpSocket::bind(from));
    let peer = peer.unwrap().unwrap();
    peer.connect(at(to)).unwrap();
    peer.set_read_timeout(Some(DEADLINE)).unwrap();
    peer.send(b"too early").unwrap();
    let refused = peer.recv(&mut [0; 16]).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    peer
}

/// What `peer` sends now is heard on [`POD_PORT`] of this address of the pod; returns who sent it.
pub(crate) fn is_heard(pod: &Pod, address: IpAddr, peer: &UdpSocket) -> SocketAddr {
    let server = netns::within(pod.netns.as_fd(), || UdpSocket::bind((address, POD_PORT)));
    let server = server.unwrap().unwrap();
    server.set_read_timeout(Some(DEADLINE)).unwrap();
    peer.send(b"in time").unwrap();
    let mut datagram = [0; 16];
    let (length, from) = server.recv_from(&mut datagram).unwrap();
    assert_eq!(&datagram[..length], b"in time");
    from
}

/// An address goes from pod to pod of a small network, while the last ones linger.
pub(crate) fn assert_addresses_move(cidr: &str) {
    let world = World::with_cidr(cidr);
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

/// Whoever asks, each of two pods and the host is seen under its own address in the family of
/// `gateway`, from the first packet on.
pub(crate) fn assert_own_addresses(world: &World, network: &BridgeNetwork, gateway: IpAddr) {
    let of_family = |pod: &Pod| {
        let mut addresses = pod.addresses.iter();
        *addresses
            .find(|ip| ip.is_ipv4() == gateway.is_ipv4())
            .unwrap()
    };
    let first = world.pod(network, 1);
    let there = of_family(&first);
    let seen = source_seen(&first.netns, there, &world.host);
    assert_eq!(seen, gateway, "host to pod");
    let second = world.pod(network, 2);
    let here = of_family(&second);
    let seen = source_seen(&second.netns, here, &first.netns);
    assert_eq!(seen, there, "pod to pod");
    let seen = source_seen(&world.host, gateway, &second.netns);
    assert_eq!(seen, here, "pod to host");
    let seen = source_seen(&first.netns, there, &first.netns);
    assert_eq!(seen, there, "pod to itself");
}

/// Whether somebody answers a client of this namespace there.
pub(crate) fn is_answered(client: &OwnedFd, to: SocketAddr) -> bool {
    let briefly = Duration::from_millis(300);
    let spoken = netns::within(client.as_fd(), || TcpStream::connect_timeout(&to, briefly));
    spoken.unwrap().is_ok()
}

/// A mapping of [`HOST_PORT`] to [`POD_PORT`].
pub(crate) fn port(protocol: Protocol, host_ip: Option<IpAddr>) -> PortMapping {
    PortMapping {
        protocol,
        container_port: POD_PORT,
        host_port: HOST_PORT,
        host_ip,
    }
}

/// [`HOST_PORT`] there.
pub(crate) fn at(host: impl Into<IpAddr>) -> SocketAddr {
    (host.into(), HOST_PORT).into()
}

fn answer(listener: &TcpListener) -> IpAddr {
    let (mut stream, from) = listener.accept().unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut question = [0; 4];
    stream.read_exact(&mut question).unwrap();
    stream.write_all(b"pong").unwrap();
    from.ip()
}

fn speak(to: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&to, DEADLINE)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.write_all(b"ping")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The files of a state directory's reservations.
pub(crate) fn reservations(state: &Path) -> Vec<String> {
    let entries = fs::read_dir(state.join("addresses")).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<_> = entries
        .map(name)
        .map(|name| name.into_string().unwrap())
        .collect();
    names.sort();
    names
}
