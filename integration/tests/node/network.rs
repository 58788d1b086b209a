//! Pods on the bridge and pods on the host's network.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;

use podling_integration::harness::daemon::Start;
use podling_integration::harness::{DEADLINE, Node, http, wait_for};
use serde_json::json;

use crate::{one, pod, shell};

#[tokio::test]
async fn a_pod_on_the_hosts_network_listens_on_the_hosts_addresses() {
    let node = Node::start().await;
    let image = node.import_testbox().await;
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
    let port = free.local_addr().expect("a listener has an address").port();
    drop(free);
    let mut spec = one(&image, &["serve", &port.to_string()]);
    spec["hostNetwork"] = json!(true);
    node.manifest("host.yaml", &pod("host", spec));

    node.wait_pod("host", "is ready", |pod| pod.is_ready())
        .await;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let answer = wait_for(DEADLINE, "it answers", async || {
        http::get(address, "/x").ok()
    })
    .await;
    assert!(answer.text().ends_with(" /x\n"), "{}", answer.text());
    node.stop().await;
}

#[tokio::test]
async fn pods_have_addresses_of_the_nodes_range_and_reach_each_other() {
    let node = Node::start().await;
    let testbox = node.import_testbox().await;
    let busybox = node.import_debian("busybox").await;
    node.manifest(
        "server.yaml",
        &pod("server", one(&testbox, &["serve", "8080"])),
    );
    let server = node
        .wait_pod("server", "is ready", |pod| pod.is_ready())
        .await;
    let ip = server.ip().expect("a ready pod has an address");
    let prefix = node.range().pod_cidr().replace(".0/24", ".");
    assert!(
        ip.to_string().starts_with(&prefix),
        "{ip} is not in {}",
        node.range().pod_cidr()
    );

    let mut spec = shell(&busybox, &format!("wget -q -O - http://{ip}:8080/hello"));
    spec["restartPolicy"] = json!("OnFailure");
    node.manifest("client.yaml", &pod("client", spec));
    let client = node
        .wait_pod("client", "has succeeded", |pod| pod.phase() == "Succeeded")
        .await;
    assert_eq!(node.logs(&client, "main"), "server-node /hello\n");
    assert_ne!(client.ip(), Some(ip));
    node.stop().await;
}

#[tokio::test]
async fn a_pods_address_outlives_the_daemon() {
    let mut node = Node::start().await;
    let image = node.import_testbox().await;
    node.manifest(
        "server.yaml",
        &pod("server", one(&image, &["serve", "8080"])),
    );
    let before = node
        .wait_pod("server", "is ready", |pod| pod.is_ready())
        .await;
    let address = SocketAddr::new(before.ip().expect("a ready pod has an address"), 8080);
    node.kill9();
    wait_for(DEADLINE, "it answers without a daemon", async || {
        http::get(address, "/").ok()
    })
    .await;
    node.restart().await;
    let after = node
        .wait_pod("server", "is ready", |pod| pod.is_ready())
        .await;
    assert_eq!(before.ip(), after.ip());

    node.manifest("next.yaml", &pod("next", one(&image, &["sleep"])));
    let next = node
        .wait_pod("next", "is ready", |pod| pod.is_ready())
        .await;
    assert_ne!(next.ip(), before.ip(), "an address was given twice");
    node.stop().await;
}

#[tokio::test]
async fn what_others_take_from_the_network_is_made_again_while_pods_run() {
    let node = Node::start().await;
    let image = node.import_testbox().await;
    let mut spec = one(&image, &["serve", "8080"]);
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
    let port = free.local_addr().expect("a listener has an address").port();
    drop(free);
    spec["containers"][0]["ports"] = json!([{ "containerPort": 8080, "hostPort": port }]);
    node.manifest("server.yaml", &pod("server", spec));
    let server = node
        .wait_pod("server", "is ready", |pod| pod.is_ready())
        .await;
    let own = SocketAddr::new(server.ip().expect("a ready pod has an address"), 8080);
    let published = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let answers = async |what: &str, address| {
        wait_for(DEADLINE, what, async || http::get(address, "/").ok()).await;
    };
    answers("its host port answers", published).await;
    let bridge = node.range().bridge();
    let table = format!("podling_{bridge}");
    for taken in [
        ["nft", "delete", "table", "inet", &table].as_slice(),
        &["ip", "link", "delete", &bridge],
    ] {
        let output = Command::new(taken[0]).args(&taken[1..]).output();
        assert!(output.expect("it can be run").status.success(), "{taken:?}");
        answers("it answers again", own).await;
        answers("its host port answers again", published).await;
    }
    node.stop().await;
}

#[tokio::test]
async fn pods_of_two_families_answer_over_both_and_keep_their_addresses_over_a_crash() {
    let mut node = Node::start().await;
    let (four, six) = (node.range().pod_cidr(), node.range().pod_cidr_v6());
    let start = Start {
        pod_cidr: Some(format!("{six},{four}")),
        ..Start::default()
    };
    node.kill9();
    node.restart_with(&start).await;
    let image = node.import_testbox().await;
    node.manifest("both.yaml", &pod("both", one(&image, &["serve", "8080"])));
    let before = node
        .wait_pod("both", "is ready", |pod| pod.is_ready())
        .await;
    let ips = before.ips();
    assert_eq!(ips.len(), 2, "{ips:?}");
    assert_eq!(Some(ips[0]), before.ip());
    assert!(ips[0].is_ipv6() && ips[1].is_ipv4(), "{ips:?}");
    let answer = async |what: &str| {
        for ip in &ips {
            let address = SocketAddr::new(*ip, 8080);
            wait_for(DEADLINE, what, async || http::get(address, "/").ok()).await;
        }
    };
    answer("it answers over both").await;
    node.kill9();
    answer("it answers without a daemon").await;
    node.restart_with(&start).await;
    node.manifest("next.yaml", &pod("next", one(&image, &["sleep"])));
    let next = node
        .wait_pod("next", "is ready", |pod| pod.is_ready())
        .await;
    let after = node
        .wait_pod("both", "is ready", |pod| pod.is_ready())
        .await;
    assert_eq!(after.ips(), ips);
    assert!(next.ips().iter().all(|ip| !ips.contains(ip)), "given twice");
    node.stop().await;
}

#[tokio::test]
async fn a_port_of_the_host_leads_into_its_pod_until_the_pod_ends() {
    let mut node = Node::start().await;
    let image = node.import_testbox().await;
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
    let port = free.local_addr().expect("a listener has an address").port();
    drop(free);
    let mut spec = one(&image, &["serve", "8080"]);
    spec["containers"][0]["ports"] = json!([{ "containerPort": 8080, "hostPort": port }]);
    node.manifest("door.yaml", &pod("door", spec));
    node.wait_pod("door", "is ready", |pod| pod.is_ready())
        .await;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let answers =
        async |what: &str| wait_for(DEADLINE, what, async || http::get(address, "/x").ok()).await;
    let answer = answers("it answers").await;
    assert_eq!(answer.text(), "door-node /x\n");
    node.kill9();
    answers("it answers without a daemon").await;
    node.restart().await;
    answers("it answers the next daemon").await;
    node.remove_manifest("door.yaml");
    node.wait_gone("door").await;
    assert!(http::get(address, "/x").is_err(), "the port is still open");
    node.stop().await;
}
