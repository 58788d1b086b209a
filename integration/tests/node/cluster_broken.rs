//! A cluster that is broken: its API server is gone for long, has another time, or does not know the node any
//! more. Pods go on, and when all is well again what has happened is told and what was asked for is done.

use std::fs;
use std::time::{Duration, SystemTime};

use podling_integration::harness::daemon::Start;
use podling_integration::harness::{Cluster, DEADLINE, Node, Options, Pod, wait_until};
use serde_json::{Value, json};

use crate::cluster::{LEASE, NODE, PODS, holds, is_ready, join, main_of, path, placed};
use crate::{one, shell};

/// How often the container `main` of a pod was restarted, as the node has it.
fn restarts(node: &Node, name: &str) -> i64 {
    let pods = node.pods();
    let pod = pods.iter().find(|pod| pod.name() == name);
    pod.and_then(|pod| pod.main().map(|main| main.restarts()))
        .unwrap_or(0)
}

#[tokio::test]
async fn an_api_server_that_was_gone_for_long_is_told_all_and_obeyed_when_it_is_back() {
    let mut cluster = Cluster::breakable();
    let mut node = join(&cluster).await;
    let image = node.import_debian("busybox").await;
    let mut dying = shell(&image, "touch /alive; sleep 1; rm /alive; sleep 100000");
    dying["containers"][0]["livenessProbe"] = json!({
        "exec": { "command": ["test", "-e", "/alive"] },
        "periodSeconds": 1, "failureThreshold": 1, "initialDelaySeconds": 2,
    });
    dying["terminationGracePeriodSeconds"] = 0.into();
    for (name, spec) in [
        ("dying", dying),
        ("web", one(&image, &["sleep", "100000"])),
        ("gone", one(&image, &["sleep", "100000"])),
    ] {
        cluster.create(PODS, &placed(name, spec)).await;
    }
    let web = cluster.wait(&path("web"), "is ready", is_ready).await;
    cluster.wait(&path("gone"), "is ready", is_ready).await;
    let runs = |pod: &Value| Pod(pod.clone()).phase() == "Running";
    let told = cluster.wait(&path("dying"), "runs", runs).await;
    let told = main_of(&told).1;
    cluster.server().pause();

    // Its restarts wait for 10, 20 and 40 seconds: whoever asks the API server waits as long as he ever
    // does by then.
    let goes_on = || restarts(&node, "dying") >= told + 3;
    wait_until(2 * DEADLINE, "what does not live is restarted", goes_on).await;
    // Nor does a kubelet need it that starts meanwhile.
    node.kill9();
    node.restart_with(&cluster.joining()).await;

    cluster.server().resume();
    cluster.server().compact();
    cluster.delete(&path("gone"), Some(1)).await;
    let is_told = |pod: &Value| main_of(pod).1 >= told + 3;
    cluster.wait(&path("dying"), "is told of", is_told).await;
    cluster.wait_gone(&path("gone")).await;
    let after = cluster.get(&path("web")).await.expect("it is there");
    assert_eq!(main_of(&after), main_of(&web), "nobody has touched it");
    cluster.wait(&path("web"), "is ready", is_ready).await;
    cluster
        .wait(NODE, "is ready", |node| holds(node, "Ready"))
        .await;
    let lease = cluster.wait(LEASE, "is there", |_| true).await;
    let renewed = |now: &Value| now["spec"]["renewTime"] != lease["spec"]["renewTime"];
    cluster.wait(LEASE, "is renewed", renewed).await;
    cluster
        .create(PODS, &placed("late", one(&image, &["sleep", "1000"])))
        .await;
    cluster.wait(&path("late"), "is ready", is_ready).await;
    for name in ["dying", "web", "late"] {
        cluster.delete(&path(name), Some(1)).await;
        cluster.wait_gone(&path(name)).await;
    }
    node.stop().await;
}

#[tokio::test]
async fn a_server_whose_clock_is_an_hour_off_changes_nothing() {
    for ahead in [3600, -3600] {
        let mut cluster = Cluster::breakable();
        cluster.server().set_clock(ahead);
        let node = join(&cluster).await;
        let image = node.import_debian("busybox").await;
        let mut spec = shell(&image, "trap 'exit 0' TERM; while true; do sleep 0.1; done");
        spec["volumes"] = json!([{ "name": "api", "projected": { "sources": [
            { "serviceAccountToken": { "path": "token", "expirationSeconds": 3600 } },
        ]}}]);
        spec["containers"][0]["volumeMounts"] = json!([{ "name": "api", "mountPath": "/api" }]);
        cluster.create(PODS, &placed("web", spec)).await;
        cluster.wait(&path("web"), "is ready", is_ready).await;
        cluster
            .wait(NODE, "is ready", |node| holds(node, "Ready"))
            .await;
        let lease = cluster.wait(LEASE, "is there", |_| true).await;
        let renewed = |now: &Value| now["spec"]["renewTime"] != lease["spec"]["renewTime"];
        cluster.wait(LEASE, "is renewed", renewed).await;
        // That took a quarter of its duration: a token that had seemed to be over would have been replaced.
        let requests = cluster.server().requests();
        let tokens = requests.iter().filter(|one| one.ends_with("/token"));
        assert_eq!(tokens.count(), 1, "{requests:#?}");
        cluster.delete(&path("web"), Some(60)).await;
        cluster.wait_gone(&path("web")).await;
        node.stop().await;
    }
}

#[tokio::test]
async fn a_certificate_that_ends_while_a_node_runs_is_explained_and_its_pods_go_on() {
    let mut cluster = Cluster::secure();
    let file = cluster.file("client.pem");
    let hour = Duration::from_secs(3600);
    let good = |cluster: &mut Cluster| {
        let ends = SystemTime::now() + hour;
        cluster.server().certificate_of_node("node", ends)
    };
    fs::write(&file, good(&mut cluster)).expect("there is room");
    let user = json!({ "client-certificate": file, "client-key": file });
    let kubeconfig = cluster.write("kubelet.conf", &user);
    let node = Node::start_with(Options {
        start: Start {
            arguments: vec![format!("--kubeconfig={}", kubeconfig.display())],
            ..Start::default()
        },
        ..Options::default()
    })
    .await;
    let image = node.import_debian("busybox").await;
    let spec = one(&image, &["sleep", "100000"]);
    cluster.create(PODS, &placed("web", spec)).await;
    let before = cluster.wait(&path("web"), "is ready", is_ready).await;
    // As if its time had come: what was opened with the one before ends, and nothing gets in anew.
    let ended = SystemTime::now() - hour;
    let ended = cluster.server().certificate_of_node("node", ended);
    fs::write(&file, ended).expect("there is room");
    let words = "the client certificate of system:node:node has expired at";
    let told = || node.daemon_log().contains(words);
    wait_until(DEADLINE, "the end is told", told).await;
    assert_eq!(restarts(&node, "web"), 0);

    fs::write(&file, good(&mut cluster)).expect("there is room");
    cluster.delete(&path("web"), Some(1)).await;
    cluster.wait_gone(&path("web")).await;
    assert_eq!(main_of(&before).1, 0);
    node.stop().await;
}
