//! A KubeletConfiguration, drop-ins and flags of a real daemon.

use std::fs;
use std::process::Command;

use podling_integration::harness::programs::program;
use podling_integration::harness::{Node, Options};
use serde_json::Value;

const HEADER: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";

#[test]
fn every_mistake_of_files_and_flags_is_told_before_anything_is_started() {
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let file = folder.path().join("kubelet.yaml");
    let drop_ins = folder.path().join("drop-ins");
    fs::create_dir(&drop_ins).expect("it can be made");
    fs::write(&file, format!("{HEADER}maxPodz: 3\nport: many\n")).expect("it can be written");
    fs::write(
        drop_ins.join("10.conf"),
        format!("{HEADER}syncFrequency: 1 day\n"),
    )
    .expect("it can be written");
    let told = Command::new(program("podling"))
        .arg("--root")
        .arg(folder.path())
        .args(["kubelet", "--max-pods=x", "--config"])
        .arg(&file)
        .arg("--config-dir")
        .arg(&drop_ins)
        .output()
        .expect("podling starts");
    assert!(!told.status.success());
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    for words in [
        "kubelet.yaml:3: unknown field \"maxPodz\"",
        "kubelet.yaml:4: port: ",
        "10.conf:3: syncFrequency: invalid duration \"1 day\"",
        "--max-pods: \"x\" is not a number",
    ] {
        assert!(told.contains(words), "{words}\n{told}");
    }
}

#[tokio::test]
async fn a_node_is_as_its_configuration_says() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let directory = root.path().join("etc/podling");
    fs::create_dir_all(&directory).expect("it can be made");
    let text = format!("{HEADER}maxPods: 7\nkernelMemcgNotification: true\nhealthzPort: 0\n");
    fs::write(directory.join("config.yaml"), text).expect("it can be written");
    let node = Node::start_with(Options {
        root: Some(root.path().to_owned()),
        ..Options::default()
    })
    .await;
    let configz = node.kubelet("/configz").expect("an answer");
    let configz: Value = serde_json::from_slice(&configz.body).expect("JSON");
    assert_eq!(configz["kubeletconfig"]["maxPods"], 7);
    let log = node.daemon_log();
    let warnings = log.matches("configured, but without effect yet: ").count();
    assert_eq!(warnings, 1, "{log}");
    assert!(log.contains("kernelMemcgNotification"), "{log}");
    node.stop().await;
}
