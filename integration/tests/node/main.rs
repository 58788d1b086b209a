//! Stories about a real node: each starts one of its own, lives with it, and leaves nothing behind.
//!
//! They need root, the programs of this build (`make test-programs`) and the images built from
//! Debian packages (`make test-images`); `make test` sees to all of it.

mod acting;
mod admission;
mod bad_images;
mod bad_pods;
mod broken;
mod certificates;
mod cgroups;
mod churn;
mod cluster;
mod cluster_broken;
mod cluster_objects;
mod cluster_trust;
mod cluster_whole;
mod cni;
mod commands;
mod confined;
mod containers;
mod cpus;
mod csi;
mod csi_cluster;
mod csi_growth;
mod csi_in_tree;
mod csi_told;
mod deadlines;
mod detection;
mod devices;
mod ended;
mod eviction;
mod failpoints;
mod fields;
mod figures;
mod flags;
mod floods;
mod full_disk;
mod handlers;
mod hooks;
mod hostile;
mod huge_pages;
mod image_collection;
mod image_crashes;
mod images;
mod init;
mod joining;
mod kill;
mod kill_churn;
mod kubelet_config;
mod last_words;
mod late_runtime;
mod lists;
mod log_rotation;
mod lost;
mod manifest_url;
mod manifests;
mod measured;
mod mounted;
mod mounts;
mod network;
mod node_resources;
mod nri;
mod objects;
mod one_file;
mod oom;
mod people;
mod pod_cidr;
mod private_images;
mod probes;
mod rates;
mod reading;
mod registering;
mod resizing;
mod restarts;
mod server;
mod service;
mod serving;
mod sessions;
mod shutdown;
mod sidecars;
mod small_disk;
mod streaming;
mod systemd;
mod watching;
mod website;
mod workloads;

use std::fs;
use std::path::Path;

use podling_integration::harness::{Node, Options, Pod};
use serde_json::{Value, json};

/// How every KubeletConfiguration begins.
const CONFIGURATION: &str =
    "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";

/// Writes these fields of a KubeletConfiguration for the next daemon below this root.
fn configure(root: &Path, fields: &str) {
    let directory = root.join("etc/podling");
    fs::create_dir_all(&directory).expect("it can be made");
    let text = format!("{CONFIGURATION}{fields}");
    fs::write(directory.join("config.yaml"), text).expect("there is room");
}

/// A node below this root with these fields of a KubeletConfiguration.
async fn configured(root: &Path, fields: &str) -> Node {
    configure(root, fields);
    Node::start_with(Options {
        root: Some(root.to_owned()),
        ..Options::default()
    })
    .await
}

/// What runs a program where a file stands in another's place, as nobody else sees it.
fn covering(file: &Path, place: &str) -> Vec<String> {
    let script = format!("mount --bind {} {place} && exec \"$@\"", file.display());
    ["unshare", "--mount", "sh", "-c", &script, "sh"]
        .map(str::to_owned)
        .to_vec()
}

/// The manifest of a pod.
fn pod(name: &str, spec: Value) -> String {
    let mut manifest = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name } });
    manifest["spec"] = spec;
    manifest.to_string()
}

/// The spec of a pod with one container, `main`, that runs an image with these arguments.
fn one(image: &str, arguments: &[&str]) -> Value {
    json!({ "containers": [{ "name": "main", "image": image, "args": arguments }] })
}

/// The same with a shell that runs a script.
fn shell(image: &str, script: &str) -> Value {
    one(image, &["sh", "-c", script])
}

/// Whether the container `main` runs.
fn is_running(pod: &Pod) -> bool {
    pod.main().is_some_and(|main| main.is_running())
}

/// What a script says in a container.
fn said(node: &Node, pod: &str, container: &str, script: &str) -> String {
    let output = node.podling(&["exec", pod, "-c", container, "--", "sh", "-c", script]);
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {why}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
