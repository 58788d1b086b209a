//! One command makes a machine a node of a cluster, and tells what keeps it from that.

use podling_integration::apiserver::BOOTSTRAP;
use podling_integration::harness::{Cluster, DEADLINE, Node, Options, Pod, wait_until};
use serde_json::{Value, json};

const OBJECT: &str = "/api/v1/nodes/node";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node";

fn is_ready(node: &Value) -> bool {
    Pod(node.clone()).has("Ready")
}

#[tokio::test]
async fn one_command_joins_a_cluster_and_podling_up_goes_on_with_it() {
    let cluster = Cluster::secure();
    let joining = cluster.inviting();
    let mut node = Node::start_with(Options {
        start: joining.clone(),
        ..Options::default()
    })
    .await;
    let object = cluster.wait(OBJECT, "is ready", is_ready).await;
    // What the cluster wants counts, but for what is another machine's.
    let configz = node
        .kubelet("/configz")
        .expect("the kubelet answers")
        .text();
    let configz: Value = serde_json::from_str(&configz).expect("it is JSON");
    let configured = &configz["kubeletconfig"];
    assert_eq!(configured["clusterDNS"], json!(["10.96.0.77"]));
    assert_eq!(configured["clusterDomain"], "cluster.test");
    assert_eq!(configured["rotateCertificates"], true);
    assert_ne!(configured["staticPodPath"], "/etc/kubernetes/manifests");
    let authority = configured["authentication"]["x509"]["clientCAFile"].as_str();
    assert!(
        authority.is_some_and(|file| file.ends_with("cluster/ca.crt")),
        "{configz:#}"
    );

    // A later start needs no words, and joining again changes nothing.
    for start in [Default::default(), joining] {
        node.kill9();
        let lease = cluster.get(LEASE).await.unwrap_or_default();
        node.restart_with(&start).await;
        let renewed = |now: &Value| now["spec"]["renewTime"] != lease["spec"]["renewTime"];
        cluster.wait(LEASE, "is renewed", renewed).await;
    }
    let already = || node.daemon_log().contains("This machine is a node of");
    wait_until(DEADLINE, "it is told that nothing is to be done", already).await;
    let same = cluster.get(OBJECT).await.expect("it is there");
    assert_eq!(same["metadata"]["uid"], object["metadata"]["uid"]);

    let mut words = cluster.inviting().verb;
    words[1] = "127.0.0.1:1".to_owned();
    let other = node.podling(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let told = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(
        !other.status.success() && told.contains("is a node of"),
        "{told}"
    );
    node.stop().await;
}

#[tokio::test]
async fn what_keeps_a_machine_from_joining_is_told() {
    let cluster = Cluster::secure();
    let node = Node::start().await;
    let good = cluster.inviting().verb;
    let (endpoint, pin) = (good[1].clone(), good[5].clone());
    let told = |words: &[&str]| {
        let mut arguments = vec![
            "join",
            endpoint.as_str(),
            "--no-start",
            "--node-name",
            "node",
        ];
        arguments.extend(words);
        let output = node.podling(&arguments);
        assert!(!output.status.success(), "{words:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let hash = "--discovery-token-ca-cert-hash";
    let other = format!("sha256:{}", "0".repeat(64));
    for (words, expected) in [
        (vec![], "it is not said which cluster"),
        (vec!["--token", "nonsense"], "not of the form ID.SECRET"),
        (
            vec!["--token", BOOTSTRAP],
            "--discovery-token-unsafe-skip-ca-verification",
        ),
        (
            vec!["--token", BOOTSTRAP, hash, "sha256:1"],
            "64 hexadecimal digits",
        ),
        (
            vec!["--token", BOOTSTRAP, hash, &other],
            "none of the public keys",
        ),
        (
            vec!["--token", "abcdef.0000000000000000", hash, &pin],
            "failed to verify JWS signature",
        ),
        (
            vec!["--discovery-file", "/not/there"],
            "cannot read /not/there (--discovery-file)",
        ),
    ] {
        let told = told(&words);
        assert!(told.contains(expected), "{words:?}: {told}");
    }
    let twin = json!({
        "metadata": { "name": "node" },
        "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
    });
    cluster.create("/api/v1/nodes", &twin).await;
    let told = told(&["--token", BOOTSTRAP, hash, &pin]);
    assert!(told.contains("already exists in the cluster"), "{told}");
    let folder = node.root().join("etc/podling/cluster");
    assert!(!folder.exists(), "nothing was written");
    node.stop().await;
}
