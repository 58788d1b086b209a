//! Fields of a KubeletConfiguration, as their effect is seen from a pod or from outside.

use std::fs;
use std::path::Path;
use std::process::Command;

use podling_integration::harness::daemon::Start;
use podling_integration::harness::programs::program;
use podling_integration::harness::{Node, Options, Pod};
use serde_json::{Value, json};

use crate::{configure, configured, covering, is_running, one, pod, said, shell};

/// Quota and period of a container's cgroup, in microseconds.
const BANDWIDTH: &str = "cd /sys/fs/cgroup; cat cpu.max 2>/dev/null || \
    cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us";

/// A pod that may use half a CPU.
fn half_a_cpu(image: &str) -> Value {
    let mut spec = shell(image, "sleep 1000");
    spec["containers"][0]["resources"] = json!({ "limits": { "cpu": "500m" } });
    spec["terminationGracePeriodSeconds"] = json!(1);
    spec
}

fn bandwidth(node: &Node, name: &str) -> Vec<String> {
    let said = said(node, name, "main", BANDWIDTH);
    said.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test]
async fn names_places_and_periods_are_in_a_pod_as_the_configuration_has_them() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let elsewhere = tempfile::tempdir().expect("a temporary directory can be made");
    let manifests = elsewhere.path().display();
    let fields = format!(
        "staticPodPath: {manifests}\nclusterDNS: [192.0.2.53]\nclusterDomain: cluster.test\n\
         cpuCFSQuotaPeriod: 50ms\nfeatureGates:\n  CustomCPUCFSQuotaPeriod: true\nnodeStatusMaxImages: 1\n"
    );
    let node = configured(root.path(), &fields).await;
    let image = node.import_debian("busybox").await;
    node.import_debian("nginx").await;
    let manifest = pod("web", half_a_cpu(&image));
    fs::write(elsewhere.path().join("web.yaml"), manifest).expect("there is room");
    node.wait_pod("web", "runs", is_running).await;

    assert_eq!(bandwidth(&node, "web"), ["25000", "50000"]);
    let resolver = said(&node, "web", "main", "cat /etc/resolv.conf");
    assert!(resolver.contains("nameserver 192.0.2.53\n"), "{resolver}");
    let domains = "search default.svc.cluster.test svc.cluster.test cluster.test";
    assert!(resolver.contains(domains), "{resolver}");
    let answer = node.kubelet("/node").expect("an answer");
    let object: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let images = object["status"]["images"].as_array().map_or(0, Vec::len);
    assert_eq!(images, 1, "{object:#}");
    fs::remove_file(elsewhere.path().join("web.yaml")).expect("it is there");
    node.wait_gone("web").await;
    node.stop().await;
}

#[tokio::test]
async fn limits_of_cpu_time_are_left_alone_where_they_shall_not_count() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let node = configured(root.path(), "cpuCFSQuota: false\n").await;
    let image = node.import_debian("busybox").await;
    node.manifest("web.yaml", &pod("web", half_a_cpu(&image)));
    node.wait_pod("web", "runs", is_running).await;
    let quota = bandwidth(&node, "web");
    assert!(["-1", "max"].contains(&quota[0].as_str()), "{quota:?}");
    node.stop().await;
}

#[tokio::test]
async fn a_kubelet_that_shall_not_run_on_the_first_hierarchy_runs_on_the_second_alone() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        let node = configured(root.path(), "failCgroupV1: true\n").await;
        return node.stop().await;
    }
    let told = Command::new(program("podling"))
        .arg("--root")
        .arg(root.path())
        .args(["up", "--check-config", "--fail-cgroupv1=true"])
        .output()
        .expect("podling starts");
    assert!(!told.status.success());
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    let words = "kubelet is configured to not run on a host using cgroup v1";
    assert!(told.contains(words), "{told}");
}

#[tokio::test]
async fn a_kubelet_keeps_its_directory_where_it_shall() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let mut node = configured(root.path(), "").await;
    let image = node.import_debian("busybox").await;
    node.kill9();
    let directory = node.folder().join("kubelet");
    let start = Start {
        arguments: vec![format!("--root-dir={}", directory.display())],
        ..Start::default()
    };
    node.restart_with(&start).await;
    let mut spec = shell(&image, "sleep 1000");
    spec["terminationGracePeriodSeconds"] = json!(1);
    spec["volumes"] = json!([{ "name": "room", "emptyDir": {} }]);
    spec["containers"][0]["volumeMounts"] = json!([{ "name": "room", "mountPath": "/room" }]);
    node.manifest("web.yaml", &pod("web", spec));
    let web: Pod = node.wait_pod("web", "runs", is_running).await;
    said(&node, "web", "main", "echo here > /room/file");
    let file = format!(
        "pods/{}/volumes/kubernetes.io~empty-dir/room/file",
        web.uid()
    );
    let written = fs::read_to_string(directory.join(file));
    assert_eq!(written.expect("it lies there"), "here\n");
    node.remove_manifest("web.yaml");
    node.wait_gone("web").await;
    assert!(!directory.join("pods").join(web.uid()).exists());
    node.stop().await;
}

#[tokio::test]
async fn beside_swap_a_kubelet_runs_only_if_it_shall_not_fail_over_it() {
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let root = folder.path().join("root");
    let header = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
    let place = "/dev/vdz                                partition\t1048572\t0\t-2\n";
    let swaps = |name: &str, text: String| {
        let file = folder.path().join(name);
        fs::write(&file, text).expect("there is room");
        covering(&file, "/proc/swaps")
    };
    let (none, some) = (
        swaps("none", header.to_owned()),
        swaps("some", format!("{header}{place}")),
    );
    let with = |wrapper: &[String]| Start {
        wrapper: wrapper.to_vec(),
        ..Start::default()
    };
    configure(&root, "failSwapOn: false\n");
    let mut node = Node::start_with(Options {
        root: Some(root.clone()),
        start: with(&some),
    })
    .await;
    node.kill9();

    configure(&root, "failSwapOn: true\n");
    let refused = Command::new(&some[0])
        .args(&some[1..])
        .arg(program("podling"))
        .arg("--root")
        .arg(&root)
        .args(["up", "--check-config"])
        .output()
        .expect("unshare starts");
    assert!(!refused.status.success());
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    let words = "running with swap on is not supported, please disable swap or set --fail-swap-on \
                 flag to false";
    assert!(told.contains(words), "{told}");

    node.restart_with(&with(&none)).await;
    node.kill9();
    // The machine of the story may swap.
    configure(&root, "failSwapOn: false\n");
    node.restart().await;
    node.stop().await;
}

#[tokio::test]
async fn images_are_asked_for_where_it_is_configured() {
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let root = folder.path().join("root");
    let socket = folder.path().join("images.sock");
    let fields = format!("imageServiceEndpoint: unix://{}\n", socket.display());
    let node = configured(&root, &fields).await;
    let image = node.import_testbox().await;
    let mut spec = one(&image, &["sleep"]);
    spec["containers"][0]["imagePullPolicy"] = json!("IfNotPresent");
    node.manifest("web.yaml", &pod("web", spec));
    let waits = |pod: &Pod| {
        let main = pod.main();
        main.is_some_and(|main| main.waiting() == "ImageInspectError")
    };
    node.wait_pod("web", "finds nobody to ask", waits).await;
    assert_eq!(node.cri().await.sandboxes().await.len(), 1);

    let runtime = node.root().join("run/podling/podling.sock");
    std::os::unix::fs::symlink(runtime, &socket).expect("a link can be made");
    node.wait_pod("web", "runs", is_running).await;
    fs::remove_file(&socket).expect("it is there");
    node.stop().await;
}
