//! A host, a namespace of its own, with a chain of Debian's plugins; and pods.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail as a test does")]

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use podling_runtime::model::SandboxId;
use podling_runtime::model::config::PodMetadata;
use podling_runtime::network::{
    AttachRequest, BridgeSettings, CniSettings, NetworkSettings, PodNetwork, UseCni, Wishes,
};
use podling_runtime::sys::netns;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const PLUGINS: &str = "/usr/lib/cni";
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// A host with a chain of plugins.
pub(crate) struct World {
    pub(crate) host: OwnedFd,
    pub(crate) dir: TempDir,
}

/// A pod's namespace, held by a process as pause does.
pub(crate) struct Pod {
    pub(crate) netns: OwnedFd,
    pause: Child,
}

impl World {
    pub(crate) fn new() -> Self {
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
        world.configure(&world.plugins());
        world
    }

    /// The chain that pods go through.
    pub(crate) fn plugins(&self) -> Vec<Value> {
        let leases = self.dir.path().join("leases");
        vec![
            json!({
                "type": "bridge", "bridge": "cni-test0", "isGateway": true, "ipMasq": true,
                "ipam": {
                    "type": "host-local", "dataDir": leases,
                    "ranges": [[{"subnet": "10.214.0.0/24"}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            }),
            json!({"type": "tuning", "sysctl": {"net.ipv4.conf.eth0.arp_notify": "1"}}),
            json!({"type": "portmap", "capabilities": {"portMappings": true}}),
            json!({"type": "firewall", "backend": "iptables"}),
            json!({"type": "bandwidth", "capabilities": {"bandwidth": true}}),
        ]
    }

    /// Has pods go through another one from now on.
    pub(crate) fn configure(&self, plugins: &[Value]) {
        let config = json!({"cniVersion": "1.0.0", "name": "debian", "plugins": plugins});
        let file = self.dir.path().join("conf/10-debian.conflist");
        fs::write(file, config.to_string()).unwrap();
    }

    /// Where a test puts plugins of its own.
    pub(crate) fn own_plugins(&self) -> PathBuf {
        self.dir.path().join("bin")
    }

    pub(crate) fn open(&self) -> PodNetwork {
        self.open_with(Duration::from_secs(60))
    }

    /// With a limit for the plugins of a chain.
    pub(crate) fn open_with(&self, time_limit: Duration) -> PodNetwork {
        let state = self.dir.path().join("state");
        let settings = NetworkSettings {
            bridge: BridgeSettings {
                bridge: "unused0".to_owned(),
                cidr: "10.214.1.0/24".parse().unwrap(),
                state_dir: state.clone(),
            },
            cni: CniSettings {
                conf_dir: self.dir.path().join("conf"),
                bin_dirs: vec![self.own_plugins(), PLUGINS.into()],
                state_dir: state.join("cni"),
                time_limit,
                boot_id: "this boot".to_owned(),
                pod_cidr: "10.214.0.0/24".parse().unwrap(),
            },
            use_cni: UseCni::WhenConfigured,
        };
        self.on_host(|| PodNetwork::open(settings)).unwrap()
    }

    /// Plugins are run by the calling thread, so they see its namespace as the host's.
    pub(crate) fn on_host<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        netns::within(self.host.as_fd(), work).unwrap()
    }

    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.on_host(|| Command::new(program).args(arguments).output());
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn leases(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path().join("leases/debian")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("10.")).collect()
    }

    pub(crate) fn attach(&self, network: &PodNetwork, request: &AttachRequest) -> Vec<IpAddr> {
        let reserved = network.reserve(&request.id).unwrap();
        let attached = self.on_host(|| network.attach(reserved, request));
        attached.unwrap_or_else(|error| panic!("{:?}", chain_of(&error)))
    }

    /// What pods leave on a host: interfaces but the bridge, and rules that name an address.
    pub(crate) fn traces(&self) -> Vec<String> {
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

pub(crate) fn chain_of(error: &dyn std::error::Error) -> String {
    podling_runtime::lifecycle::error::chain(error)
}

impl Pod {
    pub(crate) fn start() -> Self {
        let netns = netns::create().unwrap();
        let pause = netns::within(netns.as_fd(), || Command::new("sleep").arg("1000").spawn());
        let pause = pause.unwrap().unwrap();
        Self { netns, pause }
    }

    pub(crate) fn request(&self, n: u8) -> AttachRequest {
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
    pub(crate) fn serve(&self, address: SocketAddr) -> thread::JoinHandle<()> {
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
pub(crate) fn speak(from: &OwnedFd, to: SocketAddr) {
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
