//! Pods that a page describes.

use std::fs;

use podling_integration::harness::daemon::Start;
use podling_integration::harness::{DEADLINE, Node, Options, Page, wait_until};
use serde_json::{Value, json};

use crate::{is_running, one, pod};

/// A node that asks the page often.
fn asking(page: &Page) -> Start {
    let arguments = [
        "--manifest-url",
        &page.url(),
        "--manifest-url-header",
        "X-Token:mine",
        "--http-check-frequency",
        "100ms",
    ];
    Start {
        arguments: arguments.map(str::to_owned).to_vec(),
        ..Start::default()
    }
}

fn list(pods: &[String]) -> String {
    let items: Vec<Value> = pods
        .iter()
        .map(|pod| serde_json::from_str(pod).expect("it is JSON"))
        .collect();
    json!({ "apiVersion": "v1", "kind": "PodList", "items": items }).to_string()
}

#[tokio::test]
async fn pods_of_a_page_come_change_and_go_beside_those_of_the_directory() {
    let page = Page::start(&list(&[]));
    let mut node = Node::start_with(Options {
        start: asking(&page),
        ..Options::default()
    })
    .await;
    let image = node.import_testbox().await;
    let sleeper = |name: &str| pod(name, one(&image, &["sleep"]));
    node.manifest("file.yaml", &sleeper("file"));
    page.says(200, &sleeper("a"));
    let a = node.wait_pod("a", "runs", is_running).await;
    assert_eq!(
        a.0["metadata"]["annotations"]["kubernetes.io/config.source"],
        "http"
    );
    page.says(200, &list(&[sleeper("a"), sleeper("b")]));
    node.wait_pod("b", "runs", is_running).await;

    // Broken, then away, and the kubelet anew: what runs goes on, and nothing waits for the page.
    page.says(500, "oops");
    wait_until(DEADLINE, "the node tells of it", || {
        node.daemon_log().contains("/pods: 500")
    })
    .await;
    node.kill9();
    node.restart_with(&asking(&page)).await;
    node.manifest("late.yaml", &sleeper("late"));
    node.wait_pod("late", "runs", is_running).await;
    let sandboxes = node.cri().await.sandboxes().await;
    assert_eq!(sandboxes.len(), 4, "{sandboxes:?}");

    page.says(200, &list(&[sleeper("a")]));
    node.wait_gone("b").await;
    let again = node.wait_pod("a", "runs", is_running).await;
    assert_eq!(again.uid(), a.uid());
    assert_eq!(
        again.main().expect("it has one").id(),
        a.main().expect("it has one").id(),
        "nothing was restarted"
    );
    let requests = page.requests();
    assert!(
        requests
            .iter()
            .all(|request| request.to_lowercase().contains("x-token: mine")),
        "{requests:?}"
    );
    node.stop().await;
}

#[tokio::test]
async fn a_page_is_read_over_tls_from_whom_the_machine_trusts() {
    let page = Page::start_with_tls(&list(&[]));
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let trusted = folder.path().join("trusted.pem");
    fs::write(&trusted, page.authority().expect("it has one")).expect("there is room");
    let start = Start {
        wrapper: vec![
            "env".to_owned(),
            format!("SSL_CERT_FILE={}", trusted.display()),
        ],
        ..asking(&page)
    };
    let mut node = Node::start_with(Options {
        start: asking(&page),
        ..Options::default()
    })
    .await;
    wait_until(
        DEADLINE,
        "the node tells that it trusts nobody there",
        || {
            let log = node.daemon_log().to_lowercase();
            log.contains("/pods: ") && log.contains("certificate")
        },
    )
    .await;
    let image = node.import_testbox().await;
    page.says(200, &pod("a", one(&image, &["sleep"])));
    node.kill9();
    node.restart_with(&start).await;
    node.wait_pod("a", "runs", is_running).await;
    node.stop().await;
}
