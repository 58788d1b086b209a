//! What the node keeps from pods, and what the cgroups above them say.

use std::fs;
use std::path::{Path, PathBuf};

use podling_integration::harness::{DEADLINE, Node, Pod, wait_until};
use serde_json::{Value, json};

use crate::{configure, configured, is_running, one, pod};

const CONFIGURATION: &str = "systemReserved: {cpu: 100m, memory: 64Mi}
kubeReserved: {memory: 64Mi}
evictionHard: {memory.available: 32Mi}
podPidsLimit: 50
";

/// A file of a cgroup below the node's, by its name on either version.
fn file(node: &Node, cgroup: &str, [controller, v1, v2]: [&str; 3]) -> PathBuf {
    let top = Path::new("/sys/fs/cgroup");
    let own = node.range().cgroup();
    let below = Path::new(own.trim_start_matches('/')).join(cgroup);
    if top.join("cgroup.controllers").exists() {
        top.join(below).join(v2)
    } else {
        top.join(controller).join(below).join(v1)
    }
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

const MEMORY: [&str; 3] = ["memory", "memory.limit_in_bytes", "memory.max"];
const WEIGHT: [&str; 3] = ["cpu", "cpu.shares", "cpu.weight"];
const PIDS: [&str; 3] = ["pids", "pids.max", "pids.max"];

fn total_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").expect("it is there");
    let line = text.lines().next().expect("it has lines");
    let number = line
        .split_whitespace()
        .nth(1)
        .and_then(|one| one.parse::<u64>().ok());
    number.expect("the first line is the total") * 1024
}

#[tokio::test]
async fn what_is_reserved_is_kept_from_pods() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let node = configured(root.path(), CONFIGURATION).await;
    let total = total_memory();
    // What eviction keeps free is not limited: it needs room to work in.
    let all = file(&node, "kubepods", MEMORY);
    wait_until(DEADLINE, "the cgroup of all pods is limited", || {
        number(&all) == Some(total - (128 << 20))
    })
    .await;
    let shown = node.podling(&["get", "nodes", "-o", "json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    let shown = shown.pointer("/items/0").unwrap_or(&shown);
    let kibibytes = (total - (160 << 20)) / 1024;
    let allocatable = &shown["status"]["allocatable"];
    assert_eq!(
        allocatable["memory"],
        format!("{kibibytes}Ki"),
        "{allocatable}"
    );

    let image = node.import_testbox().await;
    let mut spec = one(&image, &["sleep"]);
    spec["containers"][0]["resources"] = json!({ "requests": { "cpu": "500m" } });
    node.manifest("box.yaml", &pod("box", spec));
    let runs = node.wait_pod("box", "runs", is_running).await;
    let own = format!("kubepods/burstable/pod{}", runs.uid());
    assert_eq!(number(&file(&node, &own, PIDS)), Some(50));
    let is_v2 = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let (burstable, best_effort) = if is_v2 { (20, 1) } else { (512, 2) };
    let weight = file(&node, "kubepods/burstable", WEIGHT);
    wait_until(DEADLINE, "burstable pods weigh what they ask for", || {
        number(&weight) == Some(burstable)
    })
    .await;
    let weight = file(&node, "kubepods/besteffort", WEIGHT);
    assert_eq!(number(&weight), Some(best_effort));
    node.stop().await;
}

/// A cgroup that others have made, in the hierarchies of these controllers; gone with its owner.
struct Foreign(Vec<PathBuf>);

impl Foreign {
    fn make(name: &str, controllers: &[&str]) -> Self {
        let top = Path::new("/sys/fs/cgroup");
        let is_v2 = top.join("cgroup.controllers").exists();
        let hierarchies = if is_v2 { &[""][..] } else { controllers };
        for controller in controllers.iter().filter(|_| is_v2) {
            let control = top.join("cgroup.subtree_control");
            fs::write(control, format!("+{controller}")).expect("the kernel has it");
        }
        let of = |hierarchy: &&str| top.join(hierarchy).join(name);
        let paths: Vec<_> = hierarchies.iter().map(of).collect();
        for path in &paths {
            fs::create_dir(path).expect("it can be made");
        }
        Self(paths)
    }

    fn number(&self, [controller, v1, v2]: [&str; 3]) -> Option<u64> {
        let is_of = |path: &&PathBuf| path.parent().is_some_and(|top| top.ends_with(controller));
        match self.0.as_slice() {
            [unified] => number(&unified.join(v2)),
            several => number(&several.iter().find(is_of)?.join(v1)),
        }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = fs::remove_dir(path);
        }
    }
}

#[tokio::test]
async fn what_is_reserved_for_a_cgroup_is_all_that_it_gets() {
    let name = format!("podling-reserved-{}", std::process::id());
    let foreign = Foreign::make(&name, &["cpu", "memory", "pids"]);
    let text = format!(
        "{CONFIGURATION}enforceNodeAllocatable: [pods, system-reserved]\nsystemReservedCgroup: /{name}\n"
    );
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let node = configured(root.path(), &text).await;
    assert_eq!(foreign.number(MEMORY), Some(64 << 20));
    let is_v2 = foreign.0.len() == 1;
    assert_eq!(foreign.number(WEIGHT), Some(if is_v2 { 4 } else { 102 }));
    node.stop().await;
}

#[tokio::test]
async fn a_pods_cgroup_that_was_left_behind_is_removed() {
    let mut node = Node::start().await;
    let image = node.import_testbox().await;
    node.manifest("box.yaml", &pod("box", one(&image, &["sleep"])));
    node.wait_pod("box", "runs", is_running).await;
    node.kill9();
    let left = file(&node, "kubepods/besteffort/podghost", PIDS);
    let left = left.parent().expect("a file is in a directory").to_owned();
    fs::create_dir(&left).expect("it can be made");
    node.restart().await;
    wait_until(DEADLINE, "it is gone", || !left.exists()).await;
    node.wait_pod("box", "still runs", is_running).await;
    node.stop().await;
}

#[tokio::test]
async fn a_reservation_for_a_cgroup_that_is_not_there_is_told_at_the_start() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let fields = format!(
        "{CONFIGURATION}enforceNodeAllocatable: [pods, system-reserved]\n\
         systemReservedCgroup: /podling-nowhere\n"
    );
    configure(root.path(), &fields);
    let program = podling_integration::harness::programs::program("podling");
    let told = std::process::Command::new(program)
        .arg("--root")
        .arg(root.path())
        .args([
            "kubelet",
            "--container-runtime-endpoint=unix:///nowhere.sock",
        ])
        .output()
        .expect("podling starts");
    assert!(!told.status.success());
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(told.contains("/podling-nowhere"), "{told}");
}

#[tokio::test]
async fn a_pod_is_charged_for_what_its_runtime_class_takes_beside_its_containers() {
    let node = Node::start().await;
    let image = node.import_testbox().await;
    let class = json!({
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": { "name": "heavy" },
        "handler": "podling", "overhead": { "podFixed": { "cpu": "250m", "memory": "64Mi" } },
    });
    node.manifest("heavy.yaml", &class.to_string());
    let heavy = |cpu: &str| {
        let mut spec = one(&image, &["sleep"]);
        spec["runtimeClassName"] = "heavy".into();
        spec["containers"][0]["resources"] = json!({
            "requests": { "cpu": cpu, "memory": "64Mi" }, "limits": { "memory": "64Mi" },
        });
        spec
    };
    node.manifest("web.yaml", &pod("web", heavy("100m")));
    let web = node.wait_pod("web", "runs", is_running).await;
    assert_eq!(web.text("/spec/overhead/memory"), "64Mi");
    assert_eq!(web.text("/status/qosClass"), "Burstable");
    let cgroup = format!("kubepods/burstable/pod{}", web.uid());
    assert_eq!(number(&file(&node, &cgroup, MEMORY)), Some(128 << 20));
    // Without its overhead it would fit.
    let cpus = std::thread::available_parallelism()
        .expect("a number")
        .get();
    let all = format!("{}m", cpus * 1000 - 350);
    node.manifest("large.yaml", &pod("large", heavy(&all)));
    let refused = |pod: &Pod| pod.text("/status/reason") == "OutOfcpu";
    node.wait_pod("large", "is refused", refused).await;
    for name in ["web", "large", "heavy"] {
        node.remove_manifest(&format!("{name}.yaml"));
    }
    node.wait_gone("web").await;
    node.stop().await;
}
