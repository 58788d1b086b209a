//! CPUs and memory that a container has for itself: nobody else is on its CPUs, over a crash of the daemon
//! too, and everybody has them again when its pod ends.

use std::fs;
use std::path::Path;
use std::process::Command;

use podling_integration::harness::device_plugin::lister;
use podling_integration::harness::{DEADLINE, Node, Options, Pod, programs, wait_until};
use podling_proto::podresources;
use serde_json::{Value, json};

use crate::{configure, is_running, pod, said, shell};

const CONFIGURATION: &str = "cpuManagerPolicy: static
reservedSystemCPUs: \"0\"
";

/// Half a gibibyte is kept: 412 MiB for the system, the rest by eviction.
const MEMORY: &str = "memoryManagerPolicy: Static
topologyManagerPolicy: single-numa-node
systemReserved: {memory: 412Mi}
evictionHard: {memory.available: 100Mi}
reservedMemory: [{numaNode: 0, limits: {memory: 512Mi}}]
";

/// How many CPUs the machine has; what these stories need two of.
fn cpus() -> usize {
    let count = std::thread::available_parallelism().expect("the kernel says so");
    assert!(
        count.get() >= 2,
        "one CPU is reserved, and one more is needed"
    );
    count.get()
}

/// A pod whose container asks for so many CPUs as its limit, and sleeps.
fn asking(name: &str, image: &str, cpus: usize) -> String {
    let mut spec = shell(image, "exec sleep 100000");
    let amounts = json!({ "cpu": cpus, "memory": "64Mi" });
    spec["containers"][0]["resources"] = json!({ "limits": amounts });
    spec["terminationGracePeriodSeconds"] = json!(0);
    pod(name, spec)
}

/// A pod that asks for nothing.
fn sharing(name: &str, image: &str) -> String {
    let mut spec = shell(image, "exec sleep 100000");
    spec["terminationGracePeriodSeconds"] = json!(0);
    pod(name, spec)
}

/// The CPUs that a pod's own process may run on.
fn on(node: &Node, name: &str) -> Vec<usize> {
    let line = said(node, name, "main", "grep Cpus_allowed_list: /proc/1/status");
    let list = line
        .split_whitespace()
        .last()
        .unwrap_or_default()
        .to_owned();
    let ranges = list.split(',').map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        [first, last].map(|number| number.parse::<usize>().expect("the kernel writes numbers"))
    });
    ranges.flat_map(|[first, last]| first..=last).collect()
}

async fn wait_on(node: &Node, name: &str, expected: &[usize]) {
    let what = format!("{name} is on {expected:?}");
    wait_until(DEADLINE, &what, || on(node, name) == expected).await;
}

fn state(node: &Node) -> Value {
    let file = node
        .root()
        .join("var/lib/podling/kubelet/cpu_manager_state");
    let text = fs::read_to_string(file).expect("it is there");
    serde_json::from_str(&text).expect("JSON")
}

/// The CPUs that a program of the machine is told a pod has for itself.
async fn told(node: &Node, runs: &Pod) -> Vec<i64> {
    let socket = node
        .root()
        .join("var/lib/podling/kubelet/pod-resources/kubelet.sock");
    let mut lister = lister(socket).await.expect("it answers");
    let of = podresources::GetPodResourcesRequest {
        pod_name: runs.name().to_owned(),
        pod_namespace: "default".to_owned(),
    };
    let asked = lister.get(of).await.expect("it is told").into_inner();
    let mut containers = asked.pod_resources.expect("the pod is there").containers;
    containers.remove(0).cpu_ids
}

/// Whether time of a pod's cgroup is limited.
fn is_limited(node: &Node, runs: &Pod) -> bool {
    let below = format!("kubepods/pod{}", runs.uid());
    let own = Path::new(node.range().cgroup().trim_start_matches('/')).join(below);
    let top = Path::new("/sys/fs/cgroup");
    let (file, none) = match top.join("cgroup.controllers").exists() {
        true => (top.join(own).join("cpu.max"), "max"),
        false => (top.join("cpu").join(own).join("cpu.cfs_quota_us"), "-1"),
    };
    let text = fs::read_to_string(file).expect("the pod has a cgroup");
    text.split_whitespace().next() != Some(none)
}

#[tokio::test]
async fn a_guaranteed_pod_has_its_cpu_alone_until_it_ends_and_over_a_crash_of_the_daemon() {
    let all: Vec<usize> = (0..cpus()).collect();
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    configure(root.path(), CONFIGURATION);
    let mut node = Node::start_with(Options {
        root: Some(root.path().to_owned()),
        ..Options::default()
    })
    .await;
    let image = node.import_debian("busybox").await;
    node.manifest("crowd.yaml", &sharing("crowd", &image));
    node.wait_pod("crowd", "runs", is_running).await;
    assert_eq!(on(&node, "crowd"), all);

    node.manifest("alone.yaml", &asking("alone", &image, 1));
    let runs = node.wait_pod("alone", "runs", is_running).await;
    let own = on(&node, "alone");
    assert_eq!(own.len(), 1);
    assert_ne!(own, [0], "it is reserved");
    let others: Vec<usize> = all
        .iter()
        .copied()
        .filter(|cpu| !own.contains(cpu))
        .collect();
    wait_on(&node, "crowd", &others).await;
    assert_eq!(
        state(&node)["entries"][runs.uid()]["main"],
        own[0].to_string()
    );
    assert_eq!(
        told(&node, &runs).await,
        [i64::try_from(own[0]).expect("it is small")]
    );
    assert!(!is_limited(&node, &runs), "nobody else can use its time");

    node.kill9();
    node.restart().await;
    let still = node.wait_pod("alone", "still runs", is_running).await;
    assert_eq!(still.uid(), runs.uid());
    assert_eq!(on(&node, "alone"), own);
    node.manifest("late.yaml", &sharing("late", &image));
    node.wait_pod("late", "runs", is_running).await;
    assert_eq!(on(&node, "late"), others);
    assert_eq!(on(&node, "crowd"), others);
    // All that is not reserved: one of it is taken.
    node.manifest("large.yaml", &asking("large", &image, all.len() - 1));
    let refused = node
        .wait_pod("large", "is refused", |pod| pod.phase() == "Failed")
        .await;
    assert_eq!(refused.text("/status/reason"), "OutOfcpu");

    node.remove_manifest("alone.yaml");
    node.wait_gone("alone").await;
    wait_on(&node, "crowd", &all).await;
    wait_on(&node, "late", &all).await;
    assert_eq!(state(&node)["entries"], Value::Null);
    node.stop().await;
}

/// What a kubelet says that does not start on a root.
fn complaint(root: &Path) -> String {
    let told = Command::new(programs::program("podling"))
        .arg("--root")
        .arg(root)
        .args([
            "kubelet",
            "--container-runtime-endpoint=unix:///nowhere.sock",
        ])
        .output()
        .expect("podling starts");
    assert!(!told.status.success());
    String::from_utf8_lossy(&told.stderr).into_owned()
}

#[test]
fn a_policy_that_cannot_be_is_told_at_the_start_and_how_to_mend_it() {
    cpus();
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let kubelet = root.path().join("var/lib/podling/kubelet");
    fs::create_dir_all(&kubelet).expect("it can be made");
    let file = kubelet.join("cpu_manager_state");
    fs::write(&file, r#"{"policyName":"none","defaultCpuSet":""}"#).expect("it can be written");
    configure(root.path(), CONFIGURATION);
    let told = complaint(root.path());
    let mend = format!(
        "configured policy \"static\" differs from state checkpoint policy \"none\", please drain this \
         node and delete the CPU manager checkpoint file {file:?} before restarting Kubelet"
    );
    assert!(told.contains(&mend), "{told}");

    fs::remove_file(&file).expect("it can be removed");
    let unreserved = CONFIGURATION.replace("reservedSystemCPUs: \"0\"\n", "");
    configure(root.path(), &unreserved);
    let told = complaint(root.path());
    assert!(
        told.contains("requires systemreserved.cpu + kubereserved.cpu to be greater than zero"),
        "{told}"
    );
    configure(root.path(), &CONFIGURATION.replace("\"0\"", "\"0,4711\""));
    let told = complaint(root.path());
    assert!(
        told.contains("reserved-cpus: 0,4711 is not a subset of online-cpus:"),
        "{told}"
    );
    let options = "cpuManagerPolicyOptions: {align-by-socket: \"true\"}\n";
    configure(root.path(), &format!("{CONFIGURATION}{options}"));
    let told = complaint(root.path());
    assert!(told.contains("Alpha-level Options not enabled"), "{told}");
}

#[tokio::test]
async fn a_guaranteed_pod_has_memory_of_a_node_beside_its_cpus() {
    cpus();
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    configure(root.path(), &format!("{CONFIGURATION}{MEMORY}"));
    let mut node = Node::start_with(Options {
        root: Some(root.path().to_owned()),
        ..Options::default()
    })
    .await;
    let image = node.import_debian("busybox").await;
    node.manifest("alone.yaml", &asking("alone", &image, 1));
    let runs = node.wait_pod("alone", "runs", is_running).await;
    let state = |node: &Node| {
        let file = node
            .root()
            .join("var/lib/podling/kubelet/memory_manager_state");
        let text = fs::read_to_string(file).expect("it is there");
        serde_json::from_str::<Value>(&text).expect("JSON")
    };
    let own = json!([{ "numaAffinity": [0], "type": "memory", "size": 64 << 20 }]);
    assert_eq!(state(&node)["entries"][runs.uid()]["main"], own);
    let socket = node
        .root()
        .join("var/lib/podling/kubelet/pod-resources/kubelet.sock");
    let mut lister = lister(socket).await.expect("it answers");
    let asked = lister.list(podresources::ListPodResourcesRequest {}).await;
    let listed = asked.expect("it is told").into_inner().pod_resources;
    let memory = &listed[0].containers[0].memory[0];
    assert_eq!(
        (memory.memory_type.as_str(), memory.size),
        ("memory", 64 << 20)
    );
    let line = said(
        &node,
        "alone",
        "main",
        "grep Mems_allowed_list: /proc/1/status",
    );
    assert_eq!(line.split_whitespace().last(), Some("0"));

    node.kill9();
    node.restart().await;
    let still = node.wait_pod("alone", "still runs", is_running).await;
    assert_eq!(still.uid(), runs.uid());
    assert_eq!(state(&node)["entries"][runs.uid()]["main"], own);
    node.remove_manifest("alone.yaml");
    node.wait_gone("alone").await;
    wait_until(DEADLINE, "its memory is free", || {
        let state = state(&node);
        let table = &state["machineState"]["0"]["memoryMap"]["memory"];
        table["reserved"] == 0 && table["free"] == table["allocatable"]
    })
    .await;
    node.stop().await;

    let other = MEMORY.replace("limits: {memory: 512Mi}", "limits: {memory: 511Mi}");
    configure(root.path(), &format!("{CONFIGURATION}{other}"));
    let told = complaint(root.path());
    let words = "the total amount \"511Mi\" of type \"memory\" is not equal to the value \"512Mi\" \
                 determined by Node Allocatable feature";
    assert!(told.contains(words), "{told}");
}
