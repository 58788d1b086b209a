//! What must not be possible on a node, whoever asks.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use podling_integration::harness::programs::program;
use podling_integration::harness::requests;
use podling_integration::harness::{Node, Registry};
use podling_integration::images::testbox::testbox_image;
use podling_integration::images::{Entry, Layer};
use podling_proto::runtime::v1 as cri;
use tonic::Code;

/// Files of a container that the runtime makes or mounts.
const FILES: [&str; 4] = ["etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab"];

#[tokio::test]
async fn an_image_whose_etc_leads_to_the_host_changes_nothing_there() {
    let registry = Registry::start().await;
    let node = Node::start().await;
    let client = node.cri().await;
    let canary = node.folder().join("canary");
    fs::create_dir(&canary).expect("a directory of the host");
    let absolute = canary.display().to_string();
    let climb = format!("../../../../../../../../..{absolute}");
    let testbox = fs::read(program("podling-testbox")).expect("the testbox can be read");
    for (number, target) in [absolute, climb].iter().enumerate() {
        let link =
            |file: &&str| Entry::symlink(*file, format!("{target}/{}", file.replace('/', "-")));
        let mut image = testbox_image(&testbox);
        image.layers.push(Layer::of(FILES.iter().map(link)));
        let content = image.build().content();
        let name = registry.push(&format!("leading:{number}"), &content).await;
        client.pull(&name).await.expect("a pull");
        let mut sandbox = requests::sandbox(&format!("pod-{number}"), &node.range().cgroup());
        sandbox.dns_config = Some(cri::DnsConfig {
            servers: vec!["192.0.2.1".to_owned()],
            ..Default::default()
        });
        let container = requests::container(&name, &["sleep"]);
        let pod = requests::run_pod(&client, sandbox, container).await;
        assert_eq!(fs::read_dir(&canary).expect("the canary").count(), 0);
        // Whether it starts is a matter of taste.
        drop(pod);
    }
    for sandbox in client.sandboxes().await {
        let removed = requests::remove_pod(&client, &sandbox.id).await;
        removed.expect("a removal");
    }
    node.stop().await;
}

#[tokio::test]
async fn nobody_but_root_enters_what_a_node_keeps() {
    let node = Node::start().await;
    let image = node.import_testbox().await;
    let client = node.cri().await;
    let sandbox = requests::sandbox("pod", &node.range().cgroup());
    let container = requests::container(&image, &["sleep"]);
    let pod = requests::run_pod(&client, sandbox, container).await;
    let pod = pod.expect("a pod");
    let mut open = Vec::new();
    for place in ["run/podling", "var/lib/podling"] {
        collect_open(&node.root().join(place), &mut open);
    }
    // Where the kubelet listens is for everybody to know.
    open.retain(|path| !path.ends_with("run/podling/kubelet.json"));
    assert!(open.is_empty(), "others may use {open:?}");
    let removed = requests::remove_pod(&client, &pod.sandbox).await;
    removed.expect("a removal");
    node.stop().await;
}

/// What others may use. What lies below a directory that they may not enter is out of their reach.
fn collect_open(directory: &Path, open: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("root may read it") {
        let entry = entry.expect("an entry");
        let metadata = fs::symlink_metadata(entry.path()).expect("it is there");
        if metadata.permissions().mode() & 0o077 == 0 || metadata.is_symlink() {
            continue;
        }
        if metadata.is_dir() {
            collect_open(&entry.path(), open);
        } else {
            open.push(entry.path());
        }
    }
}

#[tokio::test]
async fn checkpoints_are_neither_made_nor_restored() {
    let node = Node::start().await;
    let mut runtime = node.cri().await.runtime;
    let refused = [
        runtime
            .checkpoint_container(cri::CheckpointContainerRequest::default())
            .await
            .map(drop),
        runtime
            .checkpoint_pod(cri::CheckpointPodRequest::default())
            .await
            .map(drop),
        runtime
            .restore_pod(cri::RestorePodRequest::default())
            .await
            .map(drop),
    ];
    for answer in refused {
        let status = answer.expect_err("a refusal");
        assert_eq!(status.code(), Code::Unimplemented);
        assert!(status.message().contains("trusted"), "{}", status.message());
    }
    node.stop().await;
}
