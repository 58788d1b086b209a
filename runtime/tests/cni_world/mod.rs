//! A small world for tests of CNI networks: a directory of configurations, a directory of plugins
//! that are shell scripts, and what these hold.
//!
//! Each plugin keeps a file for every pod that it has attached, the first of a chain also an address;
//! files beside it make it fail, hang, or say something else. So a test sees what is leaked.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail as a test does")]

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use podling_runtime::model::SandboxId;
use podling_runtime::model::config::PodMetadata;
use podling_runtime::network::{
    AttachRequest, BridgeSettings, CniSettings, NetworkError, NetworkSettings, PodNetwork, UseCni,
    Wishes,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What every plugin of these tests is.
const PLUGIN: &str = r#"#!/bin/sh
here=${0%/*}; me=${0##*/}; verb=$CNI_COMMAND
config=$(cat)
echo "$verb $me netns=$CNI_NETNS" >> "$here/calls"
printf '%s' "$config" > "$here/$me.$verb.stdin"
env > "$here/$me.$verb.env"
if [ -e "$here/$me.$verb.hang" ]; then
    sleep 1000 &
    echo $! > "$here/hanging.new"; mv "$here/hanging.new" "$here/hanging"
    wait
fi
case $verb in
ADD)
    mkdir -p "$here/held"
    : > "$here/held/$me@$CNI_CONTAINERID"
    case $config in
    *prevResult*) address=$(cat "$here/address-of-$CNI_CONTAINERID") ;;
    *)
        n=2
        until mkdir "$here/held/10.9.0.$n" 2>/dev/null; do n=$((n + 1)); done
        address=10.9.0.$n
        echo "$CNI_CONTAINERID" > "$here/held/$address/owner"
        echo $address > "$here/address-of-$CNI_CONTAINERID" ;;
    esac ;;
DEL)
    if [ ! -e "$here/$me.$verb.fail" ]; then
        rm -f "$here/held/$me@$CNI_CONTAINERID"
        if [ $me = first ] && [ -e "$here/address-of-$CNI_CONTAINERID" ]; then
            address=$(cat "$here/address-of-$CNI_CONTAINERID")
            rm -rf "$here/held/$address" "$here/address-of-$CNI_CONTAINERID"
        fi
    fi ;;
esac
[ ! -e "$here/$me.$verb.stderr" ] || cat "$here/$me.$verb.stderr" >&2
if [ -e "$here/$me.$verb.fail" ]; then cat "$here/$me.$verb.fail"; exit 1; fi
if [ -e "$here/$me.$verb.say" ]; then cat "$here/$me.$verb.say"; exit 0; fi
case $verb in
ADD) printf '{"cniVersion":"1.0.0","interfaces":[{"name":"eth0","sandbox":"%s"}],
    "ips":[{"address":"%s/24","interface":0}]}' "$CNI_NETNS" "$address" ;;
VERSION) echo '{"cniVersion":"1.1.0","supportedVersions":["0.4.0","1.0.0","1.1.0"]}' ;;
esac
"#;

/// A chain of two of them.
pub(crate) fn chain(version: &str) -> Value {
    json!({
        "cniVersion": version,
        "name": "net",
        "plugins": [
            {"type": "first"},
            {"type": "second", "capabilities": {"portMappings": true, "bandwidth": true}},
        ],
    })
}

pub(crate) fn id(n: u8) -> SandboxId {
    SandboxId::from_random([n; 32])
}

/// A machine with two plugins and no configuration.
pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) time_limit: Duration,
    pub(crate) bin_dirs: Vec<PathBuf>,
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        for name in ["conf", "bin", "state"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let world = Self {
            time_limit: Duration::from_secs(60),
            bin_dirs: vec![dir.path().join("bin")],
            dir,
        };
        for name in ["first", "second"] {
            world.install(name);
        }
        world
    }

    /// The same with a chain of two.
    pub(crate) fn configured() -> Self {
        let world = Self::new();
        world.configure("10-net.conflist", &chain("1.0.0").to_string());
        world
    }

    /// Puts a plugin where plugins lie.
    pub(crate) fn install(&self, name: &str) {
        let path = self.bin(name);
        fs::write(&path, PLUGIN).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn configure(&self, file: &str, text: &str) {
        fs::write(self.dir.path().join("conf").join(file), text).unwrap();
    }

    pub(crate) fn unconfigure(&self, file: &str) {
        fs::remove_file(self.dir.path().join("conf").join(file)).unwrap();
    }

    /// A file beside the plugins.
    pub(crate) fn bin(&self, name: &str) -> PathBuf {
        self.dir.path().join("bin").join(name)
    }

    /// Has a plugin do something else: `first.ADD.fail`.
    pub(crate) fn rig(&self, name: &str, content: &str) {
        fs::write(self.bin(name), content).unwrap();
    }

    pub(crate) fn unrig(&self, name: &str) {
        fs::remove_file(self.bin(name)).unwrap();
    }

    /// What a plugin was given last time.
    pub(crate) fn stdin(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.bin(&format!("{name}.stdin"))).unwrap()).unwrap()
    }

    /// The variables that it had.
    pub(crate) fn environment(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.bin(&format!("{name}.env"))).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Verbs and plugins in the order of the calls, and forgets them.
    pub(crate) fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.bin("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.bin("calls"));
        let words = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
        text.lines().map(words).collect()
    }

    /// What plugins hold of pods.
    pub(crate) fn held(&self) -> Vec<String> {
        names(&self.bin("held"))
    }

    /// What is recorded of pods.
    pub(crate) fn recorded(&self) -> Vec<String> {
        names(&self.dir.path().join("state/cni"))
    }

    pub(crate) fn settings(&self) -> NetworkSettings {
        NetworkSettings {
            bridge: BridgeSettings {
                bridge: "podcnitest".to_owned(),
                cidr: "10.213.8.0/24".parse().unwrap(),
                state_dir: self.dir.path().join("state"),
            },
            cni: CniSettings {
                conf_dir: self.dir.path().join("conf"),
                bin_dirs: self.bin_dirs.clone(),
                state_dir: self.dir.path().join("state/cni"),
                time_limit: self.time_limit,
                boot_id: "this boot".to_owned(),
                pod_cidr: "10.213.8.0/24".parse().unwrap(),
            },
            use_cni: UseCni::Always,
        }
    }

    pub(crate) fn open(&self) -> PodNetwork {
        PodNetwork::open(self.settings()).unwrap()
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A process that holds a pod's network namespace.
pub(crate) struct Pause(Child);

impl Pause {
    /// In the namespace of the calling thread: scripts change nothing in it.
    pub(crate) fn start() -> Self {
        Self(Command::new("sleep").arg("1000").spawn().unwrap())
    }

    pub(crate) fn pid(&self) -> i32 {
        self.0.id().cast_signed()
    }

    pub(crate) fn end(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        // Ended already, perhaps.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A pod of the least that there can be.
pub(crate) fn request(n: u8, pause: &Pause) -> AttachRequest {
    AttachRequest {
        id: id(n),
        pause_pid: pause.pid(),
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

pub(crate) fn attach(
    network: &PodNetwork,
    request: &AttachRequest,
) -> Result<Vec<IpAddr>, NetworkError> {
    let reserved = network.reserve(&request.id)?;
    network.attach(reserved, request)
}

/// An error and its sources, as a client sees them.
pub(crate) fn chain_of(error: &dyn std::error::Error) -> String {
    podling_runtime::lifecycle::error::chain(error)
}
