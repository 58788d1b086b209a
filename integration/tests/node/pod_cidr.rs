//! Another pod CIDR is handed over while pods run, as the kubelet of a cluster does.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;

use podling_integration::harness::{DEADLINE, Node, Pod, http, wait_for, wait_until};
use podling_proto::runtime::v1::{NetworkConfig, RuntimeConfig, UpdateRuntimeConfigRequest};
use tonic::{Code, Status};

use crate::failpoints::{dies_at, points};
use crate::{one, pod};

async fn hand_over(node: &Node, pod_cidr: &str) -> Result<(), Status> {
    let network_config = Some(NetworkConfig {
        pod_cidr: pod_cidr.to_owned(),
    });
    let runtime_config = Some(RuntimeConfig { network_config });
    let mut runtime = node.cri().await.runtime.clone();
    let request = UpdateRuntimeConfigRequest { runtime_config };
    runtime.update_runtime_config(request).await.map(drop)
}

/// Starts a pod that answers, and waits until it does.
async fn server(node: &Node, image: &str, name: &str) -> Pod {
    let manifest = pod(name, one(image, &["serve", "8080"]));
    node.manifest(&format!("{name}.yaml"), &manifest);
    let server = node.wait_pod(name, "is ready", |pod| pod.is_ready()).await;
    for ip in server.ips() {
        answers(ip).await;
    }
    server
}

async fn answers(ip: IpAddr) {
    let address = SocketAddr::new(ip, 8080);
    wait_for(DEADLINE, "it answers", async || {
        http::get(address, "/").ok()
    })
    .await;
}

/// What the other pod CIDR of a node begins with, and all of it.
fn other(node: &Node) -> (String, String) {
    let (_, cidr) = node.range().cni_bridge();
    (cidr.replace("0/24", ""), cidr)
}

fn bridge_addresses(node: &Node) -> String {
    let bridge = node.range().bridge();
    let output = Command::new("ip")
        .args(["addr", "show", "dev", &bridge])
        .output();
    String::from_utf8(output.expect("ip can be run").stdout).expect("it is text")
}

#[tokio::test]
async fn new_pods_get_addresses_of_it_and_the_others_keep_theirs_over_restarts() {
    let mut node = Node::start().await;
    let image = node.import_testbox().await;
    let first = server(&node, &image, "first").await;
    let (beginning, cidr) = other(&node);
    let six = node.range().pod_cidr_v6();
    hand_over(&node, "").await.expect("nothing is asked for");
    let its_own = node.range().pod_cidr();
    hand_over(&node, &its_own).await.expect("it has that");
    hand_over(&node, &format!("{cidr},{six}"))
        .await
        .expect("it is taken on");

    let second = server(&node, &image, "second").await;
    let ips = second.ips();
    assert!(ips[0].to_string().starts_with(&beginning), "{ips:?}");
    assert!(ips.len() == 2 && ips[1].is_ipv6(), "{ips:?}");
    node.kill9();
    node.restart().await;
    let third = server(&node, &image, "third").await;
    assert!(third.ips()[0].to_string().starts_with(&beginning));
    answers(first.ips()[0]).await;

    node.remove_manifest("first.yaml");
    let gateway = format!("{}1/24", its_own.replace("0/24", ""));
    wait_until(DEADLINE, "the former network is left", || {
        !bridge_addresses(&node).contains(&gateway)
    })
    .await;
    answers(second.ips()[0]).await;
    node.stop().await;
}

#[tokio::test]
async fn what_no_pod_can_have_is_refused_by_name() {
    let node = Node::start().await;
    for (asked, code) in [
        ("10.0.0.0", Code::InvalidArgument),
        ("10.0.0.0/31", Code::InvalidArgument),
        ("10.0.0.1/16", Code::InvalidArgument),
        ("10.1.0.0/16,10.2.0.0/16", Code::InvalidArgument),
        ("127.0.0.0/16", Code::InvalidArgument),
    ] {
        let refused = hand_over(&node, asked).await.expect_err(asked);
        assert_eq!(refused.code(), code, "{asked}: {refused}");
        assert!(refused.message().contains(asked), "{refused}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_crash_at_any_step_of_it_loses_neither_pods_nor_the_new_pod_cidr() {
    let mut node = Node::start().await;
    let image = node.import_testbox().await;
    let (beginning, cidr) = other(&node);
    let its_own = node.range().pod_cidr();
    for (n, point) in points(&node, &["pod_cidr."]).into_iter().enumerate() {
        hand_over(&node, &its_own).await.expect("it is taken on");
        let first = server(&node, &image, &format!("first-{n}")).await;
        node.kill9();
        node.restart_with(&dies_at(&point)).await;
        let handed_over = hand_over(&node, &cidr).await;
        if handed_over.is_ok() {
            // It dies when the former network is left.
            node.remove_manifest(&format!("first-{n}.yaml"));
        } else {
            answers(first.ips()[0]).await;
        }
        node.wait_killed().await;
        node.restart().await;
        let second = server(&node, &image, &format!("second-{n}")).await;
        let ip = second.ips()[0];
        assert!(ip.to_string().starts_with(&beginning), "{point}: {ip}");
        if handed_over.is_err() {
            node.remove_manifest(&format!("first-{n}.yaml"));
        }
        node.remove_manifest(&format!("second-{n}.yaml"));
        for name in [format!("first-{n}"), format!("second-{n}")] {
            node.wait_gone(&name).await;
        }
        let gateway = format!("{}1/24", its_own.replace("0/24", ""));
        wait_until(DEADLINE, "the former network is left", || {
            !bridge_addresses(&node).contains(&gateway)
        })
        .await;
    }
    node.stop().await;
}
