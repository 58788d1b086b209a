//! Certificates that a cluster signs for its node: the first with a bootstrap token, the next in time,
//! and the one that the kubelet's server shows.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use podling_integration::apiserver::{NODE, Signing};
use podling_integration::harness::daemon::Start;
use podling_integration::harness::{Cluster, DEADLINE, Node, Options, Pod, wait_until};
use serde_json::{Value, json};

use crate::{one, pod};

const OBJECT: &str = "/api/v1/nodes/node";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node";
const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
const DAY: Signing = Signing::Issues(Duration::from_secs(24 * 3600));

async fn start(start: &Start) -> Node {
    Node::start_with(Options {
        start: start.clone(),
        ..Options::default()
    })
    .await
}

fn is_ready(node: &Value) -> bool {
    Pod(node.clone()).has("Ready")
}

/// The names of the requests for certificates.
async fn asked(cluster: &Cluster) -> BTreeSet<String> {
    let list = cluster.get(REQUESTS).await.unwrap_or_default();
    let all = list["items"].as_array().into_iter().flatten();
    let names = all.filter_map(|one| one["metadata"]["name"].as_str().map(str::to_owned));
    names.collect()
}

fn has_some(list: &Value) -> bool {
    list["items"].as_array().is_some_and(|all| !all.is_empty())
}

fn pki(node: &Node) -> PathBuf {
    node.root().join("var/lib/podling/kubelet/pki")
}

fn metrics(node: &Node) -> String {
    let answer = node.kubelet("/metrics");
    answer.expect("the kubelet answers").text()
}

fn log_has(node: &Node, words: &str) -> bool {
    node.daemon_log().contains(words)
}

#[tokio::test]
async fn a_machine_with_a_token_becomes_a_node_and_a_killed_kubelet_takes_up_its_request() {
    let mut cluster = Cluster::secure();
    cluster.server().sign(Signing::Holds);
    let start_of_it = cluster.bootstrapping(&[]);
    let mut node = start(&start_of_it).await;
    // Manifests run before anybody has let the node in.
    let image = node.import_debian("busybox").await;
    let mut spec = one(&image, &["sleep", "1000"]);
    spec["terminationGracePeriodSeconds"] = 1.into();
    node.manifest("web.yaml", &pod("web", spec));
    cluster.wait(REQUESTS, "has one", has_some).await;
    let first = asked(&cluster).await;
    assert!(
        first.iter().all(|name| name.starts_with("node-csr-")),
        "{first:?}"
    );
    let runs = || {
        node.pods()
            .iter()
            .any(|pod| pod.name().starts_with("web") && pod.is_ready())
    };
    wait_until(DEADLINE, "the static pod runs", runs).await;

    node.kill9();
    node.restart_with(&start_of_it).await;
    let again = || log_has(&node, "csr for this node already exists, reusing");
    wait_until(DEADLINE, "the request is found again", again).await;
    assert_eq!(asked(&cluster).await, first);

    cluster.server().sign(DAY);
    let object = cluster.wait(OBJECT, "is ready", is_ready).await;
    let current = pki(&node).join("kubelet-client-current.pem");
    let link = fs::symlink_metadata(&current).expect("it is there");
    assert!(link.is_symlink());
    let mode = fs::metadata(&current)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!pki(&node).join("kubelet-client.key.tmp").exists());
    let kubeconfig = fs::read_to_string(cluster.file("kubelet.conf")).expect("it was written");
    assert!(
        kubeconfig.contains(&current.display().to_string()),
        "{kubeconfig}"
    );
    let requests = cluster.server().requests();
    let of_token = requests
        .iter()
        .filter(|one| one.starts_with("system:bootstrap:"));
    for request in of_token {
        assert!(request.contains(REQUESTS), "{request}");
    }

    // The token is needed no more.
    node.kill9();
    fs::remove_file(cluster.file("bootstrap.kubeconfig")).expect("it is there");
    let lease = cluster.get(LEASE).await.unwrap_or_default();
    node.restart_with(&start_of_it).await;
    let renewed = |now: &Value| now["spec"]["renewTime"] != lease["spec"]["renewTime"];
    cluster.wait(LEASE, "is renewed", renewed).await;
    let same = cluster.get(OBJECT).await.expect("it is there");
    assert_eq!(same["metadata"]["uid"], object["metadata"]["uid"]);
    assert_eq!(asked(&cluster).await, first);
    node.remove_manifest("web.yaml");
    node.stop().await;
}

#[tokio::test]
async fn a_request_that_is_refused_is_told_and_another_is_made() {
    let mut cluster = Cluster::secure();
    cluster.server().sign(Signing::Denies);
    let node = start(&cluster.bootstrapping(&[])).await;
    let denied = "certificate signing request is denied, reason: Test, message: the test says so";
    wait_until(DEADLINE, "the denial is told", || log_has(&node, denied)).await;
    cluster.server().sign(Signing::Fails);
    let failed = "certificate signing request failed, reason: Test, message: the test says so";
    wait_until(DEADLINE, "the failure is told", || log_has(&node, failed)).await;
    cluster.server().sign(DAY);
    cluster.wait(OBJECT, "is ready", is_ready).await;
    let asked = asked(&cluster).await;
    assert!(asked.len() >= 3, "each has a key of its own: {asked:?}");
    node.stop().await;
}

#[tokio::test]
async fn a_client_certificate_is_renewed_before_it_ends_and_used_without_a_restart() {
    let mut cluster = Cluster::secure();
    cluster
        .server()
        .sign(Signing::Issues(Duration::from_secs(20)));
    let node = start(&cluster.bootstrapping(&["--rotate-certificates"])).await;
    cluster.wait(OBJECT, "is ready", is_ready).await;
    let ends = SystemTime::now() + Duration::from_secs(20);
    cluster.server().sign(DAY);
    let current = pki(&node).join("kubelet-client-current.pem");
    let first = fs::read_link(&current).expect("it is a link");
    let replaced = || fs::read_link(&current).is_ok_and(|now| now != first);
    wait_until(DEADLINE, "the certificate is replaced", replaced).await;
    let asked = asked(&cluster).await;
    assert_eq!(asked.len(), 2, "{asked:?}");
    // The second request was the node's own.
    let requests = cluster.server().requests();
    let posts = requests
        .iter()
        .filter(|one| one.contains("POST") && one.contains(REQUESTS));
    let users: Vec<_> = posts.filter_map(|one| one.split(' ').next()).collect();
    assert_eq!(users, ["system:bootstrap:abcdef", "system:node:node"]);
    // What counts after the first has ended is the second.
    let is_later = |lease: &Value| {
        let renewed = lease["spec"]["renewTime"].as_str().unwrap_or_default();
        let renewed: jiff::Timestamp = renewed.parse().unwrap_or_default();
        SystemTime::from(renewed) > ends
    };
    cluster
        .wait(
            LEASE,
            "is renewed after the first certificate's end",
            is_later,
        )
        .await;
    let metrics = metrics(&node);
    let left = metrics
        .lines()
        .find_map(|line| line.strip_prefix("kubelet_certificate_manager_client_ttl_seconds "))
        .and_then(|text| text.parse::<f64>().ok());
    assert!(left.is_some_and(|left| left > 3600.0), "{left:?}");
    node.stop().await;
}

#[tokio::test]
async fn a_certificate_that_has_ended_is_explained_and_a_good_one_is_taken_as_it_comes() {
    let mut cluster = Cluster::secure();
    let file = cluster.file("client.pem");
    let now = SystemTime::now();
    let hour = Duration::from_secs(3600);
    let old = cluster.server().certificate_of_node("node", now - hour);
    fs::write(&file, old).expect("there is room");
    let user = json!({ "client-certificate": file, "client-key": file });
    let kubeconfig = cluster.write("kubelet.conf", &user);
    let argument = format!("--kubeconfig={}", kubeconfig.display());
    let node = start(&Start {
        arguments: vec![argument],
        ..Start::default()
    })
    .await;
    let words = "the client certificate of system:node:node has expired at";
    wait_until(DEADLINE, "the end is told", || log_has(&node, words)).await;
    let good = cluster.server().certificate_of_node("node", now + hour);
    fs::write(&file, good).expect("there is room");
    cluster.wait(OBJECT, "is ready", is_ready).await;
    node.stop().await;
}

#[tokio::test]
async fn a_token_that_is_refused_is_read_again_from_its_file_or_its_program() {
    let cluster = Cluster::secure();
    let token = cluster.file("token");
    let program = cluster.file("program");
    let script = format!(
        "#!/bin/sh\nprintf '{{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\
         \"status\":{{\"token\":\"%s\"}}}}' \"$(cat {})\"\n",
        token.display()
    );
    fs::write(&program, script).expect("there is room");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let exec = json!({ "exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": program,
        "interactiveMode": "Never",
    }});
    for user in [json!({ "tokenFile": token }), exec] {
        fs::write(&token, "revoked").expect("there is room");
        let kubeconfig = cluster.write("kubelet.conf", &user);
        let node = start(&Start {
            arguments: vec![format!("--kubeconfig={}", kubeconfig.display())],
            ..Start::default()
        })
        .await;
        let refused = || log_has(&node, "cannot register the node; trying again");
        wait_until(DEADLINE, "the refusal is told", refused).await;
        fs::write(&token, NODE).expect("there is room");
        cluster.wait(OBJECT, "is ready", is_ready).await;
        node.stop().await;
        cluster.delete(OBJECT, None).await;
    }
}

#[tokio::test]
async fn the_kubelets_server_shows_a_certificate_that_its_cluster_has_signed() {
    let mut cluster = Cluster::secure();
    cluster.server().sign(Signing::Holds);
    let mut joining = cluster.joining();
    let more = ["--rotate-server-certificates", "--node-ip=127.0.0.1"];
    joining.arguments.extend(more.map(str::to_owned));
    let mut node = start(&joining).await;
    cluster.wait(REQUESTS, "has one", has_some).await;
    let ask = async |node: &Node, cluster: &Cluster| {
        let port = node.kubelet_port("secure").port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let client = cluster.trusting("node", address);
        let answer = client
            .get(format!("https://node:{port}/healthz"))
            .send()
            .await;
        answer.map(|answer| answer.status().as_u16())
    };
    assert!(ask(&node, &cluster).await.is_err(), "nobody has signed one");
    cluster
        .server()
        .sign(Signing::Issues(Duration::from_secs(20)));
    let current = pki(&node).join("kubelet-server-current.pem");
    wait_until(DEADLINE, "the certificate is there", || current.exists()).await;
    assert_eq!(ask(&node, &cluster).await.expect("it is served"), 401);

    let first = fs::read_link(&current).expect("it is a link");
    cluster.server().sign(DAY);
    let replaced = || fs::read_link(&current).is_ok_and(|now| now != first);
    wait_until(DEADLINE, "the certificate is replaced", replaced).await;
    assert_eq!(ask(&node, &cluster).await.expect("it is served"), 401);
    let metrics = metrics(&node);
    assert!(
        metrics.contains("kubelet_certificate_manager_server_rotation_seconds_count 1"),
        "{metrics}"
    );

    // A node with another address needs another certificate.
    let before = asked(&cluster).await.len();
    node.kill9();
    joining.arguments.pop();
    joining.arguments.push("--node-ip=127.0.0.2".to_owned());
    node.restart_with(&joining).await;
    let list = cluster
        .wait(REQUESTS, "has one more", |list| {
            list["items"]
                .as_array()
                .is_some_and(|all| all.len() > before)
        })
        .await;
    assert!(has_some(&list));
    node.stop().await;
}
