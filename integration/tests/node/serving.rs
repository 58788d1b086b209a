//! Real servers, pulled from a real registry, answer over their pods' addresses.

use std::net::SocketAddr;

use podling_integration::harness::{DEADLINE, Node, Registry, http, wait_for};

use crate::{one, pod};

#[tokio::test]
async fn nginx_pulled_from_a_registry_answers_over_the_pods_address() {
    let registry = Registry::start().await;
    let image = registry.push_debian("nginx").await;
    let node = Node::start().await;
    node.manifest("nginx.yaml", &pod("nginx", one(&image, &[])));

    let running = node
        .wait_pod("nginx", "is ready", |pod| pod.is_ready())
        .await;
    let address = SocketAddr::new(running.ip().expect("a ready pod has an address"), 80);
    let page = wait_for(DEADLINE, "nginx answers", async || {
        http::get(address, "/").ok()
    })
    .await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("nginx on podling"), "{}", page.text());
    node.stop().await;
}

#[tokio::test]
async fn redis_pulled_from_a_registry_answers_over_the_pods_address() {
    let registry = Registry::start().await;
    let image = registry.push_debian("redis").await;
    let node = Node::start().await;
    node.manifest("redis.yaml", &pod("redis", one(&image, &[])));

    let running = node
        .wait_pod("redis", "is ready", |pod| pod.is_ready())
        .await;
    let address = SocketAddr::new(running.ip().expect("a ready pod has an address"), 6379);
    let talk = b"SET greeting hello\r\nGET greeting\r\nQUIT\r\n";
    let answer = wait_for(DEADLINE, "redis answers", async || {
        http::exchange(address, talk).ok()
    })
    .await;
    assert_eq!(
        String::from_utf8_lossy(&answer),
        "+OK\r\n$5\r\nhello\r\n+OK\r\n"
    );
    node.stop().await;
}

#[tokio::test]
async fn an_image_pulled_by_digest_runs() {
    let registry = Registry::start().await;
    let tagged = registry.push_debian("busybox").await;
    let node = Node::start().await;
    let pulled = node.podling(&["pull", &tagged]);
    assert!(
        pulled.status.success(),
        "{}",
        String::from_utf8_lossy(&pulled.stderr)
    );
    let by_digest = String::from_utf8_lossy(&pulled.stdout).trim().to_owned();
    assert!(by_digest.contains("@sha256:"), "{by_digest}");

    node.manifest(
        "sleeper.yaml",
        &pod("sleeper", one(&by_digest, &["sleep", "1000"])),
    );
    node.wait_pod("sleeper", "is ready", |pod| pod.is_ready())
        .await;
    node.stop().await;
}
