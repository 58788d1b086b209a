//! A private containerd: the runtime of a node's kubelet when [`VARIABLE`] says so.
//!
//! ```text
//! unshare ─ a mount namespace with a /run of its own: shims and network namespaces are nobody else's
//!    ├─ containerd    root, state, sockets, addresses and bridge of its own, below the node's root
//!    └─ podling kubelet, which mounts what containerd's containers see
//! ```
//!
//! It is Debian's, unpacked or installed; a containerd of the machine is neither asked nor disturbed.

use std::env;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::cri::Cri;
use super::daemon::tail;
use super::programs::program;
use super::range::Range;
use super::wait::{DEADLINE, try_for, wait_for};
use crate::images::infra::infra_image;
use crate::images::{Layout, local_name};

/// `containerd` has every story's node run a kubelet over containerd.
pub const VARIABLE: &str = "PODLING_TEST_RUNTIME";

/// What runs in the namespace: a /run of its own, then containerd.
const START: &str =
    "mount -t tmpfs tmpfs /run && mkdir /run/containerd && exec \"$0\" --config \"$1\"";

/// Whether nodes run over containerd.
pub fn is_wanted() -> bool {
    match env::var(VARIABLE) {
        Ok(runtime) => {
            assert_eq!(runtime, "containerd", "{VARIABLE} names no other runtime");
            true
        }
        Err(_) => false,
    }
}

/// A containerd that runs.
#[derive(Debug)]
pub struct Containerd {
    child: Child,
    directory: PathBuf,
    bridge: String,
}

impl Containerd {
    /// Starts one below a node's root, and waits until it answers and has a pause image.
    pub async fn start(root: &Path, range: &Range) -> Self {
        let directory = root.join("containerd");
        fs::create_dir_all(&directory).expect("there is room");
        let (bridge, subnet) = range.cni_bridge();
        configure(&directory, &bridge, &subnet);
        let child = spawn(&directory);
        let mut containerd = Self {
            child,
            directory,
            bridge,
        };
        let answers = try_for(DEADLINE, async || {
            containerd.assert_alive();
            Cri::connect(&containerd.socket()).await.ok()
        });
        assert!(
            answers.await.is_some(),
            "containerd does not answer:\n{}",
            containerd.log()
        );
        let pause = fs::read(program("pause")).expect("pause can be read");
        let image = infra_image(&pause, 0).build();
        let archive = containerd.directory.join("pause.oci.tar");
        let layout = Layout::of(&local_name("pause"), &image.content());
        fs::write(&archive, layout.tar(0)).expect("there is room");
        containerd.import(&archive);
        containerd
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.join("containerd.sock")
    }

    /// Program and arguments that run before a program that shall see the same mounts.
    pub fn wrapper(&self) -> Vec<String> {
        let namespace = format!("--mount=/proc/{}/ns/mnt", self.child.id());
        vec!["nsenter".to_owned(), namespace, "--".to_owned()]
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Imports an archive.
    pub fn import(&self, archive: &Path) {
        let mut ctr = Command::new(tool("ctr"));
        ctr.arg("--address").arg(self.socket());
        ctr.args(["--namespace", "k8s.io", "images", "import"]);
        let imported = ctr.arg(archive).output().expect("ctr starts");
        assert!(
            imported.status.success(),
            "import {}: {}\n{}",
            archive.display(),
            String::from_utf8_lossy(&imported.stderr),
            self.log()
        );
    }

    /// Ends it when it has no pods any more, and fails when anything of it is left.
    pub async fn stop(mut self) {
        let mounts = format!("/proc/{}/mountinfo", self.child.id());
        let below = self.directory.parent().expect("it lies below a root");
        let below = below.to_string_lossy().into_owned();
        wait_for(DEADLINE, "nothing is mounted any more", async || {
            let mounts = fs::read_to_string(&mounts).ok()?;
            (!mounts.contains(&below)).then_some(())
        })
        .await;
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a child has an id"), Signal::TERM).expect("a child takes signals");
        let child = &mut self.child;
        let ended = try_for(DEADLINE, async || {
            child.try_wait().expect("a child can be waited for")
        });
        assert!(ended.await.is_some(), "containerd does not end");
    }

    fn assert_alive(&mut self) {
        if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
            panic!("containerd ended with {status}:\n{}", self.log());
        }
    }

    fn log(&self) -> String {
        tail(&self.directory.join("log"))
    }
}

impl Drop for Containerd {
    /// Its shims are found as processes of the node.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // There is one only when there was a pod.
        let _ = Command::new("ip")
            .args(["link", "delete", &self.bridge])
            .output();
    }
}

fn spawn(directory: &Path) -> Child {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(directory.join("log"))
        .expect("the log can be written");
    let containerd = tool("containerd");
    let folder = containerd.parent().expect("a program is in a folder");
    // runc comes from the same place, or from the machine.
    let beside = folder.parent().expect("bin is in a folder").join("sbin");
    let path = env::var("PATH").unwrap_or_default();
    let path = format!("{}:{}:{path}", folder.display(), beside.display());
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "shared", "sh", "-c", START])
        .arg(&containerd)
        .arg(directory.join("config.toml"))
        .env("PATH", path)
        // By its directory it is known as a process of the node.
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file can be shared"))
        .stderr(log);
    command.spawn().expect("unshare starts")
}

/// A program of containerd's package: unpacked by `make test-peers`, or installed.
fn tool(name: &str) -> PathBuf {
    let unpacked = env::var_os("PODLING_PEERS_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers"),
        PathBuf::from,
    );
    let places = [
        unpacked.join("usr/bin").join(name),
        Path::new("/usr/bin").join(name),
    ];
    let found = places.iter().find(|path| path.exists());
    let found = found.unwrap_or_else(|| panic!("there is no {name}: run `make test-peers`"));
    found.canonicalize().expect("it is there")
}

fn configure(directory: &Path, bridge: &str, subnet: &str) {
    let networks = directory.join("net.d");
    fs::create_dir_all(&networks).expect("there is room");
    let network = json!({
        "cniVersion": "1.0.0",
        "name": bridge,
        "plugins": [{
            "type": "bridge", "bridge": bridge, "isGateway": true,
            "ipam": {
                "type": "host-local", "dataDir": directory.join("addresses"),
                "ranges": [[{ "subnet": subnet }]], "routes": [{ "dst": "0.0.0.0/0" }],
            },
        }],
    });
    let file = networks.join("10-bridge.conflist");
    fs::write(file, network.to_string()).expect("there is room");
    let at = directory.display();
    // Without restrict_oom_score_adj nothing starts where CAP_SYS_RESOURCE is missing.
    let text = format!(
        r#"version = 2
root = "{at}/root"
state = "{at}/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
    "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "{at}/containerd.sock"
[ttrpc]
  address = "{at}/containerd.ttrpc.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{at}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{at}/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = "{at}/runc"
"#,
        pause = local_name("pause"),
    );
    fs::write(directory.join("config.toml"), text).expect("there is room");
}
