//! Pods on a CNI network, made by Debian's plugins: it is taken when it is configured, survives
//! crashes at any step, and lets go of every pod.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use podling_integration::harness::census::Census;
use podling_integration::harness::daemon::Start;
use podling_integration::harness::wait::{DEADLINE, try_for, wait_for, wait_until};
use podling_integration::harness::{Node, http, requests};
use podling_proto::runtime::v1::{
    PodSandboxConfig, PodSandboxState, RemovePodSandboxRequest, RunPodSandboxRequest,
    StatusRequest, StopPodSandboxRequest,
};
use serde_json::json;

use crate::failpoints::{dies_at, points};
use crate::{is_running, one, pod};

/// Where Debian puts plugins.
const PLUGINS: &str = "/usr/lib/cni";

/// A plugin that makes nothing, fails while a file named after the verb lies beside it, and hangs
/// while one named `hang` does.
const GATE: &str = r#"#!/bin/sh
cat > /dev/null
if [ -e "${0%/*}/hang" ]; then echo $$ > "${0%/*}/hanging"; exec sleep 1000; fi
if [ -e "${0%/*}/$CNI_COMMAND" ]; then echo '{"code": 111, "msg": "the gate is shut"}'; exit 1; fi
case $CNI_COMMAND in
ADD) echo '{"cniVersion": "1.0.0"}' ;;
VERSION) echo '{"cniVersion": "1.0.0", "supportedVersions": ["1.0.0"]}' ;;
esac
"#;

/// A node whose pods go through a gate to a bridge of the test's own.
struct World {
    node: Node,
    image: String,
}

impl World {
    async fn start() -> Self {
        assert!(
            Path::new(PLUGINS).join("bridge").exists(),
            "containernetworking-plugins are not installed: run `make deps`"
        );
        let mut node = Node::start().await;
        let image = node.import_testbox().await;
        let gates = node.folder().join("gates");
        fs::create_dir(&gates).expect("there is room");
        fs::write(gates.join("gate"), GATE).expect("there is room");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(gates.join("gate"), mode).expect("it is ours");
        node.kill9();
        node.restart_with(&start(&node)).await;
        Self { node, image }
    }

    fn configure(&self) {
        let (bridge, subnet) = self.node.range().cni_bridge();
        let ipam = json!({
            "type": "host-local",
            "dataDir": self.leases_dir(),
            "ranges": [[{ "subnet": subnet }]],
            "routes": [{ "dst": "0.0.0.0/0" }],
        });
        let config = json!({
            "cniVersion": "1.0.0",
            "name": "story",
            "plugins": [
                { "type": "gate" },
                { "type": "bridge", "bridge": bridge, "isGateway": true, "ipam": ipam },
            ],
        });
        fs::create_dir_all(self.conf().parent().expect("it lies in a folder")).expect("room");
        fs::write(self.conf(), config.to_string()).expect("there is room");
    }

    fn conf(&self) -> PathBuf {
        self.node.root().join("etc/cni/net.d/10-story.conflist")
    }

    fn leases_dir(&self) -> PathBuf {
        self.node.folder().join("leases")
    }

    /// Shuts or opens the gate for a verb.
    fn shut(&self, verb: &str) {
        fs::write(self.gates().join(verb), "").expect("there is room");
    }

    fn open(&self, verb: &str) {
        fs::remove_file(self.gates().join(verb)).expect("it was shut");
    }

    fn gates(&self) -> PathBuf {
        self.node.folder().join("gates")
    }

    /// What must not grow: everything of the node, leases, interfaces on the bridge, attachments.
    fn census(&self) -> (Census, [usize; 3]) {
        let (bridge, _) = self.node.range().cni_bridge();
        let leases = fs::read_dir(self.leases_dir().join("story"))
            .into_iter()
            .flatten();
        let is_lease = |name: &str| name.starts_with("10.");
        let leases = leases
            .flatten()
            .filter(|entry| entry.file_name().to_str().is_some_and(is_lease));
        let count = |path: PathBuf| fs::read_dir(path).map_or(0, Iterator::count);
        let census = Census {
            descriptors: 0,
            ..Census::of(&self.node)
        };
        let links = count(Path::new("/sys/class/net").join(bridge).join("brif"));
        let attachments = count(self.node.root().join("var/lib/podling/network/cni"));
        (census, [leases.count(), links, attachments])
    }

    async fn assert_back_to(&self, before: &(Census, [usize; 3]), when: &str) {
        let is_back = try_for(DEADLINE, async || (self.census() == *before).then_some(()));
        let is_back = is_back.await.is_some();
        assert!(
            is_back,
            "{when}: before {before:?}, after {:?}",
            self.census()
        );
    }

    /// What there is once a pod has come and gone.
    async fn after_a_first_pod(&self) -> (Census, [usize; 3]) {
        self.run_pod("first").await;
        self.node.remove_manifest("first.yaml");
        self.node.wait_gone("first").await;
        self.census()
    }

    async fn run_pod(&self, name: &str) {
        let manifest = pod(name, one(&self.image, &["sleep"]));
        self.node.manifest(&format!("{name}.yaml"), &manifest);
        self.node.wait_pod(name, "runs", is_running).await;
    }

    /// Plugins leave their bridge, which is as it should be on a machine that is no test.
    async fn stop(self) {
        fs::remove_file(self.conf()).expect("it was configured");
        let (bridge, _) = self.node.range().cni_bridge();
        let deleted = Command::new("ip")
            .args(["link", "delete", &bridge])
            .status();
        assert!(deleted.expect("ip is installed").success());
        self.node.stop().await;
    }
}

fn start(node: &Node) -> Start {
    let gates = node.folder().join("gates");
    let dirs = format!("--cni-bin-dir={}:{PLUGINS}", gates.display());
    Start {
        arguments: vec![dirs],
        ..Start::default()
    }
}

#[tokio::test]
async fn before_there_is_a_network_only_pods_of_the_hosts_start() {
    let world = World::start().await;
    let node = &world.node;
    // The built-in bridge is not used from here on.
    fs::create_dir_all(world.conf().parent().expect("it lies in a folder")).expect("room");
    fs::write(world.conf(), "{}").expect("there is room");
    node.manifest("own.yaml", &pod("own", one(&world.image, &["sleep"])));
    let mut spec = one(&world.image, &["sleep"]);
    spec["hostNetwork"] = json!(true);
    node.manifest("hosts.yaml", &pod("hosts", spec));
    node.wait_pod("hosts", "runs", is_running).await;
    let is_told = || {
        let events = node.kubelet("/events").map(|answer| answer.text());
        let events = events.unwrap_or_default();
        let words = "network is not ready: container runtime network not ready: NetworkReady=false";
        events.contains("NetworkNotReady") && events.contains(words)
    };
    wait_until(DEADLINE, "the other one waits", is_told).await;
    let own = node.pod("own").expect("it is there");
    assert_eq!(own.phase(), "Pending");
    world.configure();
    node.wait_pod("own", "runs", is_running).await;
    for name in ["own", "hosts"] {
        node.remove_manifest(&format!("{name}.yaml"));
        node.wait_gone(name).await;
    }
    world.stop().await;
}

#[tokio::test]
async fn a_network_is_taken_when_it_is_configured_and_left_with_its_pods() {
    let world = World::start().await;
    let node = &world.node;
    node.manifest(
        "old.yaml",
        &pod("old", one(&world.image, &["serve", "8080"])),
    );
    let old = node.wait_pod("old", "is ready", |pod| pod.is_ready()).await;

    world.configure();
    node.manifest(
        "new.yaml",
        &pod("new", one(&world.image, &["serve", "8080"])),
    );
    let new = node.wait_pod("new", "is ready", |pod| pod.is_ready()).await;
    let (_, subnet) = node.range().cni_bridge();
    let ip = new.ip().expect("a ready pod has an address").to_string();
    assert!(ip.starts_with(&subnet.replace("0/24", "")), "{ip}");
    for ip in [old.ip(), new.ip()] {
        let address = SocketAddr::new(ip.expect("both are ready"), 8080);
        wait_for(DEADLINE, "it answers", async || {
            http::get(address, "/").ok()
        })
        .await;
    }
    assert_eq!(world.census().1, [1, 1, 1]);
    for name in ["old", "new"] {
        node.remove_manifest(&format!("{name}.yaml"));
        node.wait_gone(name).await;
    }
    assert_eq!(world.census().1, [0, 0, 0]);
    world.stop().await;
}

#[tokio::test]
async fn a_crash_at_any_step_of_attaching_a_pod_is_made_good() {
    let mut world = World::start().await;
    world.configure();
    let before = world.after_a_first_pod().await;
    for point in points(&world.node, &["cni_add."]) {
        world.node.kill9();
        let dying = Start {
            failpoint: dies_at(&point).failpoint,
            ..start(&world.node)
        };
        world.node.restart_with(&dying).await;
        let manifest = pod("box", one(&world.image, &["sleep"]));
        world.node.manifest("box.yaml", &manifest);
        world.node.wait_killed().await;
        let start = start(&world.node);
        world.node.restart_with(&start).await;

        let what = format!("runs after {point}");
        world.node.wait_pod("box", &what, is_running).await;
        assert_eq!(world.census().1, [1, 1, 1], "{point}");
        world.node.remove_manifest("box.yaml");
        world.node.wait_gone("box").await;
        world.assert_back_to(&before, &point).await;
    }
    world.stop().await;
}

#[tokio::test]
async fn a_crash_at_any_step_of_detaching_a_pod_is_made_good() {
    let mut world = World::start().await;
    world.configure();
    let before = world.after_a_first_pod().await;
    for point in points(&world.node, &["cni_del."]) {
        world.run_pod("box").await;
        world.node.kill9();
        let dying = Start {
            failpoint: dies_at(&point).failpoint,
            ..start(&world.node)
        };
        world.node.restart_with(&dying).await;
        world.node.remove_manifest("box.yaml");
        world.node.wait_killed().await;
        let start = start(&world.node);
        world.node.restart_with(&start).await;

        world.node.wait_gone("box").await;
        world.assert_back_to(&before, &point).await;
    }
    world.stop().await;
}

#[tokio::test]
async fn a_plugin_does_not_outlive_a_daemon_that_is_killed() {
    let mut world = World::start().await;
    world.configure();
    let before = world.after_a_first_pod().await;
    world.shut("hang");
    let manifest = pod("box", one(&world.image, &["sleep"]));
    world.node.manifest("box.yaml", &manifest);
    let hanging = world.gates().join("hanging");
    let plugin = wait_for(DEADLINE, "a plugin hangs", async || {
        let pid = fs::read_to_string(&hanging).ok()?;
        pid.trim().parse::<u32>().ok()
    })
    .await;
    world.node.kill9();
    // Of a process that has ended nothing is left, or a zombie without a command line.
    let command = format!("/proc/{plugin}/cmdline");
    let has_ended = || fs::read(&command).is_ok_and(|line| line.is_empty());
    wait_until(DEADLINE, "the plugin ends", || {
        !Path::new(&command).exists() || has_ended()
    })
    .await;

    world.open("hang");
    let start = start(&world.node);
    world.node.restart_with(&start).await;
    world.node.wait_pod("box", "runs", is_running).await;
    world.node.remove_manifest("box.yaml");
    world.node.wait_gone("box").await;
    world.assert_back_to(&before, "removed").await;
    world.stop().await;
}

#[tokio::test]
async fn a_pod_that_plugins_do_not_let_go_is_stopped_and_stays_until_they_do() {
    let world = World::start().await;
    world.configure();
    let before = world.after_a_first_pod().await;
    let cri = world.node.cri().await;
    let mut runtime = cri.runtime.clone();
    let id = runtime.run_pod_sandbox(run("held", &world)).await;
    let id = id.expect("the gate is open").into_inner().pod_sandbox_id;
    world.shut("DEL");
    for _ in 0..2 {
        let stopped = runtime.stop_pod_sandbox(stop(&id)).await;
        let said = stopped.expect_err("the gate is shut").message().to_owned();
        let expected = "plugin \"gate\" of network \"story\": DEL: the gate is shut (code 111)";
        assert!(said.ends_with(expected), "{said}");
        let sandboxes = cri.sandboxes().await;
        let state = i32::from(PodSandboxState::SandboxNotready);
        assert_eq!(
            sandboxes.iter().map(|s| s.state).collect::<Vec<_>>(),
            [state]
        );
    }
    let removed = runtime.remove_pod_sandbox(remove(&id)).await;
    assert!(removed.is_err(), "it is still attached");
    world.open("DEL");
    let removed = runtime.remove_pod_sandbox(remove(&id)).await;
    removed.expect("the gate is open again");
    world.assert_back_to(&before, "removed").await;
    world.stop().await;
}

#[tokio::test]
async fn a_pod_that_cannot_be_attached_is_undone_even_if_that_fails_at_first() {
    let world = World::start().await;
    world.configure();
    let before = world.after_a_first_pod().await;
    let cri = world.node.cri().await;
    let mut runtime = cri.runtime.clone();
    world.shut("ADD");
    world.shut("DEL");
    let error = runtime.run_pod_sandbox(run("shut", &world)).await;
    let said = error.expect_err("the gate is shut").message().to_owned();
    assert!(said.ends_with("ADD: the gate is shut (code 111)"), "{said}");
    assert_eq!(cri.sandboxes().await, []);

    // Another try does not wait for the first one's end.
    world.open("ADD");
    let id = runtime.run_pod_sandbox(run("shut", &world)).await;
    let id = id.expect("the gate is open").into_inner().pod_sandbox_id;
    world.open("DEL");
    let removed = runtime.remove_pod_sandbox(remove(&id)).await;
    removed.expect("the gate is open");
    world
        .assert_back_to(&before, "undone in the background")
        .await;
    world.stop().await;
}

#[tokio::test]
async fn the_status_says_what_is_wrong_with_the_configuration() {
    let world = World::start().await;
    world.configure();
    let cri = world.node.cri().await;
    let status = async || {
        let request = StatusRequest { verbose: true };
        let status = cri.runtime.clone().status(request).await;
        let status = status.expect("it has a status").into_inner();
        let conditions = status.status.expect("it is there").conditions;
        let network = conditions.into_iter().find(|c| c.r#type == "NetworkReady");
        (network.expect("it is there"), status.info)
    };
    let (network, info) = status().await;
    assert!(network.status, "{}", network.message);
    assert_eq!(info["lastCNILoadStatus"], "OK");
    assert!(info["cniconfig"].contains(r#""Name":"story""#));

    fs::write(world.conf(), "{}").expect("there is room");
    let (network, info) = status().await;
    assert_eq!(
        (network.status, network.reason.as_str()),
        (false, "NetworkPluginNotReady")
    );
    for said in [&network.message, &info["lastCNILoadStatus"]] {
        assert!(
            said.ends_with("10-story.conflist: plugins is missing"),
            "{said}"
        );
    }
    world.configure();
    // The bridge that is deleted at the end is made by a pod.
    world.after_a_first_pod().await;
    world.stop().await;
}

fn run(name: &str, world: &World) -> RunPodSandboxRequest {
    let config: PodSandboxConfig = requests::sandbox(name, &world.node.range().cgroup());
    RunPodSandboxRequest {
        config: Some(config),
        ..RunPodSandboxRequest::default()
    }
}

fn stop(id: &str) -> StopPodSandboxRequest {
    StopPodSandboxRequest {
        pod_sandbox_id: id.to_owned(),
    }
}

fn remove(id: &str) -> RemovePodSandboxRequest {
    RemovePodSandboxRequest {
        pod_sandbox_id: id.to_owned(),
    }
}
