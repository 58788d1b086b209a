//! CNI networks with the plugins of Debian's containernetworking-plugins, in a network namespace that
//! stands for the host: pods are reached under their addresses and over host ports, and everything
//! that the plugins made is taken back. The machine's network is not touched.
//!
//! Needs root, containernetworking-plugins, iptables and iproute2.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail as a test does")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use podling_runtime::model::SandboxId;
use podling_runtime::model::config::{PodMetadata, PortMapping, Protocol};
use podling_runtime::network::{
    AttachRequest, BridgeSettings, CniSettings, NetworkSettings, PodNetwork, Readiness, UseCni,
    Wishes,
};
use podling_runtime::sys::netns;
use serde_json::json;
use tempfile::TempDir;

const PLUGINS: &str = "/usr/lib/cni";
const DEADLINE: Duration = Duration::from_secs(10);

/// A host with a chain of plugins.
struct World {
    host: OwnedFd,
    dir: TempDir,
}

/// A pod's namespace, held by a process as pause does.
struct Pod {
    netns: OwnedFd,
    pause: Child,
}

impl World {
    fn new() -> Self {
        let plugins = Path::new(PLUGINS);
        assert!(
            plugins.join("bridge").exists(),
            "containernetworking-plugins are not installed: run `make deps`"
        );
        let world = Self {
            host: netns::create().unwrap(),
            dir: TempDir::new().unwrap(),
        };
        world.run("ip", &["link", "set", "lo", "up"]);
        fs::create_dir(world.dir.path().join("conf")).unwrap();
        let leases = world.dir.path().join("leases");
        let config = json!({
            "cniVersion": "1.0.0",
            "name": "debian",
            "plugins": [
                {
                    "type": "bridge", "bridge": "cni-test0", "isGateway": true, "ipMasq": true,
                    "ipam": {
                        "type": "host-local", "dataDir": leases,
                        "ranges": [[{"subnet": "10.214.0.0/24"}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "tuning", "sysctl": {"net.ipv4.conf.eth0.arp_notify": "1"}},
                {"type": "portmap", "capabilities": {"portMappings": true}},
                {"type": "firewall", "backend": "iptables"},
                {"type": "bandwidth", "capabilities": {"bandwidth": true}},
            ],
        });
        let file = world.dir.path().join("conf/10-debian.conflist");
        fs::write(file, config.to_string()).unwrap();
        world
    }

    fn open(&self) -> PodNetwork {
        let state = self.dir.path().join("state");
        let settings = NetworkSettings {
            bridge: BridgeSettings {
                bridge: "unused0".to_owned(),
                cidr: "10.214.1.0/24".parse().unwrap(),
                state_dir: state.clone(),
            },
            cni: CniSettings {
                conf_dir: self.dir.path().join("conf"),
                bin_dirs: vec![PLUGINS.into()],
                state_dir: state.join("cni"),
                time_limit: Duration::from_secs(60),
                boot_id: "this boot".to_owned(),
                pod_cidr: "10.214.0.0/24".parse().unwrap(),
            },
            use_cni: UseCni::WhenConfigured,
        };
        self.on_host(|| PodNetwork::open(settings)).unwrap()
    }

    /// Plugins are run by the calling thread, so they see its namespace as the host's.
    fn on_host<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        netns::within(self.host.as_fd(), work).unwrap()
    }

    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.on_host(|| Command::new(program).args(arguments).output());
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn leases(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path().join("leases/debian")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("10.")).collect()
    }

    fn attach(&self, network: &PodNetwork, request: &AttachRequest) -> Vec<IpAddr> {
        let reserved = network.reserve(&request.id).unwrap();
        let attached = self.on_host(|| network.attach(reserved, request));
        attached.unwrap_or_else(|error| panic!("{:?}", chain_of(&error)))
    }

    /// What pods leave on a host: interfaces but the bridge, and rules that name an address.
    fn traces(&self) -> Vec<String> {
        let links = self.run("ip", &["-o", "link", "show"]);
        let links = links
            .lines()
            .filter(|line| line.contains("veth") || line.contains("ifb"));
        let rules = ["nat", "filter"].map(|table| self.run("iptables", &["-t", table, "-S"]));
        let rules = rules.iter().flat_map(|rules| rules.lines());
        let of_pods = rules.filter(|rule| rule.contains("10.214.0.") || rule.contains("-dport"));
        links.chain(of_pods).map(str::to_owned).collect()
    }
}

fn chain_of(error: &dyn std::error::Error) -> String {
    podling_runtime::lifecycle::error::chain(error)
}

impl Pod {
    fn start() -> Self {
        let netns = netns::create().unwrap();
        let pause = netns::within(netns.as_fd(), || Command::new("sleep").arg("1000").spawn());
        let pause = pause.unwrap().unwrap();
        Self { netns, pause }
    }

    fn request(&self, n: u8) -> AttachRequest {
        AttachRequest {
            id: SandboxId::from_random([n; 32]),
            pause_pid: self.pause.id().cast_signed(),
            wishes: Wishes {
                metadata: PodMetadata {
                    name: format!("pod-{n}"),
                    uid: format!("uid-{n}"),
                    namespace: "default".to_owned(),
                    attempt: 0,
                },
                ..Wishes::default()
            },
        }
    }

    /// Answers one client with what it hears.
    fn serve(&self, address: SocketAddr) -> thread::JoinHandle<()> {
        let listener = netns::within(self.netns.as_fd(), || TcpListener::bind(address));
        let listener = listener.unwrap().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut heard = [0; 4];
            stream.read_exact(&mut heard).unwrap();
            stream.write_all(&heard).unwrap();
        })
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        // Ended already, perhaps.
        let _ = self.pause.kill();
        let _ = self.pause.wait();
    }
}

/// A client on the host, or in a pod, hears its own words.
fn speak(from: &OwnedFd, to: SocketAddr) {
    let spoken = netns::within(from.as_fd(), || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&to, DEADLINE)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.write_all(b"ping")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    });
    let spoken = spoken.unwrap();
    assert_eq!(
        spoken.unwrap_or_else(|error| panic!("{to}: {error}")),
        "ping"
    );
}

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
